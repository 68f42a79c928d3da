from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvm_tiny.reference import arithmetic, fixed_point

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)


def round_ties_away(value: Fraction) -> int:
    magnitude = floor(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


def high_mul(a: int, b: int) -> int:
    """Round(a * b / 2**31): to nearest, ties upwards, saturated."""
    return min(floor(Fraction(a * b, 1 << 31) + Fraction(1, 2)), (1 << 31) - 1)


@given(INT32, INT32)
def test_doubling_high_mul_rounds_to_nearest(a, b):
    assert int(arithmetic.saturating_rounding_doubling_high_mul(a, b)) == high_mul(a, b)


def test_doubling_high_mul_saturates_the_one_overflow():
    low = -(1 << 31)
    assert int(arithmetic.saturating_rounding_doubling_high_mul(low, low)) == (1 << 31) - 1
    assert int(arithmetic.saturating_rounding_doubling_high_mul(-32768, -32768, bits=16)) == 32767


@given(INT32, st.integers(0, 31))
def test_rounding_divide_rounds_ties_away_from_zero(x, exponent):
    expected = round_ties_away(Fraction(x, 1 << exponent))
    assert int(arithmetic.rounding_divide_by_pot(x, exponent)) == expected


@given(st.floats(1e-8, 1e4))
def test_multiplier_is_the_nearest_31_bit_fraction(scale):
    multiplier, exponent = arithmetic.quantize_multiplier(scale)
    assert 1 << 30 <= multiplier < 1 << 31
    assert abs(Fraction(multiplier) * Fraction(2) ** (exponent - 31) - Fraction(scale)) <= (
        Fraction(2) ** (exponent - 32)
    )


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (1 << 30, 1)),
        (0.5, (1 << 30, 0)),
        (1.0 - 2.0**-40, (1 << 30, 1)),  # rounds up to one
        (2.0**-32, (1 << 30, -31)),
        (2.0**-33, (0, 0)),  # flushed
        (-0.75, (-3 << 29, 0)),
    ],
)
def test_multiplier_special_cases(scale, expected):
    assert arithmetic.quantize_multiplier(scale) == expected


@given(st.integers(-(1 << 24), 1 << 24), st.integers(1 << 30, (1 << 31) - 1), st.integers(-31, 6))
def test_multiply_by_multiplier_is_both_roundings_in_turn(x, multiplier, shift):
    high = high_mul(x << max(shift, 0), multiplier)
    expected = round_ties_away(Fraction(high, 1 << max(-shift, 0)))
    assert int(arithmetic.multiply_by_quantized_multiplier(x, multiplier, shift)) == expected


def test_multipliers_broadcast_per_channel():
    values = np.array([[100, 100], [-100, -100]])
    scaled = arithmetic.multiply_by_quantized_multiplier(
        values, np.array([1 << 30, 1 << 30]), np.array([0, -1])
    )
    np.testing.assert_array_equal(scaled, [[50, 25], [-50, -25]])


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, 1), (-0.5, -1), (0.49999999999999994, 0), (2.5, 3), (-1.4, -1)]
)
def test_round_half_away(value, expected):
    assert arithmetic.round_half_away(value) == expected
    assert arithmetic.round_half_away_array(np.array([value]))[0] == expected


def test_round_half_away_of_what_is_no_number():
    values = np.array([np.nan, np.inf, -np.inf], dtype=np.float32)
    rounded = arithmetic.round_half_away_array(values)
    assert rounded[0] == 0
    assert rounded[1] > 1 << 40
    assert rounded[2] < -(1 << 40)


@given(st.integers(-(1 << 40), 1 << 40))
def test_wrap_is_that_of_int32(value):
    assert int(arithmetic.wrap_int32(value)) == (value + (1 << 31)) % (1 << 32) - (1 << 31)


def test_fixed_point_functions_are_near_the_real_ones():
    x = np.linspace(-15.9, 15.9, 4001)
    q4, q5 = np.round(x * 2.0**27).astype(np.int64), np.round(-np.abs(x) * 2.0**27)
    unit = 2.0**-31
    exp = fixed_point.exp_on_negative_values((q5 / 2).astype(np.int64), 5) * unit
    np.testing.assert_allclose(exp, np.exp(-np.abs(x)), atol=2e-7)
    np.testing.assert_allclose(fixed_point.logistic(q4, 4) * unit, 1 / (1 + np.exp(-x)), atol=1e-7)
    np.testing.assert_allclose(fixed_point.tanh(q4, 4) * unit, np.tanh(x), atol=2e-7)


@given(st.integers(1 << 19, (1 << 31) - 1))
def test_reciprocal_is_normalized(x):
    inverse, over_unit = fixed_point.reciprocal(x, 12)
    # Between 1/2 and 1, but for the last bits of the iteration.
    assert (1 << 30) - 8 <= int(inverse) <= (1 << 31) - 1
    real = float(inverse) * 2.0**-31 * 2.0 ** -int(over_unit)
    assert real == pytest.approx(1 / (x * 2.0**-19), rel=1e-7)
