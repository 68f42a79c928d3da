"""Average and maximum pooling on NHWC int8 tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import INT8_MIN, Int8Array, clamp_to_int8, truncating_divide
from .convolution import Pads, Pair, pad_image, windows

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
