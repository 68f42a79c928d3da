"""Average and maximum pooling on NHWC int8 tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    INT8_MIN,
    Int8Array,
    IntArray,
    clamp_to_int8,
    truncating_divide,
    wrap_int32,
)
from .convolution import Pads, Pair, pad_image, windows
from .quantization import Quant, rescale_float32, to_output
from .reduction import mean_ratio

FULL_RANGE = (-128, 127)


def average_pool2d(
    x: npt.NDArray[Any],
    kernel: Pair,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilations: Pair = (1, 1),
    limits: Pair = FULL_RANGE,
) -> Int8Array:
    """The mean of the window's pixels inside the image, in the input's quantization.

    The sum of the raw int8 values is divided by their count, to nearest, ties away from zero (of
    the raw value).
    """
    total, count = _sums(x, kernel, strides, pads, dilations)
    half = count // 2
    nudged = total + np.where(total > 0, half, -half)
    return clamp_to_int8(truncating_divide(nudged, count), limits)


def average_pool2d_rescaled(
    x: npt.NDArray[Any],
    kernel: Pair,
    x_quant: Quant,
    y_quant: Quant,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilations: Pair = (1, 1),
    limits: Pair | None = None,
) -> Int8Array:
    """The mean of the window's pixels inside the image, at the output's quantization.

    It is rounded once, in float32, as in onnxruntime.
    """
    total, count = _sums(x, kernel, strides, pads, dilations)
    ratio = mean_ratio(x_quant.scale, y_quant.scale, count)
    centered = wrap_int32(total - x_quant.zero_point * count)
    return to_output(rescale_float32(centered, ratio), y_quant, limits)


def _sums(
    x: npt.NDArray[Any], kernel: Pair, strides: Pair, pads: Pads, dilations: Pair
) -> tuple[IntArray, IntArray]:
    """The sum and the number of raw values of each window, inside the image."""
    view = windows(pad_image(x.astype(np.int32), pads), kernel, strides, dilations)
    inside = pad_image(np.ones((1, *x.shape[1:3], 1), dtype=np.int32), pads)
    count = windows(inside, kernel, strides, dilations).sum(axis=(3, 4), dtype=np.int64)
    return view.sum(axis=(3, 4), dtype=np.int64), count


def max_pool2d(
    x: npt.NDArray[Any],
    kernel: Pair,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilations: Pair = (1, 1),
    limits: Pair = FULL_RANGE,
) -> Int8Array:
    """The largest pixel of the window inside the image; quantization is unchanged."""
    view = windows(pad_image(x.astype(np.int64), pads, INT8_MIN), kernel, strides, dilations)
    return clamp_to_int8(view.max(axis=(3, 4)), limits)
