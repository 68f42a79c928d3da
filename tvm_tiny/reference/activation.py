"""Activations and other functions of one int8 tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from . import fixed_point
from .arithmetic import (
    INT8_MAX,
    INT8_MIN,
    INT16_MAX,
    INT16_MIN,
    INT32_MAX,
    Int8Array,
    IntArray,
    clamp_to_int8,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    truncating_shift,
)
from .quantization import (
    Quant,
    Rounding,
    activation_limits,
    dequantize,
    quantize,
    requantize,
    rescale,
    to_output,
)

# The only output quantizations that these kernels compute; others are reached by a requantize.
SOFTMAX_OUTPUT = Quant(1.0 / 256.0, -128)
LOGISTIC_OUTPUT = Quant(1.0 / 256.0, -128)
TANH_OUTPUT = Quant(1.0 / 128.0, 0)

SOFTMAX_INPUT_BITS = 5  # exp of -32 and below is zero
SOFTMAX_SUM_BITS = 12  # room for 4096 terms
SIGMOID_INPUT_BITS = 4


def input_radius(integer_bits: int, left_shift: int) -> int:
    """The largest |input| whose rescaled value still fits `integer_bits` integer bits."""
    largest = ((1 << integer_bits) - 1) * (1 << (31 - integer_bits))
    return math.floor(math.ldexp(largest, -left_shift))


def softmax_multiplier(x_scale: float, beta: float) -> tuple[int, int]:
    """Multiplier and left shift from input differences to Q5 exponents."""
    real = float(beta) * float(x_scale) * (1 << (31 - SOFTMAX_INPUT_BITS))
    return quantize_multiplier(min(real, float(INT32_MAX)))


def softmax(
    x: npt.NDArray[Any],
    x_quant: Quant,
    y_quant: Quant = SOFTMAX_OUTPUT,
    *,
    beta: float = 1.0,
    axis: int = -1,
) -> Int8Array:
    """exp(beta * x) / sum(exp(beta * x)) along `axis`."""
    moved = np.moveaxis(x.astype(np.int64), axis, -1)
    multiplier, shift = softmax_multiplier(x_quant.scale, beta)
    below_max = moved.max(axis=-1, keepdims=True) - moved
    # Only 256 differences exist, so exp is looked up.
    steps = np.arange(256, dtype=np.int64)
    kept = steps <= input_radius(SOFTMAX_INPUT_BITS, shift)
    exponents = multiply_by_quantized_multiplier(np.where(kept, -steps, 0), multiplier, shift)
    exp_q0 = fixed_point.exp_on_negative_values(exponents, SOFTMAX_INPUT_BITS)
    addend = np.where(kept, rounding_divide_by_pot(exp_q0, SOFTMAX_SUM_BITS), 0)
    total = addend[below_max].sum(axis=-1, keepdims=True)
    inverse, over_unit = fixed_point.reciprocal(total, SOFTMAX_SUM_BITS)
    product = saturating_rounding_doubling_high_mul(inverse, exp_q0[below_max])
    probability = rounding_divide_by_pot(product, over_unit + 31 - 8) + INT8_MIN
    result = np.where(kept[below_max], probability, INT8_MIN)
    canonical = clamp_to_int8(np.moveaxis(result, -1, axis))
    return _from_canonical(canonical, SOFTMAX_OUTPUT, y_quant)


def _from_canonical(values: Int8Array, canonical: Quant, y_quant: Quant) -> Int8Array:
    moved: Int8Array = requantize(values, canonical, y_quant)
    return moved


def _sigmoid_input(x: npt.NDArray[Any], quant: Quant) -> tuple[IntArray, int, IntArray]:
    """The centred input, its radius, and the input as Q4 (valid within the radius)."""
    centered = x.astype(np.int64) - quant.zero_point
    multiplier, shift = quantize_multiplier(float(quant.scale) * (1 << (31 - SIGMOID_INPUT_BITS)))
    radius = input_radius(SIGMOID_INPUT_BITS, shift)
    inside = np.where(np.abs(centered) < radius, centered, 0)
    return centered, radius, multiply_by_quantized_multiplier(inside, multiplier, shift)


def _saturate(values: IntArray, centered: IntArray, radius: int) -> Int8Array:
    low = np.where(centered <= -radius, INT8_MIN, values)
    return clamp_to_int8(np.where(centered >= radius, INT8_MAX, low))


def logistic(x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant = LOGISTIC_OUTPUT) -> Int8Array:
    """1 / (1 + exp(-x))."""
    centered, radius, q4 = _sigmoid_input(x, x_quant)
    q0 = fixed_point.logistic(q4, SIGMOID_INPUT_BITS)
    values = rounding_divide_by_pot(q0, 31 - 8) + LOGISTIC_OUTPUT.zero_point
    return _from_canonical(_saturate(values, centered, radius), LOGISTIC_OUTPUT, y_quant)


def tanh(x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant = TANH_OUTPUT) -> Int8Array:
    """Hyperbolic tangent."""
    centered, radius, q4 = _sigmoid_input(x, x_quant)
    values = rounding_divide_by_pot(fixed_point.tanh(q4, SIGMOID_INPUT_BITS), 31 - 7)
    return _from_canonical(_saturate(values, centered, radius), TANH_OUTPUT, y_quant)


def narrow_multiplier(multiplier: int) -> int:
    """A 31-bit multiplier rounded to 15 bits, saturating."""
    half = 1 << 15
    return INT16_MAX if multiplier >= INT32_MAX - half else (multiplier + half) >> 16


def hard_swish_multipliers(
    x_scale: float, y_scale: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(16-bit multiplier, shift) to the output's scale and to the gate's scale 3 / 32768.

    Both are for an input shifted left by 7 bits; all quotients are in float32.
    """
    fine = np.float32(1.0 / 128.0) * np.float32(x_scale)
    output, output_shift = quantize_multiplier(float(fine / np.float32(y_scale)))
    gate, gate_shift = quantize_multiplier(float(fine / (np.float32(3.0) / np.float32(32768.0))))
    return (narrow_multiplier(output), output_shift), (narrow_multiplier(gate), gate_shift)


def _shift_left_int16(values: IntArray, amount: int) -> IntArray:
    return np.asarray(np.clip(values << amount, INT16_MIN, INT16_MAX), dtype=np.int64)


def hard_swish(x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant) -> Int8Array:
    """x * clip(x + 3, 0, 6) / 6 in 16-bit arithmetic.

    Needs x_scale / 128 < y_scale, which holds for every output that can represent its input.
    """
    (output, output_shift), (gate, gate_shift) = hard_swish_multipliers(
        x_quant.scale, y_quant.scale
    )
    fine = (x.astype(np.int64) - x_quant.zero_point) << 7
    scaled = saturating_rounding_doubling_high_mul(fine, output, bits=16)
    # The gate saturates at -3 and 3. The last bit of its left shift is applied after the multiply,
    # so that only values out of range saturate.
    relu_like = _shift_left_int16(fine, max(gate_shift - 1, 0))
    relu_like = saturating_rounding_doubling_high_mul(relu_like, gate, bits=16)
    if gate_shift > 0:
        relu_like = _shift_left_int16(relu_like, 1)
    relu_like = rounding_divide_by_pot(relu_like, max(-gate_shift, 0))
    relu_like = (relu_like + (1 << 15)) >> 1
    product = truncating_shift(relu_like * scaled, 15)
    shifted = rounding_divide_by_pot(product, max(-output_shift, 0))
    return to_output(_shift_left_int16(shifted, max(output_shift, 0)), y_quant, None)


def clip(
    x: npt.NDArray[Any],
    x_quant: Quant,
    y_quant: Quant,
    limits: tuple[int, int],
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """Rescale to the output's quantization, then clip to int8 `limits` there.

    The quotient of the scales is in float32. For equal quantizations it is a plain clip.
    """
    if rounding is Rounding.FLOAT32:
        moved = requantize(x, x_quant, y_quant, rounding=rounding)
        return clamp_to_int8(moved.astype(np.int64), limits)
    ratio = float(np.float32(x_quant.scale) / np.float32(y_quant.scale))
    return to_output(rescale(x.astype(np.int64) - x_quant.zero_point, ratio), y_quant, limits)


def relu(
    x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant, activation: str = "relu"
) -> Int8Array:
    """A standalone relu, relu6, relu_0_to_1 or relu_n1_to_1."""
    return clip(x, x_quant, y_quant, activation_limits(activation, y_quant))


def leaky_relu(x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant, *, alpha: float) -> Int8Array:
    """Leaky ReLU: x for x >= 0, else alpha * x.

    Both factors are in float32; alpha may be negative.
    """
    centered = x.astype(np.int64) - x_quant.zero_point
    x_scale, y_scale = np.float32(x_quant.scale), np.float32(y_quant.scale)
    slope, shift = quantize_multiplier(float(x_scale * np.float32(alpha) / y_scale))
    below = multiply_by_quantized_multiplier(centered, abs(slope), shift)
    below = -below if slope < 0 else below
    above = rescale(centered, float(x_scale / y_scale))
    return to_output(np.where(centered >= 0, above, below), y_quant, None)


def absolute(x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant) -> Int8Array:
    """|x|; the quotient of the scales is in float32."""
    distance = np.abs(x.astype(np.int64) - x_quant.zero_point)
    ratio = np.float32(x_quant.scale) / np.float32(y_quant.scale)
    return to_output(distance if ratio == 1 else rescale(distance, float(ratio)), y_quant, None)


RSQRT_FRACTION_BITS = 20  # of the intermediate 1 / sqrt(x - z_x)


def rsqrt(x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant) -> Int8Array:
    """1 / sqrt(x); the largest value for x <= 0.

    TFLM refuses x < 0 when it runs.
    """
    steps = x.astype(np.int64) - x_quant.zero_point
    inverse, exponent = fixed_point.inverse_sqrt(np.maximum(steps, 1))
    root = multiply_by_quantized_multiplier(1, inverse, exponent + RSQRT_FRACTION_BITS)
    unit = np.sqrt(np.float32(x_quant.scale)) * np.float32(y_quant.scale)
    factor, shift = quantize_multiplier(1.0 / float(unit))
    scaled = multiply_by_quantized_multiplier(root, factor, shift - RSQRT_FRACTION_BITS)
    return to_output(np.where(steps > 0, scaled, INT16_MAX), y_quant, None)


def prelu(
    x: npt.NDArray[Any],
    alpha: npt.NDArray[Any],
    x_quant: Quant,
    alpha_quant: Quant,
    y_quant: Quant,
) -> Int8Array:
    """PReLU: x for x >= 0, else alpha * x with a quantized, broadcast alpha.

    Factors are in double.
    """
    centered = x.astype(np.int64) - x_quant.zero_point
    product = centered * (alpha.astype(np.int64) - alpha_quant.zero_point)
    ratio = float(x_quant.scale) / float(y_quant.scale)
    slope_ratio = float(x_quant.scale) * float(alpha_quant.scale) / float(y_quant.scale)
    above, below = rescale(centered, ratio), rescale(product, slope_ratio)
    return to_output(
        np.where(np.broadcast_to(centered >= 0, below.shape), above, below), y_quant, None
    )


def prelu_float32(
    x: npt.NDArray[Any], slopes: npt.NDArray[Any], x_quant: Quant, y_quant: Quant
) -> Int8Array:
    """PReLU in float32, as in onnxruntime: x for x >= 0, else slope * x.

    slopes: real, broadcast to x.
    """
    real = dequantize(x, x_quant)
    with np.errstate(over="ignore", invalid="ignore"):
        below = real * slopes.astype(np.float32)
    return quantize(np.where(real >= 0, real, below), y_quant, rounding=Rounding.FLOAT32)


def argmax(x: npt.NDArray[Any], axis: int, *, keepdims: bool = False) -> npt.NDArray[np.int64]:
    """Index of the first largest element along `axis`."""
    return np.asarray(np.argmax(x, axis=axis, keepdims=keepdims), dtype=np.int64)


def argmin(x: npt.NDArray[Any], axis: int, *, keepdims: bool = False) -> npt.NDArray[np.int64]:
    """Index of the first smallest element along `axis`."""
    return np.asarray(np.argmin(x, axis=axis, keepdims=keepdims), dtype=np.int64)
