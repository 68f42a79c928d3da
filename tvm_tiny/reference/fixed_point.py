"""exp, reciprocal, inverse square root, logistic and tanh on int32 fixed-point numbers.

A "Qm" number has m integer bits: the int32 r stands for r * 2**(m - 31). The constants are the
named real values rounded to the format. Formulas follow gemmlowp's fixedpoint library: a
Taylor expansion of exp around -1/8 plus a product of exp(-2**k) for the remaining bits, and
three Newton-Raphson steps for the division, started at 48/17 - 32/17 d.
"""

from __future__ import annotations

import numpy as np

from .arithmetic import (
    INT32_MAX,
    INT32_MIN,
    IntArray,
    IntLike,
    rounding_divide_by_pot,
    truncating_divide,
)
from .arithmetic import saturating_rounding_doubling_high_mul as fixed_mul

EXP_MINUS_ONE_EIGHTH = 1895147668  # Q0
ONE_THIRD = 715827883  # Q0
# exp(-2**k) in Q0, for k = -2 .. 4
EXP_MINUS_POWER = {
    -2: 1672461947,
    -1: 1302514674,
    0: 790015084,
    1: 290630308,
    2: 39332535,
    3: 720401,
    4: 242,
}
NEWTON_48_OVER_17 = 1515870810  # Q2
NEWTON_MINUS_32_OVER_17 = -1010580540  # Q2
ONE_Q0 = INT32_MAX  # 1.0 is just out of range
ONE_Q2 = 1 << 29
ONE_Q3 = 1 << 28
THREE_HALVES_Q3 = 3 << 27
SQRT_HALF_Q0 = 1518500250
HALF_Q0 = 1 << 30


def saturating_shift_left(values: IntArray, exponent: int) -> IntArray:
    """values * 2**exponent, saturated to int32."""
    return np.asarray(np.clip(values << exponent, INT32_MIN, INT32_MAX), dtype=np.int64)


def _exp_between_minus_quarter_and_zero(a: IntArray) -> IntArray:
    """exp of Q0 numbers in [-1/4, 0), as Q0."""
    x = a + (1 << 28)  # distance from -1/8
    x2 = fixed_mul(x, x)
    x3 = fixed_mul(x2, x)
    x4_quarter = rounding_divide_by_pot(fixed_mul(x2, x2), 2)
    tail = rounding_divide_by_pot(fixed_mul(x4_quarter + x3, ONE_THIRD) + x2, 1)
    return EXP_MINUS_ONE_EIGHTH + fixed_mul(EXP_MINUS_ONE_EIGHTH, x + tail)


def exp_on_negative_values(values: IntLike, integer_bits: int) -> IntArray:
    """exp of numbers <= 0 with `integer_bits` (at most 5) integer bits, as Q0."""
    a = np.asarray(values, dtype=np.int64)
    quarter = 1 << (31 - integer_bits - 2)
    within_quarter = (a & (quarter - 1)) - quarter
    result = _exp_between_minus_quarter_and_zero(
        saturating_shift_left(within_quarter, integer_bits)
    )
    remainder = within_quarter - a
    for power, factor in EXP_MINUS_POWER.items():
        if power < integer_bits:
            bit = 1 << (31 - integer_bits + power)
            result = np.where(remainder & bit, fixed_mul(result, factor), result)
    return np.where(a == 0, ONE_Q0, result)


def _newton_reciprocal(a: IntArray) -> IntArray:
    """2 / (1 + a) of Q0 numbers in [0, 1], as Q2."""
    half_denominator = truncating_divide(a + ONE_Q0 + 1, 2)
    x = NEWTON_48_OVER_17 + fixed_mul(half_denominator, NEWTON_MINUS_32_OVER_17)
    for _ in range(3):
        error = ONE_Q2 - fixed_mul(half_denominator, x)
        x = x + saturating_shift_left(fixed_mul(x, error), 2)
    return x


def one_over_one_plus_x(a: IntLike) -> IntArray:
    """1 / (1 + a) of Q0 numbers in [0, 1], as Q0."""
    return saturating_shift_left(_newton_reciprocal(np.asarray(a, dtype=np.int64)), 1)


def one_minus_x_over_one_plus_x(a: IntLike) -> IntArray:
    """(1 - a) / (1 + a) of Q0 numbers in [0, 1], as Q0."""
    return saturating_shift_left(_newton_reciprocal(np.asarray(a, dtype=np.int64)) - ONE_Q2, 2)


def logistic(values: IntLike, integer_bits: int) -> IntArray:
    """1 / (1 + exp(-x)) of numbers with `integer_bits` integer bits, as Q0."""
    x = np.asarray(values, dtype=np.int64)
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(x), integer_bits))
    return np.where(x == 0, HALF_Q0, np.where(x > 0, positive, ONE_Q0 - positive))


def tanh(values: IntLike, integer_bits: int) -> IntArray:
    """Hyperbolic tangent of numbers with `integer_bits` integer bits, as Q0."""
    x = np.asarray(values, dtype=np.int64)
    # Reading the same integer with one more integer bit doubles the number.
    magnitude = one_minus_x_over_one_plus_x(exp_on_negative_values(-np.abs(x), integer_bits + 1))
    return np.where(x == 0, 0, np.where(x < 0, -magnitude, magnitude))


def reciprocal(values: IntLike, integer_bits: int) -> tuple[IntArray, IntArray]:
    """1 / x of positive numbers with `integer_bits` integer bits, normalized.

    Returns (r, b): 1 / x = r * 2**-31 * 2**-b with r in Q0 and 1/2 <= r * 2**-31 <= 1.
    """
    x = np.asarray(values, dtype=np.int64)
    _, bit_length = np.frexp(x.astype(np.float64))  # exact: int32 fits a float64
    leading_zeros = 32 - bit_length.astype(np.int64)
    fraction = (x << leading_zeros) - (1 << 31)
    return one_over_one_plus_x(fraction), integer_bits - leading_zeros


def inverse_sqrt(values: IntLike) -> tuple[IntArray, IntArray]:
    """Multiplier M and exponent e with 1 / sqrt(n) ~= M * 2**(e - 31).

    n: integers, 1 <= n < 2**29. With a = n * 4**k * 2**-29 in [1/4, 1) as Q3, five Newton-Raphson
    steps from 1 give 1 / sqrt(a); then 1 / sqrt(n) = 2**(k - 14) * sqrt(1/2) / sqrt(a).
    """
    n = np.asarray(values, dtype=np.int64)
    bits = np.frexp(n.astype(np.float64))[1]
    pairs = (31 - bits) // 2 - 1
    half = rounding_divide_by_pot((n << (2 * pairs)) >> 1, 1)
    x = np.full(n.shape, ONE_Q3)
    for _ in range(5):
        cube = saturating_shift_left(fixed_mul(fixed_mul(x, x), x), 6)
        x = saturating_shift_left(fixed_mul(x, THREE_HALVES_Q3) - fixed_mul(half, cube), 3)
    exponent = pairs - 11
    multiplier = fixed_mul(x, SQRT_HALF_Q0) << np.maximum(exponent, 0)
    return np.where(n == 1, INT32_MAX, multiplier), np.where(n == 1, 0, np.minimum(exponent, 0))
