"""Elementwise operators of two int8 tensors, with NumPy broadcasting."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    Int8Array,
    IntArray,
    clamp_to_int8,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
)
from .convolution import float32_ratio
from .quantization import (
    Quant,
    Rounding,
    requantize,
    rescale,
    rescale_float32,
    to_output,
)

Array = npt.NDArray[Any]
Pair = tuple[int, int]
#: A kernel: operands a and b, quantization of a, of b and of the result; limits: int8 range.
Kernel = Callable[..., Int8Array]
# Headroom in bits given to both operands of a sum: 255 << 20 still fits 29 bits.
SUM_LEFT_SHIFT = 20
# Headroom in bits where the sum is squared: (255 << 7)^2 still fits 30 bits.
SQUARE_LEFT_SHIFT = 7
# Most operands of a sum: each is at most 255 << 19, so that the sum fits an int32.
MOST_TERMS = 16


def add_multipliers(a_scale: float, b_scale: float, y_scale: float) -> tuple[Pair, Pair, Pair]:
    """(multiplier, shift) of ADD's two operands and of its output, in double.

    Operands are brought to twice the larger scale, so both factors are at most 1/2.
    """
    twice_max = 2.0 * max(float(a_scale), float(b_scale))
    return (
        quantize_multiplier(float(a_scale) / twice_max),
        quantize_multiplier(float(b_scale) / twice_max),
        quantize_multiplier(twice_max / ((1 << SUM_LEFT_SHIFT) * float(y_scale))),
    )


def sub_multipliers(a_scale: float, b_scale: float, y_scale: float) -> tuple[Pair, Pair, Pair]:
    """(multiplier, shift) of SUB's two operands and of its output.

    They are those of `add_multipliers` but for quotients rounded to float32.
    """
    a, b, y = np.float32(a_scale), np.float32(b_scale), np.float32(y_scale)
    twice_max = np.float32(2.0) * np.maximum(a, b)
    return (
        quantize_multiplier(float(a / twice_max)),
        quantize_multiplier(float(b / twice_max)),
        quantize_multiplier(float(twice_max / (np.float32(1 << SUM_LEFT_SHIFT) * y))),
    )


def squared_difference_multipliers(
    a_scale: float, b_scale: float, y_scale: float
) -> tuple[Pair, Pair, Pair]:
    """(multiplier, shift) of SQUARED_DIFFERENCE's two operands and of its output.

    They differ from `add_multipliers` in 7 bits of headroom and a squared scale.
    """
    twice_max = 2.0 * max(float(a_scale), float(b_scale))
    unit = (1 << 2 * SQUARE_LEFT_SHIFT) * float(y_scale)
    return (
        quantize_multiplier(float(a_scale) / twice_max),
        quantize_multiplier(float(b_scale) / twice_max),
        quantize_multiplier(twice_max * twice_max / unit),
    )


def add_n_multipliers(scales: Sequence[float], y_scale: float) -> list[Pair]:
    """(multiplier, shift) of each operand of a sum, then of the output."""
    twice_max = 2.0 * max(map(float, scales))
    output = quantize_multiplier(twice_max / ((1 << SUM_LEFT_SHIFT) * float(y_scale)))
    return [*(quantize_multiplier(float(scale) / twice_max) for scale in scales), output]


def _operand(values: Array, quant: Quant, factor: Pair, bits: int = SUM_LEFT_SHIFT) -> IntArray:
    shifted = (values.astype(np.int64) - quant.zero_point) << bits
    return multiply_by_quantized_multiplier(shifted, *factor)


def _sum(
    multipliers: Callable[[float, float, float], tuple[Pair, Pair, Pair]],
    combine: Callable[[IntArray, IntArray], IntArray],
    bits: int = SUM_LEFT_SHIFT,
) -> Kernel:
    """A kernel that brings both operands to one scale and combines them.

    multipliers: from the three scales to the (multiplier, shift) of the operands and of the
    combined value. bits: the operands' headroom.
    """

    def kernel(
        a: Array, b: Array, a_quant: Quant, b_quant: Quant, y_quant: Quant, *,
        limits: Pair | None = None,
    ) -> Int8Array:  # fmt: skip
        first, second, output = multipliers(a_quant.scale, b_quant.scale, y_quant.scale)
        left, right = _operand(a, a_quant, first, bits), _operand(b, b_quant, second, bits)
        combined = multiply_by_quantized_multiplier(combine(left, right), *output)
        return to_output(combined, y_quant, limits)

    return kernel


add = _sum(add_multipliers, np.add)
sub = _sum(sub_multipliers, np.subtract)
squared_difference = _sum(
    squared_difference_multipliers, lambda a, b: (a - b) * (a - b), SQUARE_LEFT_SHIFT
)


def add_n(
    terms: Sequence[Array],
    quants: Sequence[Quant],
    y_quant: Quant,
    *,
    limits: Pair | None = None,
) -> Int8Array:
    """The sum of at most `MOST_TERMS` tensors."""
    *factors, output = add_n_multipliers([quant.scale for quant in quants], y_quant.scale)
    parts = [_operand(*term) for term in zip(terms, quants, factors, strict=True)]
    total = functools.reduce(operator.add, parts)
    return to_output(multiply_by_quantized_multiplier(total, *output), y_quant, limits)


def mul(
    a: Array,
    b: Array,
    a_quant: Quant,
    b_quant: Quant,
    y_quant: Quant,
    *,
    limits: Pair | None = None,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """a * b, rescaled by a_scale * b_scale / y_scale.

    This factor is in double or, for FLOAT32, in float32 step by step.
    """
    product = (a.astype(np.int64) - a_quant.zero_point) * (b.astype(np.int64) - b_quant.zero_point)
    if rounding is Rounding.FLOAT32:
        ratio = float32_ratio(a_quant.scale, b_quant.scale, y_quant.scale)
        return to_output(rescale_float32(product, ratio), y_quant, limits)
    factor = float(a_quant.scale) * float(b_quant.scale) / float(y_quant.scale)
    return to_output(rescale(product, factor), y_quant, limits)


def reciprocals(b: Quant, a_scale: float, y_scale: float) -> tuple[IntArray, IntArray]:
    """Multiplier (31 bits, signed) and shift of 1 / b for every int8 b.

    They stand for a_scale / (y_scale * real b), b = -128 .. 127. Multipliers are rounded away from
    zero, so that exact ties stay ties. Quotients beyond every int8 are 2^8 or more; the quotient by
    zero is one of them, positive.
    """
    centred = np.arange(-128, 128) - b.zero_point
    with np.errstate(divide="ignore"):
        factor = float(a_scale) / (float(b.scale) * float(y_scale)) / np.abs(centred)
    shift = np.clip(31 - np.frexp(np.minimum(factor, 256.0))[1], 23, 40)
    multiplier = np.minimum(np.ceil(np.ldexp(np.minimum(factor, 256.0), shift)), (1 << 31) - 1)
    sign = np.where(centred < 0, -1, 1)
    return multiplier.astype(np.int64) * sign, shift.astype(np.int64)


def div(
    a: Array,
    b: Array,
    a_quant: Quant,
    b_quant: Quant,
    y_quant: Quant,
    *,
    limits: Pair | None = None,
) -> Int8Array:
    """a / b, rounded once, with ties away from zero.

    Division by zero saturates; 0 / 0 is 0.
    """
    multipliers, shifts = reciprocals(b_quant, a_quant.scale, y_quant.scale)
    divisor = b.astype(np.int64) + 128
    product = (a.astype(np.int64) - a_quant.zero_point) * multipliers[divisor]
    shift = shifts[divisor]
    rounded = (product + (np.int64(1) << (shift - 1)) - (product < 0)) >> shift
    return to_output(rounded, y_quant, limits)


def _extremum(choose: Callable[[Array, Array], Array]) -> Kernel:
    """A kernel that takes one of two values, after both are requantized to the result."""

    def kernel(
        a: Array, b: Array, a_quant: Quant, b_quant: Quant, y_quant: Quant, *,
        limits: Pair | None = None,
    ) -> Int8Array:  # fmt: skip
        chosen = choose(requantize(a, a_quant, y_quant), requantize(b, b_quant, y_quant))
        return clamp_to_int8(chosen.astype(np.int64), limits or (-128, 127))

    return kernel


maximum = _extremum(np.maximum)
minimum = _extremum(np.minimum)
