"""Real functions against Python's math in double; their int8 tables against the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tvm_tiny.reference import Quant, Rounding, activation, fixed_point
from tvm_tiny.reference.quantization import dequantize
from tvm_tiny.reference.real import FUNCTIONS, quantized

ALL = np.arange(-128, 128).astype("int8")
X = np.linspace(-6, 6, 241).astype("float32")
UNIT = np.linspace(-1, 1, 101).astype("float32")
ABOVE = np.linspace(1, 9, 101).astype("float32")

ORACLES = {
    **{name: (getattr(math, name), X) for name in ("cos", "cosh", "erf", "exp", "sin", "sinh")},
    **{name: (getattr(math, name), X) for name in ("asinh", "atan", "ceil", "floor", "tan")},
    **{name: (getattr(math, name), X) for name in ("tanh", "trunc")},
    "abs": (abs, X),
    "acos": (math.acos, UNIT),
    "acosh": (math.acosh, ABOVE),
    "asin": (math.asin, UNIT),
    "atanh": (math.atanh, UNIT[1:-1]),
    "gelu": (lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2)), X),
    "log": (math.log, ABOVE),
    "negative": (lambda x: -x, X),
    "relu": (lambda x: max(x, 0), X),
    "relu6": (lambda x: min(max(x, 0), 6), X),
    "round": (round, X),
    "sigmoid": (lambda x: 1 / (1 + math.exp(-x)), X),
    "sign": (lambda x: (x > 0) - (x < 0), X),
    "silu": (lambda x: x / (1 + math.exp(-x)), X),
    "softplus": (lambda x: math.log1p(math.exp(x)), X),
    "sqrt": (math.sqrt, ABOVE),
    "square": (lambda x: x * x, X),
}


@pytest.mark.parametrize("name", ORACLES)
def test_functions_of_one_operand_are_rounded_once(name):
    function, x = ORACLES[name]
    expected = np.array([function(float(v)) for v in x], "float64")
    np.testing.assert_array_max_ulp(FUNCTIONS[name](x), expected.astype("float32"), 1)


def test_infinite_results_and_those_without_a_value_are_not_warned_of():
    x = np.array([-1.0, 0.0, 1000.0], "float32")
    np.testing.assert_array_equal(FUNCTIONS["log"](x)[:2], [np.nan, -np.inf])
    assert FUNCTIONS["exp"](x)[2] == np.inf
    assert FUNCTIONS["softplus"](x)[2] == 1000.0
    assert FUNCTIONS["sigmoid"](-x)[2] == 0.0


def test_conditions_are_bool_and_choose():
    below = FUNCTIONS["less"](X, 0.0)
    assert below.dtype == bool
    np.testing.assert_array_equal(FUNCTIONS["where"](below, -X, X), np.abs(X))


@pytest.mark.parametrize(("rounding", "tie"), [(Rounding.TFLITE, 1), (Rounding.FLOAT32, 0)])
def test_tables_round_ties_as_the_runtime_does(rounding, tie):
    values = FUNCTIONS["abs"](dequantize(np.array([1, 4, 100], "int8"), Quant(0.25, 2)))
    found = quantized(values, Quant(0.5, -3), rounding)
    # 0.25 / 0.5 is half a step; 0.5 one; 24.5 forty-nine.
    np.testing.assert_array_equal(found, [tie - 3, 1 - 3, 49 - 3])


@pytest.mark.parametrize("rounding", list(Rounding))
def test_what_has_no_value_is_the_lowest(rounding):
    values = FUNCTIONS["log"](np.array([-5, 0, 1], "float32"))
    found = quantized(values, Quant(1, 9), rounding)
    np.testing.assert_array_equal(found, [-128, -128, 9])


def test_inverse_square_roots_to_twenty_bits():
    n = np.concatenate([np.arange(1, 256), [1 << 20, (1 << 29) - 1]])
    multiplier, exponent = fixed_point.inverse_sqrt(n)
    np.testing.assert_allclose(multiplier * 2.0 ** (exponent - 31.0), n**-0.5, rtol=2e-6)


def test_rsqrt_is_within_a_step_and_largest_where_it_is_not_defined():
    x, y = Quant(0.02, -100), Quant(0.03, -128)
    found = activation.rsqrt(ALL, x, y)
    real = (ALL[29:].astype(int) + 100) * 0.02
    ideal = np.clip(real**-0.5 / 0.03 - 128, -128, 127)
    assert np.abs(found[29:] - ideal).max() <= 1
    assert (found[:29] == 127).all()


def test_absolute_values_are_exact_at_one_scale_and_within_a_step_at_two():
    same = activation.absolute(ALL, Quant(0.1, 7), Quant(0.1, -128))
    np.testing.assert_array_equal(same, np.minimum(np.abs(ALL.astype(int) - 7) - 128, 127))
    other = activation.absolute(ALL, Quant(0.1, 7), Quant(0.07, -128))
    ideal = np.clip(np.abs(ALL.astype(int) - 7) * 0.1 / 0.07 - 128, -128, 127)
    assert np.abs(other - ideal).max() <= 0.51
