"""Integer arithmetic shared by all int8 operators: scaling by multiplier and shift.

A real factor m > 0 is stored as a 31-bit fraction and a power of two, m = M * 2**(e - 31) with
2**30 <= M < 2**31. Applying it to an int32 takes two roundings: a doubling high multiply (to
nearest, ties away from zero for positive and towards zero for negative products), then a rounding
right shift (ties away from zero). This is the arithmetic of gemmlowp's fixedpoint library (VQRDMULH
and rounding shift) and of the TFLite reference kernels without the single-rounding option.

All functions take integer arrays or ints and compute in int64; results fit int32. Values that leave
the int32 range wrap around, as they do on the device.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Int8Array = npt.NDArray[np.int8]
IntArray = npt.NDArray[np.int64]
IntLike = int | npt.NDArray[Any]

INT8_MIN, INT8_MAX = -128, 127
INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def round_half_away(value: float) -> int:
    """Nearest integer of a float, ties away from zero (C's `round`)."""
    fraction, whole = math.modf(abs(value))  # exact, where adding 0.5 could round up
    return int(math.copysign(whole + (fraction >= 0.5), value))


def round_half_away_array(values: npt.NDArray[Any]) -> IntArray:
    """Nearest integers of a float array, ties away from zero; NaN becomes 0, infinities clip."""
    wide = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=1e18, neginf=-1e18)
    clipped = np.clip(wide, -1e18, 1e18)
    fraction, whole = np.modf(np.abs(clipped))
    rounded: IntArray = np.copysign(whole + (fraction >= 0.5), clipped).astype(np.int64)
    return rounded


def wrap_int32(values: IntLike) -> IntArray:
    """Two's-complement wrap to 32 bits, as int64."""
    wide = np.asarray(values, dtype=np.int64)
    return ((wide + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def quantize_multiplier(scale: float) -> tuple[int, int]:
    """Multiplier M (31-bit) and exponent e with scale ~= M * 2**(e - 31).

    0 gives (0, 0); a factor below about 2**-32 is flushed to (0, 0); a negative factor gives a
    negative multiplier (used by leaky relu only).
    """
    if scale == 0.0:
        return 0, 0
    fraction, exponent = math.frexp(scale)
    multiplier = round_half_away(fraction * (1 << 31))
    if multiplier == 1 << 31:  # a fraction just below 1 rounds up to 1: renormalize
        multiplier //= 2
        exponent += 1
    return (0, 0) if exponent < -31 else (multiplier, exponent)


def quantize_multipliers(scales: npt.NDArray[Any]) -> tuple[IntArray, IntArray]:
    """`quantize_multiplier` of each element of a 1-D float64 array."""
    pairs = [quantize_multiplier(float(scale)) for scale in scales]
    return (
        np.array([multiplier for multiplier, _ in pairs], dtype=np.int64),
        np.array([exponent for _, exponent in pairs], dtype=np.int64),
    )


def saturating_rounding_doubling_high_mul(a: IntLike, b: IntLike, bits: int = 32) -> IntArray:
    """2 * a * b / 2**bits to nearest, for `bits` = 16 or 32.

    The product of -1 and -1 saturates.
    """
    product = np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64)
    half = 1 << (bits - 2)
    nudged = product + np.where(product >= 0, half, 1 - half)
    quotient = truncating_shift(nudged, bits - 1)
    # Only the square of the most negative value reaches 2**(bits - 1).
    return np.asarray(np.minimum(quotient, (1 << (bits - 1)) - 1), dtype=np.int64)


def truncating_shift(values: IntArray, exponent: int) -> IntArray:
    """values / 2**exponent, rounded towards zero as C's integer division does."""
    return np.where(values >= 0, values >> exponent, -((-values) >> exponent))


def truncating_divide(numerator: IntArray, denominator: IntLike) -> IntArray:
    """numerator / denominator (positive), rounded towards zero."""
    magnitude = np.abs(numerator) // np.asarray(denominator, dtype=np.int64)
    return np.where(numerator >= 0, magnitude, -magnitude)


def rounding_divide_by_pot(values: IntLike, exponent: IntLike) -> IntArray:
    """values / 2**exponent to nearest, ties away from zero; 0 <= exponent <= 31."""
    x = np.asarray(values, dtype=np.int64)
    shift = np.asarray(exponent, dtype=np.int64)
    mask = (np.int64(1) << shift) - 1
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> shift) + ((x & mask) > threshold), dtype=np.int64)


def multiply_by_quantized_multiplier(
    values: IntLike, multiplier: IntLike, shift: IntLike
) -> IntArray:
    """values * multiplier * 2**(shift - 31), with two roundings.

    `multiplier` and `shift` are ints or arrays that broadcast against `values` (one per channel). A
    positive shift is applied before the multiply, a negative one after it.
    """
    exponent = np.asarray(shift, dtype=np.int64)
    left = np.maximum(exponent, 0)
    shifted = wrap_int32(np.asarray(values, dtype=np.int64) << left)
    high = saturating_rounding_doubling_high_mul(shifted, multiplier)
    return rounding_divide_by_pot(high, left - exponent)


def rescale_to_even(values: IntArray, multiplier: int, shift: int) -> IntArray:
    """values * multiplier * 2**(shift - 31), whose second rounding takes ties to even.

    shift < 0.
    """
    high = saturating_rounding_doubling_high_mul(values, multiplier)
    odd = (high >> -shift) & 1
    return (high + (1 << (-shift - 1)) - 1 + odd) >> -shift


def clamp_to_int8(values: IntArray, limits: tuple[int, int] = (INT8_MIN, INT8_MAX)) -> Int8Array:
    """Clip to `limits` (inclusive, within int8) and narrow."""
    clipped: Int8Array = np.clip(values, *limits).astype(np.int8)
    return clipped
