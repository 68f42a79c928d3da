"""Operators that keep every element: reshapes, transposition, concatenation, packing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, axis_of, unsupported
from ..model import Operator
from ..validate import label


def convert_reshape(graph: Graph, operator: Operator) -> None:
    """RESHAPE to the shape that an operand or an option gives.

    One entry may be -1. A shape that is computed at run time is replaced by the output tensor's, if
    that is static.
    """
    data = graph.operand(operator, 0)
    given = graph.input(operator, 1)
    if given is not None and given.constant:
        shape: Sequence[int] = graph.integers(operator, 1)
    elif given is not None:
        shape = graph.output(operator).shape
    else:
        shape = operator.integers("new_shape") or graph.output(operator).shape
    _reshape(graph, operator, _resolved(operator, data.shape, shape))


def _resolved(operator: Operator, shape: tuple[int, ...], target: Sequence[int]) -> tuple[int, ...]:
    count = math.prod(shape)
    known = math.prod(size for size in target if size != -1)
    filled = tuple(count // known if size == -1 and known > 0 else size for size in target)
    if tuple(target).count(-1) > 1 or min(filled, default=1) < 1 or math.prod(filled) != count:
        raise ModelError(f"{label(operator)}: cannot reshape {shape} to {tuple(target)}")
    return filled


def convert_squeeze(graph: Graph, operator: Operator) -> None:
    """SQUEEZE drops the dimensions of size 1 that the options name, or all of them."""
    shape = graph.operand(operator, 0).shape
    named = {axis_of(operator, axis, len(shape)) for axis in operator.integers("squeeze_dims")}
    dropped = named or {axis for axis, size in enumerate(shape) if size == 1}
    if any(shape[axis] != 1 for axis in dropped):
        raise ModelError(f"{label(operator)}: cannot squeeze axes {sorted(dropped)} of {shape}")
    _reshape(graph, operator, [n for axis, n in enumerate(shape) if axis not in dropped])


def convert_expand_dims(graph: Graph, operator: Operator) -> None:
    """EXPAND_DIMS inserts a dimension of size 1 at a constant axis."""
    shape = graph.operand(operator, 0).shape
    axes = graph.integers(operator, 1)
    if len(axes) != 1:
        raise ModelError(f"{label(operator)}: {len(axes)} axes; expected one")
    axis = axis_of(operator, axes[0], len(shape) + 1)
    _reshape(graph, operator, (*shape[:axis], 1, *shape[axis:]))


def _reshape(graph: Graph, operator: Operator, shape: Sequence[int]) -> None:
    graph.expect_shape(operator, shape)
    data = graph.copied(operator, graph.operand(operator, 0))
    graph.store(operator, relax.op.reshape(data, tuple(shape)))


def convert_transpose(graph: Graph, operator: Operator) -> None:
    """TRANSPOSE permutes the axes to a constant order."""
    data = graph.operand(operator, 0)
    order = tuple(axis_of(operator, axis, len(data.shape)) for axis in graph.integers(operator, 1))
    if sorted(order) != list(range(len(data.shape))):
        raise ModelError(f"{label(operator)}: {order} is no order of the axes of {data.shape}")
    graph.expect_shape(operator, [data.shape[axis] for axis in order])
    graph.store(operator, relax.op.permute_dims(graph.copied(operator, data), order))


def convert_concatenation(graph: Graph, operator: Operator) -> None:
    """CONCATENATION joins all operands along one axis.

    TFLite's kernel copies integers, so all operands must have the result's quantization.
    """
    operands = [graph.operand(operator, i) for i in range(len(operator.inputs))]
    first = operands[0].shape
    axis = axis_of(operator, operator.integer("axis"), len(first))
    rests = {(*t.shape[:axis], *t.shape[axis + 1 :]) for t in operands}
    if len(rests) != 1 or any(len(t.shape) != len(first) for t in operands):
        raise ModelError(
            f"{label(operator)}: shapes {[t.shape for t in operands]} differ beside axis {axis}"
        )
    total = sum(t.shape[axis] for t in operands)
    graph.expect_shape(operator, (*first[:axis], total, *first[axis + 1 :]))
    for operand in operands:
        graph.expect_result_quantization(operator, operand)
    if operator.integer("fused_activation_function") != 0:
        raise unsupported(operator, graph.output(operator), "a fused activation")
    graph.store(operator, relax.op.concat([graph.real(operator, t) for t in operands], axis=axis))


def convert_pack(graph: Graph, operator: Operator) -> None:
    """PACK joins all operands along a new axis."""
    operands = [graph.operand(operator, i) for i in range(len(operator.inputs))]
    shape = operands[0].shape
    if any(t.shape != shape for t in operands):
        raise ModelError(f"{label(operator)}: shapes {[t.shape for t in operands]} differ")
    axis = axis_of(operator, operator.integer("axis"), len(shape) + 1)
    graph.expect_shape(operator, (*shape[:axis], len(operands), *shape[axis:]))
    wide = tuple(int(n) for n in np.insert(np.array(shape, np.int64), axis, 1))
    parts = [graph.emit(relax.op.reshape(graph.copied(operator, t), wide)) for t in operands]
    graph.store(operator, relax.op.concat(parts, axis=axis))


def convert_depth_to_space(graph: Graph, operator: Operator) -> None:
    """DEPTH_TO_SPACE moves channels (row, column, kept) into blocks of height and width."""
    data, block = graph.operand(operator, 0), operator.integer("block_size")
    n, height, width, channels = _image(operator, data.shape)
    kept = channels // block**2 if block > 0 else 0
    if kept * block**2 != channels:
        raise ModelError(f"{label(operator)}: {channels} channels in blocks of {block}")
    split = (n, height, width, block, block, kept)
    _swap_blocks(graph, operator, split, (n, height * block, width * block, kept))


def convert_space_to_depth(graph: Graph, operator: Operator) -> None:
    """SPACE_TO_DEPTH moves blocks of height and width into channels (row, column, channel)."""
    data, block = graph.operand(operator, 0), operator.integer("block_size")
    n, height, width, channels = _image(operator, data.shape)
    if block < 1 or height % block or width % block:
        raise ModelError(f"{label(operator)}: {height} x {width} in blocks of {block}")
    rows, columns = height // block, width // block
    split = (n, rows, block, columns, block, channels)
    _swap_blocks(graph, operator, split, (n, rows, columns, block**2 * channels))


def _image(operator: Operator, shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 4:
        raise ModelError(f"{label(operator)}: an input of shape {shape}; expected rank 4")
    return shape


def _swap_blocks(
    graph: Graph, operator: Operator, split: Sequence[int], shape: Sequence[int]
) -> None:
    """Reshape to `split`, swap its two middle axes and reshape to `shape`.

    Both DEPTH_TO_SPACE and SPACE_TO_DEPTH are this permutation.
    """
    graph.expect_shape(operator, shape)
    real = graph.copied(operator, graph.operand(operator, 0))
    parts = graph.emit(relax.op.reshape(real, tuple(split)))
    swapped = graph.emit(relax.op.permute_dims(parts, (0, 1, 3, 2, 4, 5)))
    graph.store(operator, relax.op.reshape(swapped, tuple(shape)))


def convert_tile(graph: Graph, operator: Operator) -> None:
    """TILE repeats each axis a constant number of times."""
    data, repeats = graph.operand(operator, 0), graph.integers(operator, 1)
    if len(repeats) != len(data.shape) or min(repeats, default=1) < 1:
        raise ModelError(f"{label(operator)}: repeats {repeats} of an input of {data.shape}")
    graph.expect_shape(operator, [n * r for n, r in zip(data.shape, repeats, strict=True)])
    graph.store(operator, relax.op.tile(graph.copied(operator, data), repeats))


def convert_broadcast_to(graph: Graph, operator: Operator) -> None:
    """BROADCAST_TO repeats axes of size 1 up to a constant shape."""
    data, shape = graph.operand(operator, 0), graph.integers(operator, 1)
    tail = shape[len(shape) - len(data.shape) :]
    if len(tail) != len(data.shape) or any(
        n not in (1, m) for n, m in zip(data.shape, tail, strict=True)
    ):
        raise ModelError(f"{label(operator)}: cannot broadcast {data.shape} to {shape}")
    graph.expect_shape(operator, shape)
    graph.store(operator, relax.op.broadcast_to(graph.copied(operator, data), shape))


CONVERTERS = {
    "RESHAPE": convert_reshape,
    "SQUEEZE": convert_squeeze,
    "EXPAND_DIMS": convert_expand_dims,
    "TRANSPOSE": convert_transpose,
    "CONCATENATION": convert_concatenation,
    "PACK": convert_pack,
    "DEPTH_TO_SPACE": convert_depth_to_space,
    "SPACE_TO_DEPTH": convert_space_to_depth,
    "TILE": convert_tile,
    "BROADCAST_TO": convert_broadcast_to,
}
