"""Layer, RMS, group and instance normalization of int8 tensors, in integers.

y = (x - mean) / sqrt(variance + epsilon) * gain + offset over rows of n elements. With the exact
integer sums S1 of q and S2 of q^2 the mean is S1 / n and the variance (n * S2 - S1^2) / n^2; one
reciprocal square root a row remains. docs/numerics.md states the error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    INT8_MAX,
    INT8_MIN,
    Int8Array,
    IntArray,
    clamp_to_int8,
    multiply_by_quantized_multiplier,
)
from .fixed_point import inverse_sqrt
from .quantization import Quant, requantize

# Longer rows would overflow the int32 sum of squares.
LONGEST_ROW = 1 << 16
LONGEST_ROW_OF_ROOT_MEAN_SQUARE = 1 << 14
# Limit for L2 normalization, whose square root takes sums below 2^29.
LONGEST_ROW_OF_L2 = 1 << 13
# The only output quantization of TFLite's L2 normalization.
L2_OUTPUT = Quant(1.0 / 128.0, 0)
# Fraction bits of the output: fewer would be visible in results; no network needs so few.
_FEWEST_BITS, _MOST_BITS = 8, 16

# First guess of 1 / sqrt(u) on [1/4, 1]: 1.75 b - b u, with the b of least relative error, 8.6 %.
GUESS, SLOPE = round(1.75 * 1.21869 * 2**30), round(1.21869 * 2**30)
NEWTON_STEPS = 3


@dataclass(frozen=True)
class Norm:
    """A normalization's constants as integers.

    gains, offsets: int32 with `gain_bits` and `bits` fraction bits; offsets include the output's
    zero point and 1/2. epsilon: n^2 * epsilon / s_x^2 with `fraction` fraction bits.
    """

    n: int
    centred: bool
    gains: IntArray
    offsets: IntArray
    gain_bits: int
    bits: int
    epsilon: int
    fraction: int

    @property
    def least(self) -> int:
        """Fraction bits of normalized values in rows of the least variance.

        Normalized values are below 3/2 * sqrt(n), which leaves room for this many bits.
        """
        return 29 - ((self.n - 1).bit_length() + 1) // 2

    @property
    def most(self) -> int:
        """Fraction bits of normalized values in other rows, before their exponent is subtracted.

        The slope has 23 bits.
        """
        return 53 - (self.n - 1).bit_length() - self.fraction // 2

    @property
    def floor(self) -> int:
        """The least variance of a row whose elements differ, times n^2."""
        return max(self.n - 1, 1) if self.centred else self.n


def norm_of(
    n: int,
    x_scale: float,
    gains: npt.NDArray[Any],
    offsets: npt.NDArray[Any],
    y: Quant,
    epsilon: float,
    *,
    centred: bool,
) -> Norm | None:
    """Integer constants of a normalization over n elements; None where they do not fit.

    gains, offsets: real, of one shape.
    """
    if n > (LONGEST_ROW if centred else LONGEST_ROW_OF_ROOT_MEAN_SQUARE):
        return None
    epsilon = n * n * float(epsilon) / float(x_scale) ** 2
    fraction = 60 - math.ceil(math.log2(n * n * 2.0**16 + epsilon))
    fraction -= fraction % 2
    slopes = np.asarray(gains, np.float64).reshape(-1) / float(y.scale)
    levels = np.asarray(offsets, np.float64).reshape(-1) / float(y.scale) + y.zero_point + 0.5
    largest = float(np.abs(slopes).max(initial=0.0))
    if fraction < 0 or not (math.isfinite(largest) and np.isfinite(levels).all()):
        return None
    draft = Norm(n, centred, np.zeros(0, "int64"), np.zeros(0, "int64"), 0, 0, 0, fraction)
    gain_bits = min(30 - math.ceil(math.log2(max(largest, 1e-9))), 31)
    reach = max(1.5 * math.sqrt(n) * largest, float(np.abs(levels).max()), 1.0)
    bits = min(_MOST_BITS, draft.least + gain_bits - 32, 29 - math.ceil(math.log2(reach)))
    if bits < _FEWEST_BITS:
        return None
    return Norm(
        n,
        centred,
        np.rint(slopes * 2.0**gain_bits).astype(np.int64),
        np.rint(levels * 2.0**bits).astype(np.int64),
        gain_bits,
        bits,
        round(epsilon * 2.0**fraction),
        fraction,
    )


def inverse_root(u: IntArray) -> IntArray:
    """1 / sqrt(u) of Q32 numbers u, as Q30.

    As integers: 2^46 / sqrt(u) for 2^30 <= u < 2^32.
    """
    x = GUESS - ((SLOPE * u) >> 32)
    for _ in range(NEWTON_STEPS):
        square = (u * ((x * x) >> 32)) >> 32
        x = (x * ((3 << 28) - square)) >> 29
    return x


def normalize(
    rows: npt.NDArray[Any],
    norm: Norm,
    x_zero_point: int,
    limits: tuple[int, int] = (INT8_MIN, INT8_MAX),
) -> Int8Array:
    """Normalize rows [R, n] of int8.

    `norm.gains` and `norm.offsets` are [n] or [R, n].
    """
    q = rows.astype(np.int64)
    if norm.centred:
        total = q.sum(axis=-1, keepdims=True)
        centre = np.sign(total) * (np.abs(total) // norm.n)
        rest = centre * norm.n - total
        spread = norm.n * (q * q).sum(axis=-1, keepdims=True) - total * total
    else:
        centre, rest = np.int64(x_zero_point), np.int64(0)
        spread = norm.n * ((q - centre) ** 2).sum(axis=-1, keepdims=True)
    wide = (np.maximum(spread, norm.floor) << norm.fraction) + norm.epsilon
    _, length = np.frexp(wide.astype(np.float64))
    # An even shift brings `wide` to [2^60, 2^62).
    exponent = (62 - _bit_length(wide, length)) // 2
    root = inverse_root((wide << (2 * exponent)) >> 30)
    bits = np.maximum(norm.least, norm.most - exponent)
    down = 61 - norm.fraction // 2 - exponent - bits
    values = (q - centre) * ((norm.n * root) >> down) + ((rest * root) >> down)
    high = (values * norm.gains) >> 32
    scaled = high >> np.minimum(bits + norm.gain_bits - 32 - norm.bits, 31)
    found = (scaled + norm.offsets) >> norm.bits
    return clamp_to_int8(found, limits)


def l2_normalize(
    x: npt.NDArray[Any],
    x_quant: Quant,
    y_quant: Quant = L2_OUTPUT,
    *,
    limits: tuple[int, int] = (INT8_MIN, INT8_MAX),
) -> Int8Array:
    """TFLite's L2 normalization over the last axis: x / sqrt(sum x^2).

    Rows of zeros stay zero.
    """
    centred = x.astype(np.int64) - x_quant.zero_point
    squares = (centred * centred).sum(axis=-1, keepdims=True)
    root, exponent = inverse_sqrt(np.maximum(squares, 1))
    values = clamp_to_int8(multiply_by_quantized_multiplier(centred, root, exponent + 7))
    moved = requantize(values, L2_OUTPUT, y_quant)
    return clamp_to_int8(moved.astype(np.int64), limits)


def _bit_length(values: IntArray, guess: npt.NDArray[Any]) -> IntArray:
    """The bit lengths of positive integers.

    `guess` may be one too large, where float64 rounded up.
    """
    bits = guess.astype(np.int64)
    return np.where(values < (np.int64(1) << (bits - 1)), bits - 1, bits)
