"""TFLite's log-softmax of int8 tensors, in fixed point."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import fixed_point
from .activation import (
    SOFTMAX_INPUT_BITS,
    SOFTMAX_SUM_BITS,
    input_radius,
    softmax_multiplier,
)
from .arithmetic import (
    INT32_MAX,
    INT32_MIN,
    Int8Array,
    IntArray,
    clamp_to_int8,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
)
from .arithmetic import saturating_rounding_doubling_high_mul as fixed_mul
from .fixed_point import saturating_shift_left
from .quantization import Quant, requantize

# The only output quantization that the kernel computes; others are reached by a requantize.
LOG_SOFTMAX_OUTPUT = Quant(16.0 / 256.0, 127)

# In Q0: log 2, 2^(-1/4), 2^(-1/2), and the coefficients of a rational approximation of log around
# 2^(-1/4): 11/240 * 2^(1/4), 1/20 * 2^(1/4), 2^(3/4) - 2^(1/4), 1/4 * 2^(1/4).
LOG_2, FOURTH_ROOT, ROOT = 1488522236, 1805811301, 1518500250
ALPHA_N, ALPHA_D, ALPHA_I, ALPHA_F = 117049297, 127690142, 1057819769, 638450708
# Exponents are Q6: one bit more than the logarithm.
EXPONENT_BITS = 25
QUARTER = 1 << (EXPONENT_BITS - 2)


def _leading_zeros(values: IntArray) -> IntArray:
    return 32 - np.frexp(values.astype(np.float64))[1].astype(np.int64)


def logarithm(sums: IntArray) -> IntArray:
    """log of Q12 numbers >= 1, as Q5.

    The number is 2^p * r with r near 2^(-1/4), the nearer of two choices half a power apart.
    """
    headroom = _leading_zeros(sums)
    first = saturating_shift_left(fixed_mul(sums << (headroom - 1), ROOT), 1)
    first_power = ((SOFTMAX_SUM_BITS - headroom) << EXPONENT_BITS) + QUARTER
    headroom = _leading_zeros(fixed_mul(sums, ROOT)) - 1
    second = np.minimum(sums << headroom, INT32_MAX)
    second_power = ((SOFTMAX_SUM_BITS - headroom) << EXPONENT_BITS) - QUARTER
    r, power = np.minimum(first, second), np.maximum(first_power, second_power)
    middle, q = (r + FOURTH_ROOT + 1) >> 1, (r - FOURTH_ROOT) * 2
    square = fixed_mul(q, q)
    above = fixed_mul(q, r) + fixed_mul(fixed_mul(q, square), ALPHA_N)
    inner = ALPHA_I + q + fixed_mul(square, ALPHA_D)
    inverse = fixed_point.one_over_one_plus_x(fixed_mul(middle, inner) + fixed_mul(q, ALPHA_F))
    return (fixed_mul(power, LOG_2) + fixed_mul(rounding_divide_by_pot(above, 6), inverse)) * 2


def reverse_factor(x_scale: float) -> tuple[int, int]:
    """Multiplier and shift from Q5 back to steps of the input."""
    multiplier, shift = softmax_multiplier(x_scale, 1.0)
    return quantize_multiplier((1 << (31 - shift)) / float(multiplier))


def difference_table(x_scale: float) -> tuple[IntArray, int]:
    """(table, radius): -d steps of the input as Q5, for d = 0 .. 255.

    Entries beyond the radius are 0; their exponentials are left out of the sum.
    """
    multiplier, shift = softmax_multiplier(x_scale, 1.0)
    radius = input_radius(SOFTMAX_INPUT_BITS, shift)
    steps = -np.arange(256)
    kept = np.where(steps >= -radius, steps, 0)
    return multiply_by_quantized_multiplier(kept, multiplier, shift), radius


def log_softmax(
    x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant = LOG_SOFTMAX_OUTPUT
) -> Int8Array:
    """x - log(sum(exp(x))) along the last axis."""
    q = x.astype(np.int64)
    below = q.max(axis=-1, keepdims=True) - q
    table, radius = difference_table(x_quant.scale)
    exponentials = fixed_point.exp_on_negative_values(table, SOFTMAX_INPUT_BITS)
    kept = np.arange(256) <= radius
    terms = np.where(kept, rounding_divide_by_pot(exponentials, SOFTMAX_SUM_BITS), 0)
    log = logarithm(terms[below].sum(axis=-1, keepdims=True))
    least = multiply_by_quantized_multiplier(log + INT32_MIN, *reverse_factor(x_quant.scale))
    inside = -below > np.maximum(least, -radius - 1)
    values = rounding_divide_by_pot(table[np.where(inside, below, 0)] - log, 22) + 127
    result = clamp_to_int8(np.where(inside, values, -128))
    moved: Int8Array = requantize(result, LOG_SOFTMAX_OUTPUT, y_quant)
    return moved
