"""Softmax of ONNX models in fixed point, with an int8 output of any scale.

TFLite's softmax, which has one output quantization, is in `activation`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import fixed_point
from .activation import SOFTMAX_SUM_BITS
from .arithmetic import (
    INT32_MAX,
    Int8Array,
    IntArray,
    clamp_to_int8,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)
from .quantization import Quant

LONGEST_AXIS = (1 << SOFTMAX_SUM_BITS) - 1
LARGEST_EXPONENT = 30  # of 1 / output scale, so that a quotient and a zero point fit 32 bits


def exponentials(x_scale: float, beta: float = 1.0) -> IntArray:
    """exp(-beta * x_scale * d) for the differences d = 0..255, as Q0."""
    exact = np.exp(-float(beta) * float(x_scale) * np.arange(256.0))
    return np.minimum(np.rint(np.ldexp(exact, 31)), INT32_MAX).astype(np.int64)


def output_factor(y_scale: float) -> tuple[int, int]:
    """Multiplier and exponent from probabilities to output steps."""
    return quantize_multiplier(1.0 / float(y_scale))


def reaches(y_scale: float) -> bool:
    """Whether results in steps of this scale fit 32 bits."""
    return output_factor(y_scale)[1] <= LARGEST_EXPONENT


def softmax(
    x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant, *, axis: int = -1, beta: float = 1.0
) -> Int8Array:
    """exp(beta * x) / sum(exp(beta * x)) along `axis`."""
    moved = np.moveaxis(x.astype(np.int64), axis, -1)
    powers = exponentials(x_quant.scale, beta)[moved.max(axis=-1, keepdims=True) - moved]
    total = (powers.sum(axis=-1, keepdims=True) + (1 << 11)) >> 12
    inverse, over_unit = fixed_point.reciprocal(total, SOFTMAX_SUM_BITS)
    multiplier, exponent = output_factor(y_quant.scale)
    factor = saturating_rounding_doubling_high_mul(inverse, multiplier)
    right = 31 + over_unit - exponent
    steps = saturating_rounding_doubling_high_mul(np.where(right > 31, 0, factor), powers)
    values = rounding_divide_by_pot(steps, np.minimum(right, 31)) + y_quant.zero_point
    return clamp_to_int8(np.moveaxis(values, -1, axis))
