"""Average and maximum pooling on NHWC int8 tensors, and mean over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    INT8_MIN,
    Int8Array,
    clamp_to_int8,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    truncating_divide,
    wrap_int32,
)
from .convolution import Pads, Pair, pad_image, windows
from .quantization import Quant, Rounding, rescale_float32, to_output

FULL_RANGE = (-128, 127)


def average_pool2d(
    x: npt.NDArray[Any],
    kernel: Pair,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    limits: Pair = FULL_RANGE,
    count_include_pad: int | None = None,
) -> Int8Array:
    """Mean of the window's pixels inside the image, in the input's quantization.

    The sum of the raw int8 values is divided by their count, to nearest, ties away from zero
    (of the raw value). With `count_include_pad` = zero point, pixels outside count as that
    value instead (ONNX's option).
    """
    outside = 0 if count_include_pad is None else count_include_pad
    view = windows(pad_image(x.astype(np.int32), pads, outside), kernel, strides)
    total = view.sum(axis=(3, 4), dtype=np.int64)
    inside = np.ones((1, *x.shape[1:3], 1), dtype=np.int32)
    padded = pad_image(inside, pads, 0 if count_include_pad is None else 1)
    count = windows(padded, kernel, strides).sum(axis=(3, 4), dtype=np.int64)
    half = count // 2
    nudged = total + np.where(total > 0, half, -half)
    return clamp_to_int8(truncating_divide(nudged, count), limits)


def max_pool2d(
    x: npt.NDArray[Any],
    kernel: Pair,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilations: Pair = (1, 1),
    limits: Pair = FULL_RANGE,
) -> Int8Array:
    """Largest pixel of the window inside the image; quantization is unchanged."""
    view = windows(pad_image(x.astype(np.int64), pads, INT8_MIN), kernel, strides, dilations)
    return clamp_to_int8(view.max(axis=(3, 4)), limits)


def mean_multiplier(x_scale: float, y_scale: float, count: int) -> tuple[int, int]:
    """Multiplier and shift of x_scale / y_scale / count.

    The multiplier of the scales is divided by `count` as an integer, towards zero, after
    moving it up by floor(log2(count)) bits (at most 32, and not past a right shift of 31).
    """
    multiplier, shift = quantize_multiplier(float(x_scale) / float(y_scale))
    up = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << up) // count, shift - up


def mean(
    x: npt.NDArray[Any],
    axes: Sequence[int],
    x_quant: Quant,
    y_quant: Quant,
    *,
    keepdims: bool = False,
    limits: Pair | None = None,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """Mean over `axes` of an int8 tensor of any rank, from one quantization to another."""
    resolved = tuple(sorted({axis % x.ndim for axis in axes}))
    count = int(np.prod([x.shape[axis] for axis in resolved], dtype=np.int64))
    total = x.sum(axis=resolved, keepdims=keepdims, dtype=np.int64)
    centered = wrap_int32(total - x_quant.zero_point * count)
    if rounding is Rounding.FLOAT32:
        ratio = np.float32(x_quant.scale) / (np.float32(count) * np.float32(y_quant.scale))
        return to_output(rescale_float32(centered, np.float32(ratio)), y_quant, limits)
    multiplier, shift = mean_multiplier(x_quant.scale, y_quant.scale, count)
    return to_output(multiply_by_quantized_multiplier(centered, multiplier, shift), y_quant, limits)
