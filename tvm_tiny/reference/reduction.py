"""Sums, means and extreme elements over any axes of an int8 tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    Int8Array,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    wrap_int32,
)
from .quantization import Quant, Rounding, requantize, rescale_float32, to_output


def mean_multiplier(x_scale: float, y_scale: float, count: int) -> tuple[int, int]:
    """Multiplier and shift of x_scale / y_scale / count.

    The multiplier of the scales is first moved up by floor(log2(count)) bits (at most 32, and not
    past a right shift of 31), then divided by `count` as an integer, towards zero.
    """
    multiplier, shift = quantize_multiplier(float(x_scale) / float(y_scale))
    up = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << up) // count, shift - up


def _total(divided: bool) -> Callable[..., Int8Array]:
    """A kernel for the sum over axes or, if `divided`, for the mean."""

    def reduce(
        x: npt.NDArray[Any],
        axes: Sequence[int],
        x_quant: Quant,
        y_quant: Quant,
        *,
        keepdims: bool = False,
        rounding: Rounding = Rounding.TFLITE,
    ) -> Int8Array:
        total, terms = _centred_sum(x, axes, x_quant, keepdims)
        count = terms if divided else 1
        if rounding is Rounding.FLOAT32:
            ratio = mean_ratio(x_quant.scale, y_quant.scale, count)
            return to_output(rescale_float32(total, ratio), y_quant, None)
        factors = mean_multiplier(x_quant.scale, y_quant.scale, count)
        return to_output(multiply_by_quantized_multiplier(total, *factors), y_quant, None)

    return reduce


def _centred_sum(
    x: npt.NDArray[Any], axes: Sequence[int], quant: Quant, keepdims: bool
) -> tuple[npt.NDArray[np.int64], int]:
    """The int32 sum of x minus its zero point, and the number of its terms."""
    resolved = tuple(sorted({axis % x.ndim for axis in axes}))
    count = int(np.prod([x.shape[axis] for axis in resolved], dtype=np.int64))
    total = x.sum(axis=resolved, keepdims=keepdims, dtype=np.int64)
    return wrap_int32(total - quant.zero_point * count), count


def mean_ratio(
    x_scale: float, y_scale: float, count: int | npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """onnxruntime's factor for a sum of `count` values, each step rounded to float32."""
    steps = np.asarray(count).astype(np.float32) * np.float32(y_scale)
    return np.asarray(np.float32(x_scale) / steps, dtype=np.float32)


def _extreme(function: Callable[..., Any]) -> Callable[..., Int8Array]:
    """A kernel for the element that `function` picks over axes, requantized."""

    def reduce(
        x: npt.NDArray[Any],
        axes: Sequence[int],
        x_quant: Quant,
        y_quant: Quant,
        *,
        keepdims: bool = False,
        rounding: Rounding = Rounding.TFLITE,
    ) -> Int8Array:
        raw = function(x, axis=tuple(axis % x.ndim for axis in axes), keepdims=keepdims)
        found: Int8Array = requantize(np.asarray(raw), x_quant, y_quant, rounding=rounding)
        return found

    return reduce


mean = _total(divided=True)
add_up = _total(divided=False)
largest = _extreme(np.max)
smallest = _extreme(np.min)
