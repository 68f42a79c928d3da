"""TFLite operators on images [N, H, W, C]: convolutions, pooling, resizing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import tflite

from . import convolution, movement, pooling
from .flatbuffer import Operator
from .tflite_operands import (
    Array,
    Arrays,
    Handler,
    Inputs,
    Pair,
    array,
    given,
    integers,
    limits_of,
    optional,
    quants,
    refuse,
)


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


def _scales(op: Operator) -> npt.NDArray[np.float32]:
    """Scales of weights; the kernels need a zero point of 0."""
    weights = given(op, 1)
    refuse(op, weights.zero_points.any(), "weights with a zero point other than 0")
    return weights.scales


def _conv2d(op: Operator, inputs: Inputs) -> Arrays:
    x, weights = array(inputs, 0), array(inputs, 1)
    groups = x.shape[3] // weights.shape[3]
    return [_convolved(op, inputs, convolution.conv2d, groups=groups)]


def _depthwise(op: Operator, inputs: Inputs) -> Arrays:
    return [_convolved(op, inputs, convolution.depthwise_conv2d)]


def _convolved(op: Operator, inputs: Inputs, kernel: Callable[..., Array], **extra: int) -> Array:
    x, weights = array(inputs, 0), array(inputs, 1)
    dilations = (op.options.DilationHFactor(), op.options.DilationWFactor())
    strides, pads = _window(op, x.shape[1:3], weights.shape[1:3], dilations)
    x_quant, y_quant = quants(op, 0)
    return kernel(
        x, weights, optional(inputs, 2), x_quant, _scales(op), y_quant, strides=strides,
        pads=pads, dilations=dilations, limits=limits_of(op), **extra,
    )  # fmt: skip


def _transpose_conv(op: Operator, inputs: Inputs) -> Arrays:
    weights, x = array(inputs, 1), array(inputs, 2)
    size = (op.outputs[0].shape[1], op.outputs[0].shape[2])
    strides, pads = _window(op, size, weights.shape[1:3])
    x_quant, y_quant = quants(op, 2)
    return [
        convolution.conv2d_transpose(
            x, weights, optional(inputs, 3), x_quant, _scales(op), y_quant, output_shape=size,
            strides=strides, pads=pads[:2], limits=limits_of(op),
        )
    ]  # fmt: skip


def _pool(kernel: Callable[..., Array]) -> Handler:
    def run(op: Operator, inputs: Inputs) -> Arrays:
        x = array(inputs, 0)
        size = (op.options.FilterHeight(), op.options.FilterWidth())
        strides, pads = _window(op, x.shape[1:3], size)
        return [kernel(x, size, strides=strides, pads=pads, limits=limits_of(op))]

    return run


def _resize(kernel: Callable[..., Array]) -> Handler:
    def run(op: Operator, inputs: Inputs) -> Arrays:
        corners, half = bool(op.options.AlignCorners()), bool(op.options.HalfPixelCenters())
        refuse(op, corners and half, "align_corners together with half_pixel_centers")
        size = tuple(integers(inputs, 1))
        return [kernel(array(inputs, 0), size, align_corners=corners, half_pixel=half)]

    return run


#: Operators on int8 images.
WINDOWS: dict[str, Handler] = {
    "AVERAGE_POOL_2D": _pool(pooling.average_pool2d),
    "CONV_2D": _conv2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "MAX_POOL_2D": _pool(pooling.max_pool2d),
    "RESIZE_BILINEAR": _resize(movement.resize_bilinear),
    "RESIZE_NEAREST_NEIGHBOR": _resize(movement.resize_nearest),
    "TRANSPOSE_CONV": _transpose_conv,
}
