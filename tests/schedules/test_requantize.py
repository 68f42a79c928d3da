"""The fixed-point expressions, compiled for this machine, against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import tirx

from tvm_tiny.reference.arithmetic import multiply_by_quantized_multiplier
from tvm_tiny.schedules.addressing import Addressing
from tvm_tiny.schedules.pointwise import Steps, pointwise
from tvm_tiny.schedules.requantize import clamp_int8, rounding_shift_right, scale_down, scale_up

COUNT = 4096


def compiled(value, steps=None, inputs=3, dtype="int32"):
    """f(arrays...) -> array: `value` of the elements of int32 [COUNT] arrays."""
    specs = [((COUNT,), "int32")] * inputs
    func = pointwise(specs, ((COUNT,), dtype), value, Addressing(), steps).with_attr(
        "global_symbol", "f"
    )
    library = tirx.build(tvm.IRModule({"f": func}), tvm.target.Target("llvm"))

    def call(*arrays: np.ndarray) -> np.ndarray:
        out = tvm.runtime.tensor(np.zeros(COUNT, dtype))
        library["f"](*(tvm.runtime.tensor(a.astype("int32")) for a in arrays), out, 0)
        return out.numpy()

    return call


def values(rng: np.random.Generator, bits: int) -> np.ndarray:
    """Random int32 below 2**bits with the extremes and small numbers first."""
    drawn = rng.integers(-(2**bits), 2**bits, COUNT)
    drawn[:9] = [0, 1, -1, 2, -2, 2**bits - 1, -(2**bits), 3, -3]
    return drawn


@pytest.mark.parametrize("left", [False, True])
def test_requantize_is_the_double_rounding_multiplication(left):
    steps = Steps()

    def value(buffers, index):
        x, multiplier, shift = (buffer[index] for buffer in buffers)
        product = steps.keep(scale_up(x, multiplier, shift, may_shift_left=left))
        return scale_down(product, shift, may_shift_left=left)

    function = compiled(value, steps)
    rng = np.random.default_rng(0)
    for bits in (31, 24, 12, 8):
        shift = rng.integers(-31, 31 - bits + 1 if left else 1, COUNT)
        multiplier = rng.integers(1 << 30, 1 << 31, COUNT)
        multiplier[10:20] = [1 << 30, (1 << 31) - 1] * 5
        multiplier[20:30] = 0
        x = values(rng, bits if not left else min(bits, 30))
        expected = multiply_by_quantized_multiplier(x, multiplier, shift)
        np.testing.assert_array_equal(function(x, multiplier, shift), expected)


def test_the_right_shift_rounds_halves_away_from_zero_at_every_exponent():
    function = compiled(
        lambda buffers, index: rounding_shift_right(buffers[0][index], buffers[1][index]), inputs=2
    )
    rng = np.random.default_rng(1)
    for exponent in range(32):
        x, half = values(rng, 31), (1 << exponent) >> 1
        if 0 < exponent < 31:
            # Exact halves of either sign.
            reach = 2**31 >> exponent
            x[COUNT // 2 :] = (2 * rng.integers(-reach, reach, COUNT // 2) + 1) * half
            x = np.where(np.abs(x) < 2**31, x, half)
        expected = np.sign(x) * ((np.abs(x) + half) >> exponent)
        np.testing.assert_array_equal(function(x, np.full(COUNT, exponent)), expected)


def test_limits_are_never_simplified_away_behind_a_kept_value():
    steps = Steps()

    def value(buffers, index):
        shifted = steps.keep(rounding_shift_right(buffers[0][index], buffers[1][index]))
        return clamp_int8(shifted - 128, -128, 127)

    function = compiled(value, steps, inputs=2, dtype="int8")
    x = values(np.random.default_rng(2), 31)
    for exponent in (0, 3, 23, 31):
        scaled = np.sign(x) * ((np.abs(x) + (1 << exponent >> 1)) >> exponent)
        # The subtraction wraps nowhere: the lowest values are left out.
        usable = scaled > -(2**31) + 128
        found = function(np.where(usable, x, 0), np.full(COUNT, exponent))
        expected = np.clip(scaled - 128, -128, 127)
        np.testing.assert_array_equal(found[usable], expected[usable])
