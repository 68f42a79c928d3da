"""Affine quantization, real = scale * (q - zero_point), and operations on it."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    INT8_MAX,
    INT8_MIN,
    Int8Array,
    IntArray,
    clamp_to_int8,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    round_half_away,
    round_half_away_array,
)


class Quant(NamedTuple):
    """The quantization of a whole tensor: float32 `scale` and int8 `zero_point`."""

    scale: float
    zero_point: int


class Rounding(Enum):
    """The arithmetic that rescales int32 sums of convolutions, products and means."""

    TFLITE = "tflite"  # multiplier and shift, two roundings: the microcontroller kernels
    FLOAT32 = "float32"  # one float32 product, ties to even: onnxruntime's kernels


# A number of steps beyond any integer range.
FAR = 2.0**31

# Real bounds of the activations that can be fused into an operator; None is unbounded.
ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {
    "none": (None, None),
    "relu": (0.0, None),
    "relu6": (0.0, 6.0),
    "relu_0_to_1": (0.0, 1.0),
    "relu_n1_to_1": (-1.0, 1.0),
}


def quantize_value(value: float, quant: Quant, rounding: Rounding = Rounding.TFLITE) -> int:
    """`value` in steps of `quant`, rounded but not clipped; the division is in float32.

    Ties go away from zero, with `Rounding.FLOAT32` to even.
    """
    with np.errstate(over="ignore"):  # an infinite bound, divided by a small scale
        ratio = float(np.float32(value) / np.float32(quant.scale))
    ratio = min(max(ratio, -FAR), FAR)
    steps = round(ratio) if rounding is Rounding.FLOAT32 else round_half_away(ratio)
    return steps + quant.zero_point


def clip_limits(
    low: float | None,
    high: float | None,
    quant: Quant,
    rounding: Rounding = Rounding.TFLITE,
) -> tuple[int, int]:
    """The int8 limits of a clip to the real interval [low, high]."""
    lower = INT8_MIN if low is None else max(INT8_MIN, quantize_value(low, quant, rounding))
    upper = INT8_MAX if high is None else min(INT8_MAX, quantize_value(high, quant, rounding))
    return lower, upper


def activation_limits(name: str, quant: Quant) -> tuple[int, int]:
    """The int8 limits of a fused activation, one of `ACTIVATIONS`, at the output's quantization."""
    return clip_limits(*ACTIVATIONS[name], quant)


def quantize(
    values: npt.NDArray[Any],
    quant: Quant,
    dtype: Any = np.int8,
    rounding: Rounding = Rounding.TFLITE,
) -> npt.NDArray[Any]:
    """Quantize float32 values to int8 or uint8: round(x / scale) + zero_point, clipped.

    Ties go away from zero, with `Rounding.FLOAT32` to even. NaN becomes the lowest value.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a huge quotient clips below
        ratio = values.astype(np.float32) / np.float32(quant.scale)
    info = np.iinfo(dtype)
    if rounding is Rounding.FLOAT32:
        ratio = np.rint(ratio)
    shifted = round_half_away_array(without_nan(ratio)) + quant.zero_point
    return np.clip(shifted, info.min, info.max).astype(dtype)


def without_nan(ratio: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`ratio` with NaN as minus infinity, as in TFLite's and onnxruntime's kernels."""
    return np.where(np.isnan(ratio), -np.inf, ratio)


def dequantize(values: npt.NDArray[Any], quant: Quant) -> npt.NDArray[np.float32]:
    """The float32 values of integers; the product is in double and rounded once."""
    real = float(quant.scale) * (values.astype(np.int64) - quant.zero_point)
    narrow: npt.NDArray[np.float32] = np.asarray(real, dtype=np.float64).astype(np.float32)
    return narrow


def rescale_float32(sums: IntArray, ratio: npt.NDArray[np.float32] | np.float32) -> IntArray:
    """int32 sums times a float32 ratio, rounded to nearest, ties to even.

    Sums and product are rounded to float32 first.
    """
    product = sums.astype(np.float32) * ratio
    return np.asarray(np.rint(product), dtype=np.int64)


def rescale(values: IntArray, ratio: float) -> IntArray:
    """values * ratio through `quantize_multiplier`."""
    return multiply_by_quantized_multiplier(values, *quantize_multiplier(ratio))


def requantize(
    values: npt.NDArray[Any],
    source: Quant,
    target: Quant,
    dtype: Any = np.int8,
    rounding: Rounding = Rounding.TFLITE,
) -> npt.NDArray[Any]:
    """Convert int8 or uint8 values from one quantization to another.

    With `Rounding.FLOAT32` each value goes through its float32 value, as in onnxruntime. Equal
    quantizations change nothing.
    """
    if rounding is Rounding.FLOAT32:
        return quantize(dequantize(values, source), target, dtype, rounding)
    centered = values.astype(np.int64) - source.zero_point
    info = np.iinfo(dtype)
    moved = rescale(centered, float(source.scale) / float(target.scale)) + target.zero_point
    return np.clip(moved, info.min, info.max).astype(dtype)


def to_output(values: IntArray, quant: Quant, limits: tuple[int, int] | None) -> Int8Array:
    """Add the output's zero point, clip to `limits` (default: all of int8) and narrow."""
    return clamp_to_int8(values + quant.zero_point, limits or (INT8_MIN, INT8_MAX))
