"""ONNX convolutions and matrix products on the integer kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import convolution, dense
from .arithmetic import IntArray
from .onnx_operands import Kernel, NoIntegerForm, Operand, per_tensor, quantized
from .onnx_values import Dequantized, Node
from .onnx_windows import from_nhwc, to_nhwc, transposed_window, window
from .quantization import Quant, Rounding

Array = npt.NDArray[Any]


def _weights(args: tuple[Operand, ...], position: int = 1) -> tuple[Dequantized, Array]:
    """A constant operand and its integers with zero point 0."""
    value = quantized(args, position)
    if not value.constant:
        raise NoIntegerForm
    return value, value.centered() if value.zero_points.any() else value.data


def _bias(args: tuple[Operand, ...], x: Quant, w_scales: Array, channels: int) -> IntArray | None:
    """The third operand, of one value or [channels], in whole steps of the accumulator."""
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
    x, x_quant = per_tensor(args)
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
    x, x_quant = per_tensor(args)
    w, weights = _weights(args)
    groups = node.attributes.get("group", 1)
    inputs, share, *kernel = weights.shape
    # [I, O / groups, (KH,) KW] with groups along I -> [O, KH, KW, I / groups]
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
    return _product(per_tensor(args), args, y, rounding)


def _product(
    first: tuple[Array, Quant],
    args: tuple[Operand, ...],
    y: Quant,
    rounding: Rounding,
    *,
    turn: bool = False,
) -> Array:
    """`first` times the second operand, plus the third.

    turn: the second operand is [O, I] instead of [..., I, O].
    """
    x, x_quant = first
    second = quantized(args, 1)
    if second.constant and second.data.ndim == 2:
        w, weights = _weights(args)
        weights = weights if turn else weights.T
        bias = _bias(args, x_quant, w.scales, weights.shape[0])
        return dense.fully_connected(x, weights, bias, x_quant, w.scales, y, rounding=rounding)
    b, b_quant = per_tensor(args, 1)
    b = b.T if turn else b
    bias = _bias(args, x_quant, second.scales, b.shape[-1])
    return dense.batch_matmul(x, b, x_quant, b_quant, y, bias=bias, rounding=rounding)


def _gemm(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    options = node.attributes
    x, x_quant = per_tensor(args)
    if options.get("alpha", 1.0) != 1.0 or options.get("beta", 1.0) != 1.0:
        raise NoIntegerForm
    x = x.T if options.get("transA", 0) else x
    return _product((x, x_quant), args, y, rounding, turn=bool(options.get("transB", 0)))


PRODUCTS: dict[str, Kernel] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
