"""Fully connected layer and batch matrix product.

With one weight scale the factor is float32(x_scale * w_scale) / y_scale: the product of the two
input scales is rounded to float32 before the division in double. With one weight scale per output
channel everything is in double, as in convolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    Int8Array,
    IntArray,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    wrap_int32,
)
from .convolution import (
    channel_multipliers,
    exact_matmul,
    float32_ratio,
    safe_bias,
    safe_bias_of_product,
)
from .quantization import Quant, Rounding, rescale_float32, to_output


def product_multiplier(a_scale: float, b_scale: float, y_scale: float) -> tuple[int, int]:
    """Multiplier and shift of a matrix product whose operands have one scale each."""
    product = np.float32(a_scale) * np.float32(b_scale)
    return quantize_multiplier(float(product) / float(y_scale))


def fully_connected(
    x: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
    x_quant: Quant,
    w_scales: npt.ArrayLike,
    y_quant: Quant,
    *,
    limits: tuple[int, int] | None = None,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """A fully connected layer of int8 tensors.

    x [.., I] times symmetric weights [O, I] plus bias int32 [O] is int8 [.., O].
    """
    accumulator = exact_matmul(x.astype(np.int32) - x_quant.zero_point, weights.T.astype(np.int32))
    if bias is not None:
        accumulator = accumulator + safe_bias(bias, weights, x_quant.zero_point)
    if rounding is Rounding.FLOAT32:
        ratio = float32_ratio(x_quant.scale, w_scales, y_quant.scale)
        return to_output(rescale_float32(wrap_int32(accumulator), ratio), y_quant, limits)
    scales = np.asarray(w_scales, dtype=np.float32).reshape(-1)
    multiplier: int | IntArray
    shift: int | IntArray
    if scales.size == 1:
        multiplier, shift = product_multiplier(x_quant.scale, float(scales[0]), y_quant.scale)
    else:
        multiplier, shift = channel_multipliers(
            x_quant.scale, scales, y_quant.scale, weights.shape[0]
        )
    scaled = multiply_by_quantized_multiplier(wrap_int32(accumulator), multiplier, shift)
    return to_output(scaled, y_quant, limits)


def batch_matmul(
    a: npt.NDArray[Any],
    b: npt.NDArray[Any],
    a_quant: Quant,
    b_quant: Quant,
    y_quant: Quant,
    *,
    bias: npt.NDArray[Any] | None = None,
    limits: tuple[int, int] | None = None,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """A product of two int8 matrices, or of batches of matrices.

    a [.., M, K] times b [.., K, N] plus bias int32 [N] is int8 [.., M, N]. Batch axes are
    broadcast. Both operands may have a zero point.
    """
    accumulator = exact_matmul(
        a.astype(np.int32) - a_quant.zero_point, b.astype(np.int32) - b_quant.zero_point
    )
    if bias is not None:
        zero_points = a_quant.zero_point, b_quant.zero_point
        accumulator = accumulator + safe_bias_of_product(bias, a.shape[-1], *zero_points)
    if rounding is Rounding.FLOAT32:
        ratio = float32_ratio(a_quant.scale, b_quant.scale, y_quant.scale)
        return to_output(rescale_float32(wrap_int32(accumulator), ratio), y_quant, limits)
    multiplier, shift = product_multiplier(a_quant.scale, b_quant.scale, y_quant.scale)
    scaled = multiply_by_quantized_multiplier(wrap_int32(accumulator), multiplier, shift)
    return to_output(scaled, y_quant, limits)
