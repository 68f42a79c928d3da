"""TFLite operators on the integer kernels: operator and input arrays in, output arrays out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from tvm_tiny.errors import UnsupportedError

from . import (
    activation,
    comparison,
    convolution,
    dense,
    elementwise,
    log_softmax,
    movement,
    norms,
    pooling,
    reduction,
)
from .flatbuffer import Operator, Tensor
from .quantization import activation_limits, dequantize, quantize, requantize

Array = npt.NDArray[Any]
Arrays = list[Array]
Handler = Callable[[Operator, list[Array | None]], Arrays]
Pair = tuple[int, int]

FUSED = {
    tflite.ActivationFunctionType.NONE: "none",
    tflite.ActivationFunctionType.RELU: "relu",
    tflite.ActivationFunctionType.RELU6: "relu6",
    tflite.ActivationFunctionType.RELU_N1_TO_1: "relu_n1_to_1",
}


def _given(op: Operator, position: int) -> Tensor:
    tensor = op.inputs[position] if position < len(op.inputs) else None
    if tensor is None:
        raise UnsupportedError(f"{where(op)}: input {position} is missing")
    return tensor


def where(op: Operator) -> str:
    """How messages name an operator."""
    return f"{op.name} (tensor '{op.outputs[0].name if op.outputs else '?'}')"


def _limits(op: Operator, options: Any = None) -> Pair:
    """int8 range of the fused activation of the operator's output."""
    holder = op.options if options is None else options
    code = holder.FusedActivationFunction() if holder is not None else 0
    if code not in FUSED:
        raise UnsupportedError(f"{where(op)}: fused activation {code} has no int8 form")
    return activation_limits(FUSED[code], op.outputs[0].quant)


def _array(inputs: list[Array | None], position: int) -> Array:
    value = inputs[position]
    assert value is not None, "checked by _given"
    return value


def _bias(inputs: list[Array | None], position: int) -> Array | None:
    return inputs[position] if position < len(inputs) else None


def _window(
    op: Operator, size: Pair, kernel: Pair, dilations: Pair = (1, 1)
) -> tuple[Pair, convolution.Pads]:
    """Strides and (top, left, bottom, right) padding of a convolution or pooling."""
    strides = (op.options.StrideH(), op.options.StrideW())
    if op.options.Padding() == tflite.Padding.VALID:
        return strides, (0, 0, 0, 0)
    (top, bottom), (left, right) = (
        convolution.same_pads(*axis) for axis in zip(size, kernel, strides, dilations, strict=True)
    )
    return strides, (top, left, bottom, right)


def _symmetric(weights: Array, tensor: Tensor) -> Array:
    """Weights minus their zero point, which is 0 in models for microcontrollers."""
    if not tensor.zero_points.any():
        return weights
    return np.asarray(weights.astype(np.int64) - int(tensor.zero_points[0]))


def _conv2d(op: Operator, inputs: list[Array | None]) -> Arrays:
    x, weights, w = _array(inputs, 0), _array(inputs, 1), _given(op, 1)
    dilations = (op.options.DilationHFactor(), op.options.DilationWFactor())
    kernel = (weights.shape[1], weights.shape[2])
    strides, pads = _window(op, (x.shape[1], x.shape[2]), kernel, dilations)
    return [
        convolution.conv2d(
            x, _symmetric(weights, w), _bias(inputs, 2), _given(op, 0).quant, w.scales,
            op.outputs[0].quant, strides=strides, pads=pads, dilations=dilations,
            groups=x.shape[3] // weights.shape[3], limits=_limits(op),
        )
    ]  # fmt: skip


def _depthwise(op: Operator, inputs: list[Array | None]) -> Arrays:
    x, weights, w = _array(inputs, 0), _array(inputs, 1), _given(op, 1)
    dilations = (op.options.DilationHFactor(), op.options.DilationWFactor())
    kernel = (weights.shape[1], weights.shape[2])
    strides, pads = _window(op, (x.shape[1], x.shape[2]), kernel, dilations)
    return [
        convolution.depthwise_conv2d(
            x, _symmetric(weights, w), _bias(inputs, 2), _given(op, 0).quant, w.scales,
            op.outputs[0].quant, strides=strides, pads=pads, dilations=dilations,
            limits=_limits(op),
        )
    ]  # fmt: skip


def _transpose_conv(op: Operator, inputs: list[Array | None]) -> Arrays:
    weights, x, w = _array(inputs, 1), _array(inputs, 2), _given(op, 1)
    size = (op.outputs[0].shape[1], op.outputs[0].shape[2])
    strides, pads = _window(op, size, (weights.shape[1], weights.shape[2]))
    return [
        convolution.conv2d_transpose(
            x, _symmetric(weights, w), _bias(inputs, 3), _given(op, 2).quant, w.scales,
            op.outputs[0].quant, output_shape=size, strides=strides, pads=pads[:2],
            limits=_limits(op),
        )
    ]  # fmt: skip


def _fully_connected(op: Operator, inputs: list[Array | None]) -> Arrays:
    """Weights made at run time may have a zero point: a product of two activations."""
    weights, w = _array(inputs, 1), _given(op, 1)
    x = _array(inputs, 0).reshape(-1, weights.shape[1])
    x_quant, y_quant, bias = _given(op, 0).quant, op.outputs[0].quant, _bias(inputs, 2)
    if w.data is not None and not w.zero_points.any():
        result = dense.fully_connected(
            x, weights, bias, x_quant, w.scales, y_quant, limits=_limits(op)
        )
    else:
        result = dense.batch_matmul(
            x, weights.T, x_quant, w.quant, y_quant, bias=bias, limits=_limits(op)
        )
    return [result.reshape(op.outputs[0].shape)]


def _batch_matmul(op: Operator, inputs: list[Array | None]) -> Arrays:
    a, b = _array(inputs, 0), _array(inputs, 1)
    a = np.swapaxes(a, -1, -2) if op.options.AdjX() else a
    b = np.swapaxes(b, -1, -2) if op.options.AdjY() else b
    quants = _given(op, 0).quant, _given(op, 1).quant, op.outputs[0].quant
    return [dense.batch_matmul(a, b, *quants)]


def _binary(kernel: Callable[..., Array], fused: bool = True) -> Handler:
    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        quants = _given(op, 0).quant, _given(op, 1).quant, op.outputs[0].quant
        limits = _limits(op) if fused else None
        return [kernel(_array(inputs, 0), _array(inputs, 1), *quants, limits=limits)]

    return run


def _extremum(choose: Callable[[Array, Array], Array]) -> Handler:
    """The kernels compare and copy the integers, whatever the tensors' quantization."""

    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        return [choose(_array(inputs, 0), _array(inputs, 1))]

    return run


def _pool(op: Operator, inputs: list[Array | None]) -> Arrays:
    x = _array(inputs, 0)
    kernel = (op.options.FilterHeight(), op.options.FilterWidth())
    strides, pads = _window(op, (x.shape[1], x.shape[2]), kernel)
    pool = pooling.max_pool2d if op.name == "MAX_POOL_2D" else pooling.average_pool2d
    return [pool(x, kernel, strides=strides, pads=pads, limits=_limits(op))]


def _reduce(kernel: Callable[..., Array]) -> Handler:
    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        axes = [int(axis) for axis in _array(inputs, 1).reshape(-1)]
        quants = _given(op, 0).quant, op.outputs[0].quant
        keepdims = bool(op.options.KeepDims())
        return [kernel(_array(inputs, 0), axes, *quants, keepdims=keepdims)]

    return run


def _add_n(op: Operator, inputs: list[Array | None]) -> Arrays:
    terms = [_array(inputs, k) for k in range(len(inputs))]
    quants = [_given(op, k).quant for k in range(len(inputs))]
    return [elementwise.add_n(terms, quants, op.outputs[0].quant)]


def _pad(op: Operator, inputs: list[Array | None]) -> Arrays:
    x = _array(inputs, 0)
    widths = [(int(before), int(after)) for before, after in _array(inputs, 1).reshape(-1, 2)]
    fill = _bias(inputs, 2)
    zero = op.outputs[0].quant.zero_point if op.outputs[0].quantized else 0
    return [movement.pad(x, widths, zero if fill is None else fill.reshape(-1)[0])]


def _mirror_pad(op: Operator, inputs: list[Array | None]) -> Arrays:
    widths = _array(inputs, 1).reshape(-1, 2).tolist()
    mode = {0: "reflect", 1: "symmetric"}[op.options.Mode()]
    return [np.pad(_array(inputs, 0), widths, mode=mode)]  # type: ignore[call-overload]


def _space_to_batch(op: Operator, inputs: list[Array | None]) -> Arrays:
    blocks, widths = _array(inputs, 1).reshape(-1).tolist(), _array(inputs, 2).reshape(-1, 2)
    return [movement.space_to_batch(_array(inputs, 0), blocks, widths.tolist())]


def _batch_to_space(op: Operator, inputs: list[Array | None]) -> Arrays:
    blocks, crops = _array(inputs, 1).reshape(-1).tolist(), _array(inputs, 2).reshape(-1, 2)
    return [movement.batch_to_space(_array(inputs, 0), blocks, crops.tolist())]


def _reshape(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [_array(inputs, 0).reshape(op.outputs[0].shape)]


def _transpose(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [np.transpose(_array(inputs, 0), _array(inputs, 1).tolist())]


def _concat(op: Operator, inputs: list[Array | None]) -> Arrays:
    parts = [_array(inputs, k) for k in range(len(inputs))]
    return [np.concatenate(parts, axis=op.options.Axis())]


def _split(op: Operator, inputs: list[Array | None]) -> Arrays:
    axis, x = int(_array(inputs, 0).reshape(-1)[0]), _array(inputs, 1)
    return list(np.split(x, len(op.outputs), axis=axis))


def _split_v(op: Operator, inputs: list[Array | None]) -> Arrays:
    axis = int(_array(inputs, 2).reshape(-1)[0])
    ends = np.cumsum([tensor.shape[axis] for tensor in op.outputs])[:-1]
    return list(np.split(_array(inputs, 0), ends.tolist(), axis=axis))


def _strided_slice(op: Operator, inputs: list[Array | None]) -> Arrays:
    options = op.options
    begin, end, strides = (_array(inputs, k).reshape(-1).tolist() for k in (1, 2, 3))
    return [
        movement.strided_slice(
            _array(inputs, 0), begin, end, strides, begin_mask=options.BeginMask(),
            end_mask=options.EndMask(), ellipsis_mask=options.EllipsisMask(),
            new_axis_mask=options.NewAxisMask(), shrink_axis_mask=options.ShrinkAxisMask(),
            end_is_offset=bool(options.Offset()),
        )
    ]  # fmt: skip


def _slice(op: Operator, inputs: list[Array | None]) -> Arrays:
    begin = _array(inputs, 1).reshape(-1).tolist()
    index = tuple(
        slice(first, first + size) for first, size in zip(begin, op.outputs[0].shape, strict=True)
    )
    return [_array(inputs, 0)[index]]


def _pack(op: Operator, inputs: list[Array | None]) -> Arrays:
    parts = [_array(inputs, k) for k in range(len(inputs))]
    return [np.stack(parts, axis=op.options.Axis())]


def _unpack(op: Operator, inputs: list[Array | None]) -> Arrays:
    return list(np.moveaxis(_array(inputs, 0), op.options.Axis(), 0))


def _gather(op: Operator, inputs: list[Array | None]) -> Arrays:
    """Indices outside of the axis become the nearest inside; TFLM reads what is there."""
    indices = _array(inputs, 1)
    return [np.take(_array(inputs, 0), indices, axis=op.options.Axis(), mode="clip")]


def _depth_to_space(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [movement.depth_to_space(_array(inputs, 0), op.options.BlockSize())]


def _space_to_depth(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [movement.space_to_depth(_array(inputs, 0), op.options.BlockSize())]


def _tile(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [np.tile(_array(inputs, 0), _array(inputs, 1).reshape(-1).tolist())]


def _broadcast_to(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [np.broadcast_to(_array(inputs, 0), op.outputs[0].shape)]


def _reverse(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [np.flip(_array(inputs, 0), _array(inputs, 1).reshape(-1).tolist())]


def _resize(op: Operator, inputs: list[Array | None]) -> Arrays:
    rows, columns = _array(inputs, 1).reshape(-1).tolist()
    nearest = op.name == "RESIZE_NEAREST_NEIGHBOR"
    resize = movement.resize_nearest if nearest else movement.resize_bilinear
    return [
        resize(
            _array(inputs, 0), (rows, columns), align_corners=bool(op.options.AlignCorners()),
            half_pixel=bool(op.options.HalfPixelCenters()),
        )
    ]  # fmt: skip


def _l2_normalization(op: Operator, inputs: list[Array | None]) -> Arrays:
    quants = _given(op, 0).quant, op.outputs[0].quant
    return [norms.l2_normalize(_array(inputs, 0), *quants, limits=_limits(op))]


def _softmax(op: Operator, inputs: list[Array | None]) -> Arrays:
    quants = _given(op, 0).quant, op.outputs[0].quant
    return [activation.softmax(_array(inputs, 0), *quants, beta=op.options.Beta())]


def _unary(kernel: Callable[..., Array], **extra: Any) -> Handler:
    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        quants = _given(op, 0).quant, op.outputs[0].quant
        return [kernel(_array(inputs, 0), *quants, **extra)]

    return run


def _relu6(op: Operator, inputs: list[Array | None]) -> Arrays:
    """Limits at the input's quantization; the clipped integers are copied."""
    return [np.clip(_array(inputs, 0), *activation_limits("relu6", _given(op, 0).quant))]


def _leaky_relu(op: Operator, inputs: list[Array | None]) -> Arrays:
    quants = _given(op, 0).quant, op.outputs[0].quant
    return [activation.leaky_relu(_array(inputs, 0), *quants, alpha=op.options.Alpha())]


def _prelu(op: Operator, inputs: list[Array | None]) -> Arrays:
    quants = _given(op, 0).quant, _given(op, 1).quant, op.outputs[0].quant
    return [activation.prelu(_array(inputs, 0), _array(inputs, 1), *quants)]


def _arg_extreme(op: Operator, inputs: list[Array | None]) -> Arrays:
    find = activation.argmax if op.name == "ARG_MAX" else activation.argmin
    axis = int(_array(inputs, 1).reshape(-1)[0])
    return [find(_array(inputs, 0), axis).astype(op.outputs[0].dtype)]


def _compare(op: Operator, inputs: list[Array | None]) -> Arrays:
    relation, a, b = op.name.lower(), _array(inputs, 0), _array(inputs, 1)
    if a.dtype != np.int8:
        return [comparison.RELATIONS[relation](a, b)]
    return [comparison.compare(relation, a, b, _given(op, 0).quant, _given(op, 1).quant)]


def _plain(function: Callable[..., Array]) -> Handler:
    """An operator on values of any type that quantization has no part in."""

    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        return [function(*(_array(inputs, k) for k in range(len(inputs))))]

    return run


def _select(op: Operator, inputs: list[Array | None]) -> Arrays:
    condition, yes, no = (_array(inputs, k) for k in range(3))
    if op.name == "SELECT" and condition.ndim == 1 < yes.ndim:
        condition = condition.reshape(-1, *[1] * (yes.ndim - 1))
    return [np.where(condition, yes, no)]


def _cast(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [_array(inputs, 0).astype(op.outputs[0].dtype)]


def _quantize(op: Operator, inputs: list[Array | None]) -> Arrays:
    x, source, target = _array(inputs, 0), _given(op, 0), op.outputs[0]
    dtype = np.dtype(target.dtype)
    if source.dtype == "float32":
        return [quantize(x, target.quant, dtype)]
    return [requantize(x, source.quant, target.quant, dtype)]


def _dequantize(op: Operator, inputs: list[Array | None]) -> Arrays:
    return [dequantize(_array(inputs, 0), _given(op, 0).quant)]


def unequal_quantization(op: Operator) -> str | None:
    """Why the operator's kernel refuses the quantization of its tensors, or None."""
    first, last, tolerance = _EQUAL.get(op.name, (0, 0, 0.0))
    for tensor in op.inputs[first : len(op.inputs) if last is None else last]:
        if tensor is None or tensor.dtype != "int8":
            continue
        own, wanted = tensor.quant, op.outputs[0].quant
        if abs(own.scale - wanted.scale) > tolerance or own.zero_point != wanted.zero_point:
            return f"'{tensor.name}' must have the result's scale and zero point"
    return None


# Operator -> operands (first, behind the last) that must have the result's zero point, and its
# scale but for this difference.
_EQUAL: dict[str, tuple[int, int | None, float]] = {
    "AVERAGE_POOL_2D": (0, 1, 1e-6),
    "CONCATENATION": (0, None, 0.0),
    "MAX_POOL_2D": (0, 1, 1e-6),
    "PADV2": (2, 3, 0.0),
}

# Operators that move, compare or convert values and so take any element type.
MOVEMENT: dict[str, Handler] = {
    "BROADCAST_TO": _broadcast_to,
    "CONCATENATION": _concat,
    "BATCH_TO_SPACE_ND": _batch_to_space,
    "DEPTH_TO_SPACE": _depth_to_space,
    "MIRROR_PAD": _mirror_pad,
    "EXPAND_DIMS": _reshape,
    "PAD": _pad,
    "GATHER": _gather,
    "PACK": _pack,
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
    **dict.fromkeys(map(str.upper, comparison.RELATIONS), _compare),
    "CAST": _cast,
    "LOGICAL_AND": _plain(np.logical_and),
    "LOGICAL_NOT": _plain(np.logical_not),
    "LOGICAL_OR": _plain(np.logical_or),
    "SELECT": _select,
    "SELECT_V2": _select,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
}
INTEGER: dict[str, Handler] = {
    "ABS": _unary(activation.absolute),
    "ADD": _binary(elementwise.add),
    "ADD_N": _add_n,
    "ARG_MAX": _arg_extreme,
    "ARG_MIN": _arg_extreme,
    "AVERAGE_POOL_2D": _pool,
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _conv2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DIV": _binary(elementwise.div),
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _unary(activation.hard_swish),
    "L2_NORMALIZATION": _l2_normalization,
    "LEAKY_RELU": _leaky_relu,
    "LOG_SOFTMAX": _unary(log_softmax.log_softmax),
    "LOGISTIC": _unary(activation.logistic),
    "MAXIMUM": _extremum(np.maximum),
    "MAX_POOL_2D": _pool,
    "MEAN": _reduce(reduction.mean),
    "MINIMUM": _extremum(np.minimum),
    "MUL": _binary(elementwise.mul),
    "PRELU": _prelu,
    "REDUCE_MAX": _reduce(reduction.largest),
    "REDUCE_MIN": _reduce(reduction.smallest),
    "RELU": _unary(activation.relu),
    "RELU6": _relu6,
    "RELU_0_TO_1": _unary(activation.relu, activation="relu_0_to_1"),
    "RELU_N1_TO_1": _unary(activation.relu, activation="relu_n1_to_1"),
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "RSQRT": _unary(activation.rsqrt),
    "SOFTMAX": _softmax,
    "SQUARED_DIFFERENCE": _binary(elementwise.squared_difference, fused=False),
    "SUB": _binary(elementwise.sub),
    "SUM": _reduce(reduction.add_up),
    "TANH": _unary(activation.tanh),
    "TRANSPOSE_CONV": _transpose_conv,
}
