"""ONNX reductions, average pooling and softmax on the integer kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import convolution, log_softmax_rescaled, pooling, reduction, softmax_rescaled
from .onnx_operands import Kernel, NoIntegerForm, Operand, per_tensor
from .onnx_values import Node
from .onnx_windows import from_nhwc, to_nhwc, window
from .quantization import Quant, Rounding, requantize

Array = npt.NDArray[Any]


def _average_pool(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = per_tensor(args)
    kernel = list(node.attributes["kernel_shape"])
    shape = window(node, x.shape, kernel)
    image, pads = to_nhwc(x), shape.pads
    if node.attributes.get("count_include_pad", 0):
        # The model's own padding counts as real zeros; the padding that ceil_mode adds does not.
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
    x, x_quant = per_tensor(args)
    return reduction.mean(x, range(2, x.ndim), x_quant, y, keepdims=True, rounding=rounding)


def _reduce(kernel: Callable[..., Array]) -> Kernel:
    def run(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
        x, x_quant = per_tensor(args)
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


def _softmax(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = per_tensor(args)
    matrix, axis = _softmax_axis(node, x)
    if matrix.shape[axis] > softmax_rescaled.LONGEST_AXIS or not softmax_rescaled.reaches(y.scale):
        raise NoIntegerForm
    return softmax_rescaled.softmax(matrix, x_quant, y, axis=axis).reshape(x.shape)


def _log_softmax(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = per_tensor(args)
    matrix, axis = _softmax_axis(node, x)
    return log_softmax_rescaled.log_softmax(matrix, x_quant, y, axis).reshape(x.shape)


def _softmax_axis(node: Node, x: Array) -> tuple[Array, int]:
    """The data and the axis of a softmax.

    Before opset 13 all axes from the attribute `axis` on are joined to one.
    """
    axis = node.attributes.get("axis", -1) % x.ndim
    if node.attributes.get("flattens") or node.attributes.get("opset", 13) < 13:
        return x.reshape(math.prod(x.shape[:axis]), -1), -1
    return x, axis


REDUCTIONS: dict[str, Kernel] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "LogSoftmax": _log_softmax,
    "ReduceMax": _reduce(reduction.largest),
    "ReduceMean": _reduce(reduction.mean),
    "ReduceMin": _reduce(reduction.smallest),
    "ReduceSum": _reduce(reduction.add_up),
    "Softmax": _softmax,
}
