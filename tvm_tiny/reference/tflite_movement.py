"""TFLite operators that copy elements of any type to other places."""

from __future__ import annotations

import numpy as np

from . import movement
from .flatbuffer import Operator
from .tflite_operands import (
    Arrays,
    Handler,
    Inputs,
    array,
    arrays,
    fused,
    integers,
    optional,
    pairs,
    refuse,
)


def _pad(op: Operator, inputs: Inputs) -> Arrays:
    """PAD writes the integer of the real value 0, PADV2 its third operand."""
    fill = optional(inputs, 2)
    zero = op.outputs[0].quant.zero_point if op.outputs[0].quantized else 0
    value = zero if fill is None else fill.reshape(-1)[0]
    return [movement.pad(array(inputs, 0), pairs(inputs, 1), value)]


def _mirror_pad(op: Operator, inputs: Inputs) -> Arrays:
    mode = {0: "reflect", 1: "symmetric"}[op.options.Mode()]
    return [np.pad(array(inputs, 0), pairs(inputs, 1), mode=mode)]  # type: ignore[call-overload]


def _space_to_batch(op: Operator, inputs: Inputs) -> Arrays:
    return [movement.space_to_batch(array(inputs, 0), integers(inputs, 1), pairs(inputs, 2))]


def _batch_to_space(op: Operator, inputs: Inputs) -> Arrays:
    return [movement.batch_to_space(array(inputs, 0), integers(inputs, 1), pairs(inputs, 2))]


def _reshape(op: Operator, inputs: Inputs) -> Arrays:
    return [array(inputs, 0).reshape(op.outputs[0].shape)]


def _transpose(op: Operator, inputs: Inputs) -> Arrays:
    return [np.transpose(array(inputs, 0), integers(inputs, 1))]


def _concat(op: Operator, inputs: Inputs) -> Arrays:
    refuse(op, fused(op) != "none", "a fused activation")
    return [np.concatenate(arrays(inputs), axis=op.options.Axis())]


def _split(op: Operator, inputs: Inputs) -> Arrays:
    (axis,) = integers(inputs, 0)
    return list(np.split(array(inputs, 1), len(op.outputs), axis=axis))


def _split_v(op: Operator, inputs: Inputs) -> Arrays:
    (axis,) = integers(inputs, 2)
    ends = np.cumsum([tensor.shape[axis] for tensor in op.outputs])[:-1]
    return list(np.split(array(inputs, 0), ends.tolist(), axis=axis))


def _strided_slice(op: Operator, inputs: Inputs) -> Arrays:
    options = op.options
    return [
        movement.strided_slice(
            array(inputs, 0), *(integers(inputs, k) for k in (1, 2, 3)),
            begin_mask=options.BeginMask(), end_mask=options.EndMask(),
            ellipsis_mask=options.EllipsisMask(), new_axis_mask=options.NewAxisMask(),
            shrink_axis_mask=options.ShrinkAxisMask(), end_is_offset=bool(options.Offset()),
        )
    ]  # fmt: skip


def _slice(op: Operator, inputs: Inputs) -> Arrays:
    index = tuple(
        slice(first, first + size)
        for first, size in zip(integers(inputs, 1), op.outputs[0].shape, strict=True)
    )
    return [array(inputs, 0)[index]]


def _pack(op: Operator, inputs: Inputs) -> Arrays:
    return [np.stack(arrays(inputs), axis=op.options.Axis())]


def _unpack(op: Operator, inputs: Inputs) -> Arrays:
    return list(np.moveaxis(array(inputs, 0), op.options.Axis(), 0))


def _gather(op: Operator, inputs: Inputs) -> Arrays:
    """GATHER; an index outside of the axis becomes the nearest inside.

    TFLM reads whatever memory is there.
    """
    refuse(op, op.options.BatchDims(), "batch dimensions")
    return [np.take(array(inputs, 0), array(inputs, 1), axis=op.options.Axis(), mode="clip")]


def _depth_to_space(op: Operator, inputs: Inputs) -> Arrays:
    return [movement.depth_to_space(array(inputs, 0), op.options.BlockSize())]


def _space_to_depth(op: Operator, inputs: Inputs) -> Arrays:
    return [movement.space_to_depth(array(inputs, 0), op.options.BlockSize())]


def _tile(op: Operator, inputs: Inputs) -> Arrays:
    return [np.tile(array(inputs, 0), integers(inputs, 1))]


def _broadcast_to(op: Operator, inputs: Inputs) -> Arrays:
    return [np.broadcast_to(array(inputs, 0), op.outputs[0].shape)]


def _reverse(op: Operator, inputs: Inputs) -> Arrays:
    return [np.flip(array(inputs, 0), tuple(integers(inputs, 1)))]


#: Operators on tensors of any element type; quantization has no influence on them.
MOVEMENT: dict[str, Handler] = {
    "BATCH_TO_SPACE_ND": _batch_to_space,
    "BROADCAST_TO": _broadcast_to,
    "CONCATENATION": _concat,
    "DEPTH_TO_SPACE": _depth_to_space,
    "EXPAND_DIMS": _reshape,
    "GATHER": _gather,
    "MIRROR_PAD": _mirror_pad,
    "PACK": _pack,
    "PAD": _pad,
    "PADV2": _pad,
    "RESHAPE": _reshape,
    "REVERSE_V2": _reverse,
    "SLICE": _slice,
    "SPACE_TO_BATCH_ND": _space_to_batch,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "SQUEEZE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
}
