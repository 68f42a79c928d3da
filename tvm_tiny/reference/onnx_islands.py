"""ONNX float operators between DequantizeLinear and QuantizeLinear on the integer kernels.

An entry takes the operator, its operands and the output's quantization, and returns int8 data
in the model's NCHW layout. It raises `NoIntegerForm` where operands or attributes leave no
integer arithmetic; the operator then runs in float.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import (
    activation,
    affine,
    convolution,
    dense,
    elementwise,
    log_softmax_rescaled,
    movement,
    onnx_norms,
    pooling,
    reduction,
    softmax_rescaled,
)
from .arithmetic import IntArray
from .onnx_operands import NoIntegerForm, Operand
from .onnx_operands import per_tensor as _activation
from .onnx_operands import quantized as _quantized
from .onnx_values import Dequantized, Node
from .onnx_windows import from_nhwc, to_nhwc, transposed_window, window
from .quantization import Quant, Rounding, quantize, quantize_value, requantize

Array = npt.NDArray[Any]
Kernel = Callable[[Node, tuple[Operand, ...], Quant, Rounding], Array]


def _weights(args: tuple[Operand, ...], position: int = 1) -> tuple[Dequantized, Array]:
    """A constant operand and its integers with zero point 0."""
    value = _quantized(args, position)
    if not value.constant:
        raise NoIntegerForm
    return value, value.centered() if value.zero_points.any() else value.data


def _bias(args: tuple[Operand, ...], x: Quant, w_scales: Array, channels: int) -> IntArray | None:
    """The third operand, one value or [channels], in whole steps of the accumulator."""
    value = args[2] if len(args) > 2 else None
    if value is None:
        return None
    values, own = (
        (value.centered(), value.scales) if isinstance(value, Dequantized) else (value, None)
    )
    on_run = isinstance(value, Dequantized) and not value.constant
    along = values.size in (1, channels) and values.shape[-1:] == (values.size,)[: values.ndim]
    if on_run or not along:
        raise NoIntegerForm
    return convolution.bias_steps(values, own, x.scale, w_scales).astype(np.int64)


def _conv(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    w, weights = _weights(args)
    shape = window(node, x.shape, list(weights.shape[2:]))
    scales = np.broadcast_to(w.scales, weights.shape[0])
    result = convolution.conv2d(
        to_nhwc(x),
        to_nhwc(weights),
        _bias(args, x_quant, scales, weights.shape[0]),
        x_quant,
        scales,
        y,
        strides=shape.strides,
        pads=shape.pads,
        dilations=shape.dilations,
        groups=node.attributes.get("group", 1),
        rounding=rounding,
    )
    return from_nhwc(result, x.ndim)


def _conv_transpose(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    w, weights = _weights(args)
    groups = node.attributes.get("group", 1)
    inputs, share, *kernel = weights.shape
    # [I, O / groups, (KH,) KW], the groups along I -> [O, KH, KW, I / groups]
    split = weights.reshape(
        groups, inputs // groups, share, *(kernel if x.ndim == 4 else [1, *kernel])
    )
    ohwi = split.transpose(0, 2, 3, 4, 1).reshape(groups * share, *split.shape[3:], -1)
    scales = np.tile(w.scales, groups) if w.scales.size > 1 else w.scales
    scales = np.broadcast_to(scales, groups * share)
    shape, size = transposed_window(node, x.shape, kernel)
    result = convolution.conv2d_transpose(
        to_nhwc(x),
        ohwi,
        _bias(args, x_quant, scales, groups * share),
        x_quant,
        scales,
        y,
        output_shape=size,
        strides=shape.strides,
        pads=shape.pads[:2],
        dilations=shape.dilations,
        groups=groups,
        rounding=rounding,
    )
    return from_nhwc(result, x.ndim)


def _matmul(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    return _product(_activation(args), args, y, rounding)


def _product(
    first: tuple[Array, Quant],
    args: tuple[Operand, ...],
    y: Quant,
    rounding: Rounding,
    *,
    turn: bool = False,
) -> Array:
    """`first` times the second operand, [..., I, O] or, to `turn`, [O, I], plus the third."""
    x, x_quant = first
    second = _quantized(args, 1)
    if second.constant and second.data.ndim == 2:
        w, weights = _weights(args)
        weights = weights if turn else weights.T
        bias = _bias(args, x_quant, w.scales, weights.shape[0])
        return dense.fully_connected(x, weights, bias, x_quant, w.scales, y, rounding=rounding)
    b, b_quant = _activation(args, 1)
    b = b.T if turn else b
    bias = _bias(args, x_quant, second.scales, b.shape[-1])
    return dense.batch_matmul(x, b, x_quant, b_quant, y, bias=bias, rounding=rounding)


def _gemm(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    options = node.attributes
    x, x_quant = _activation(args)
    if options.get("alpha", 1.0) != 1.0 or options.get("beta", 1.0) != 1.0:
        raise NoIntegerForm
    x = x.T if options.get("transA", 0) else x
    return _product((x, x_quant), args, y, rounding, turn=bool(options.get("transB", 0)))


def _binary(kernel: Callable[..., Array]) -> Kernel:
    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        if len(args) != 2 or (rounding is Rounding.FLOAT32 and any(map(_is_number, args))):
            raise NoIntegerForm
        (a, a_quant), (b, b_quant) = _activation(args, 0), _activation(args, 1)
        return kernel(a, b, a_quant, b_quant, y)

    return run


def _mul(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    return _binary(functools.partial(elementwise.mul, rounding=rounding))(node, args, y, rounding)


def _affine(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    _, gain, offset = node.attributes["line"](x.ndim)
    result = affine.affine(x, gain, offset, x_quant, y, rounding)
    if result is None:
        raise NoIntegerForm
    return result


def _sum(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    terms = [_activation(args, k) for k in range(len(args))]
    if len(terms) == 1:
        return requantize(*terms[0], y, rounding=rounding)
    if len(terms) == 2:
        return _binary(elementwise.add)(node, args, y, rounding)
    if len(terms) > elementwise.MOST_TERMS:
        raise NoIntegerForm
    return elementwise.add_n([data for data, _ in terms], [q for _, q in terms], y)


def _mean(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    return _sum(node, args, Quant(y.scale * len(args), y.zero_point), rounding)


def _extreme(kernel: Callable[..., Array]) -> Kernel:
    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        operands = [_activation(args, k) for k in range(len(args))]
        moved = [requantize(*operand, y, rounding=rounding) for operand in operands]
        return functools.reduce(lambda a, b: kernel(a, b, y, y, y), moved)

    return run


def _is_number(arg: Operand) -> bool:
    return isinstance(arg, Dequantized) and arg.constant and arg.data.size == 1


def _unary(kernel: Callable[..., Array], **defaults: float) -> Kernel:
    """A function of one tensor: in float32, or in the integers of TFLite's kernel."""

    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        if rounding is Rounding.FLOAT32:
            raise NoIntegerForm
        options = {name: node.attributes.get(name, value) for name, value in defaults.items()}
        return kernel(*_activation(args), y, **options)

    return run


def _average_pool(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    kernel = list(node.attributes["kernel_shape"])
    shape = window(node, x.shape, kernel)
    image, pads = to_nhwc(x), shape.pads
    if node.attributes.get("count_include_pad", 0):
        # The model's own padding counts as real zeros; what ceil_mode adds does not.
        plain = replace(node, attributes={**node.attributes, "ceil_mode": 0})
        top, left, bottom, right = window(plain, x.shape, kernel).pads
        image = convolution.pad_image(image, (top, left, bottom, right), x_quant.zero_point)
        pads = (0, 0, pads[2] - bottom, pads[3] - right)
    options: dict[str, Any] = {"strides": shape.strides, "pads": pads, "dilations": shape.dilations}
    if rounding is Rounding.FLOAT32:
        pooled = pooling.average_pool2d_rescaled(image, shape.kernel, x_quant, y, **options)
    else:
        pooled = requantize(pooling.average_pool2d(image, shape.kernel, **options), x_quant, y)
    return from_nhwc(pooled, x.ndim)


def _global_average_pool(
    node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding
) -> Array:
    x, x_quant = _activation(args)
    return reduction.mean(x, range(2, x.ndim), x_quant, y, keepdims=True, rounding=rounding)


def _reduce(kernel: Callable[..., Array]) -> Kernel:
    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        x, x_quant = _activation(args)
        axes = node.attributes.get("axes")
        if len(args) > 1 and isinstance(args[1], np.ndarray):
            axes = args[1].reshape(-1).tolist()
        if not axes:
            if node.attributes.get("noop_with_empty_axes", 0):
                return requantize(x, x_quant, y, rounding=rounding)
            axes = list(range(x.ndim))
        keepdims = bool(node.attributes.get("keepdims", 1))
        return kernel(x, axes, x_quant, y, keepdims=keepdims, rounding=rounding)

    return run


def _concat(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    parts = [_activation(args, k) for k in range(len(args))]
    axis = node.attributes["axis"]
    return movement.concat([data for data, _ in parts], [q for _, q in parts], y, axis, rounding)


def _where(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """Both choices at the output's quantization, which float ones are rounded to."""
    condition = args[0]
    if not isinstance(condition, np.ndarray):
        raise NoIntegerForm
    choices = [
        quantize(choice, y, rounding=rounding)
        if isinstance(choice, np.ndarray)
        else requantize(*_activation(args, k), y, rounding=rounding)
        for k, choice in enumerate(args[1:], 1)
    ]
    return np.where(condition, *choices)


def _softmax(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    matrix, axis = _softmax_axis(node, x)
    if matrix.shape[axis] > softmax_rescaled.LONGEST_AXIS or not softmax_rescaled.reaches(y.scale):
        raise NoIntegerForm
    return softmax_rescaled.softmax(matrix, x_quant, y, axis=axis).reshape(x.shape)


def _log_softmax(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    matrix, axis = _softmax_axis(node, x)
    return log_softmax_rescaled.log_softmax(matrix, x_quant, y, axis).reshape(x.shape)


def _softmax_axis(node: Node, x: Array) -> tuple[Array, int]:
    """The data and the axis of a softmax; before opset 13 all axes from it on are one."""
    axis = node.attributes.get("axis", -1) % x.ndim
    if node.attributes.get("flattens") or node.attributes.get("opset", 13) < 13:
        return x.reshape(math.prod(x.shape[:axis]), -1), -1
    return x, axis


def _prelu(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    if rounding is Rounding.FLOAT32:
        return activation.prelu_float32(x, _real(args[1]), x_quant, y)
    alpha, alpha_quant = _activation(args, 1)
    return activation.prelu(x, alpha, x_quant, alpha_quant, y)


def _resize_linear(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = _activation(args)
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    kind = node.attributes.get("mode", "nearest")
    if x.ndim not in (3, 4) or kind != "linear" or mode not in LINEAR_MODES:
        raise NoIntegerForm
    size = resized_shape(x.shape, args)
    if size[:2] != x.shape[:2] or (mode == "pytorch_half_pixel" and 1 in size[2:]):
        raise NoIntegerForm
    if rounding is Rounding.FLOAT32 and y.scale < x_quant.scale:
        raise NoIntegerForm  # a step of the input is too coarse
    image = to_nhwc(x)
    extents = (size[2], size[3]) if x.ndim == 4 else (1, size[2])
    rows, columns = (
        movement.linear_positions(mode, *pair)
        for pair in zip(image.shape[1:3], extents, strict=True)
    )
    result = movement.interpolate(image, rows, columns)
    return requantize(from_nhwc(result, x.ndim), x_quant, y, rounding=rounding)


LINEAR_MODES = ("asymmetric", "align_corners", "half_pixel", "pytorch_half_pixel")


def resized_shape(shape: tuple[int, ...], args: tuple[Any, ...]) -> tuple[int, ...]:
    """Output shape of a Resize from its `sizes` or `scales` operand."""
    sizes = args[3] if len(args) > 3 else None
    if sizes is not None and np.size(sizes):
        return tuple(int(size) for size in np.reshape(sizes, -1))
    scales = args[2] if len(args) > 2 else None
    if scales is None or np.size(scales) != len(shape):
        raise NoIntegerForm
    return tuple(
        int(np.floor(size * float(factor)))
        for size, factor in zip(shape, np.reshape(scales, -1), strict=True)
    )


def padded(node: Node, x: Array, operands: Sequence[Any], level: int) -> Array:
    """Integers `x` with the pads of `node` around them, `level` where they are constant."""
    mode = node.attributes.get("mode", "constant")
    given = node.attributes.get("pads")
    widths = np.asarray(operands[1] if given is None else given).reshape(2, -1)
    axes = operands[3] if len(operands) > 3 and operands[3] is not None else range(x.ndim)
    pairs = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, *widths.tolist(), strict=True):
        pairs[int(axis)] = (before, after)
    # What is negative is cut off first.
    kept = [
        slice(max(-before, 0), size + min(after, 0))
        for (before, after), size in zip(pairs, x.shape, strict=True)
    ]
    x, pairs = x[tuple(kept)], [(max(before, 0), max(after, 0)) for before, after in pairs]
    if mode != "constant":
        return np.pad(x, pairs, mode=mode)
    return np.pad(x, pairs, constant_values=level)


def _pad(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """The pad value is put on the grid of the result, not of the data."""
    x, x_quant = _activation(args)
    fill = args[2] if len(args) > 2 and args[2] is not None else 0.0
    value = float(np.reshape(node.attributes.get("value", _real(fill)), -1)[0])
    level = min(max(quantize_value(value, y, rounding), -128), 127)
    return padded(node, requantize(x, x_quant, y, rounding=rounding), args, level)


def _real(value: Any) -> Any:
    return value.real() if isinstance(value, Dequantized) else value


def _clip(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """A Relu or Clip on its own: the island's bounds do the clipping."""
    return activation.clip(*_activation(args), y, (-128, 127), rounding)


ISLANDS: dict[str, Kernel] = {
    "Add": _binary(elementwise.add),
    "Affine": _affine,
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _binary(elementwise.div),
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "GroupNormalization": onnx_norms.group_norm,
    "HardSwish": _unary(activation.hard_swish),
    "InstanceNormalization": onnx_norms.group_norm,
    "LayerNormalization": onnx_norms.trailing_norm,
    "LpNormalization": onnx_norms.lp_norm,
    "LogSoftmax": _log_softmax,
    "LeakyRelu": _unary(activation.leaky_relu, alpha=0.01),
    "MatMul": _matmul,
    "Max": _extreme(elementwise.maximum),
    "Mean": _mean,
    "Min": _extreme(elementwise.minimum),
    "Mul": _mul,
    "PRelu": _prelu,
    "Pad": _pad,
    "RMSNormalization": onnx_norms.trailing_norm,
    "ReduceMax": _reduce(reduction.largest),
    "ReduceMean": _reduce(reduction.mean),
    "ReduceMin": _reduce(reduction.smallest),
    "ReduceSum": _reduce(reduction.add_up),
    "Relu": _clip,
    "Resize": _resize_linear,
    "SimplifiedLayerNormalization": onnx_norms.trailing_norm,
    "Sigmoid": _unary(activation.logistic),
    "Softmax": _softmax,
    "SquaredDifference": _binary(elementwise.squared_difference),
    "Sub": _binary(elementwise.sub),
    "Sum": _sum,
    "Tanh": _unary(activation.tanh),
    "Where": _where,
}
