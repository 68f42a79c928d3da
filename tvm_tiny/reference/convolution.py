"""Convolution, depthwise and transposed convolution on NHWC int8 tensors.

acc = bias + sum (x - x_zero) * w over the window, where positions outside the image count as the
zero point. Then y = clip(acc * m[o] + y_zero) with m[o] = x_scale * w_scale[o] / y_scale computed
in double.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    INT8_MAX,
    INT8_MIN,
    INT32_MAX,
    INT32_MIN,
    Int8Array,
    IntArray,
    multiply_by_quantized_multiplier,
    quantize_multipliers,
    wrap_int32,
)
from .quantization import Quant, Rounding, rescale_float32, to_output

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
# Relative difference of two float32 products of the same scales, from rounding alone.
SAME_SCALE = 1e-6


def exact_matmul(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> IntArray:
    """Integer matrix product [.., M, K] x [.., K, N], exact for |sums| below 2**53.

    It runs in floating point, which is exact while every partial sum fits the significand: in
    float32 below 2**24, else in float64. Integer matmul in NumPy is far slower.
    """
    if a.size == 0 or b.size == 0:
        return np.asarray(np.matmul(a.astype(np.int64), b.astype(np.int64)), dtype=np.int64)
    bound = int(np.abs(a).max()) * int(np.abs(b).sum(axis=-2, dtype=np.int64).max())
    kind = np.float32 if bound < 1 << 24 else np.float64
    product: IntArray = np.matmul(a.astype(kind), b.astype(kind)).astype(np.int64)
    return product


def same_pads(size: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """Padding (before, after) of TFLite's SAME along one axis; an odd one is larger after."""
    output = -(-size // stride)
    span = (kernel - 1) * dilation + 1
    total = max((output - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def output_size(size: int, kernel: int, stride: int, dilation: int, pads: Pair) -> int:
    """Number of window positions along one axis."""
    return (size + pads[0] + pads[1] - ((kernel - 1) * dilation + 1)) // stride + 1


def windows(
    x: npt.NDArray[Any], kernel: Pair, strides: Pair, dilations: Pair = (1, 1)
) -> npt.NDArray[Any]:
    """View [N, OH, OW, KH, KW, C] of a padded tensor [N, H, W, C]."""
    n, h, w, c = x.shape
    rows = output_size(h, kernel[0], strides[0], dilations[0], (0, 0))
    columns = output_size(w, kernel[1], strides[1], dilations[1], (0, 0))
    sn, sh, sw, sc = x.strides
    return np.lib.stride_tricks.as_strided(
        x,
        (n, rows, columns, kernel[0], kernel[1], c),
        (sn, sh * strides[0], sw * strides[1], sh * dilations[0], sw * dilations[1], sc),
        writeable=False,
    )


def pad_image(x: npt.NDArray[Any], pads: Pads, value: int = 0) -> npt.NDArray[Any]:
    """[N, H, W, C] with `pads` (top, left, bottom, right) of `value` around it."""
    top, left, bottom, right = pads
    return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def safe_bias(bias: npt.NDArray[Any], weights: npt.NDArray[Any], x_zero_point: int) -> IntArray:
    """The bias, moved away from the int32 limits so that no accumulator can overflow.

    `weights` is [O, ...]. The bias changes only where it is that large: in channels whose weights
    are almost all zero, so that the weight scale is tiny and exporters saturate the bias. In every
    sound model it stays.
    """
    rows = weights.reshape(weights.shape[0], -1)
    return _within_reach(bias, np.abs(rows.astype(np.int64)).sum(axis=1) * _widest(x_zero_point))


def safe_bias_of_product(
    bias: npt.NDArray[Any], depth: int, a_zero_point: int, b_zero_point: int
) -> IntArray:
    """The counterpart of `safe_bias` for two run-time operands and sums of `depth` products."""
    reach = depth * _widest(a_zero_point) * _widest(b_zero_point)
    return _within_reach(bias, np.asarray(reach, dtype=np.int64))


def _widest(zero_point: int) -> int:
    """The largest distance of an int8 value from its zero point."""
    return max(INT8_MAX - zero_point, zero_point - INT8_MIN)


def _within_reach(bias: npt.NDArray[Any], reach: IntArray) -> IntArray:
    low, high = np.minimum(INT32_MIN + reach, 0), np.maximum(INT32_MAX - reach, 0)
    return np.asarray(np.clip(bias.astype(np.int64).reshape(-1), low, high), dtype=np.int64)


def channel_multipliers(
    x_scale: float, w_scales: npt.ArrayLike, y_scale: float, channels: int
) -> tuple[IntArray, IntArray]:
    """Multiplier and shift for each output channel; one weight scale serves all channels."""
    scales = np.broadcast_to(np.asarray(w_scales, dtype=np.float64).reshape(-1), channels)
    return quantize_multipliers(float(x_scale) * scales / float(y_scale))


def bias_steps(
    values: npt.NDArray[Any], own: npt.ArrayLike | None, x_scale: float, w_scales: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """A bias in whole steps of the accumulator, float32(x_scale * w_scale), without int32 limits.

    `values` are reals, or integers in steps of `own`. Integers are kept if both steps are equal.
    """
    steps = np.float32(x_scale) * np.asarray(w_scales, dtype=np.float32).reshape(-1)
    wide: npt.NDArray[np.float64] = values.reshape(-1).astype(np.float64)
    if own is not None:
        scales = np.asarray(own, dtype=np.float32).reshape(-1)
        if np.allclose(scales, steps, rtol=SAME_SCALE, atol=0.0):
            return wide
        wide = wide * scales.astype(np.float64)
    return np.asarray(np.rint(wide / steps.astype(np.float64)), np.float64)


def float32_ratio(
    x_scale: float, w_scales: npt.ArrayLike, y_scale: float
) -> npt.NDArray[np.float32]:
    """x_scale * w_scale / y_scale with each step rounded to float32."""
    product = np.float32(x_scale) * np.asarray(w_scales, dtype=np.float32).reshape(-1)
    return np.asarray(product / np.float32(y_scale), dtype=np.float32)


def _finish(
    accumulator: IntArray,
    weights: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
    x: Quant,
    w_scales: npt.ArrayLike,
    y: Quant,
    limits: Pair | None,
    rounding: Rounding,
) -> Int8Array:
    if bias is not None:
        accumulator = accumulator + safe_bias(bias, weights, x.zero_point)
    if rounding is Rounding.FLOAT32:
        ratio = float32_ratio(x.scale, w_scales, y.scale)
        return to_output(rescale_float32(wrap_int32(accumulator), ratio), y, limits)
    multipliers, shifts = channel_multipliers(x.scale, w_scales, y.scale, accumulator.shape[-1])
    scaled = multiply_by_quantized_multiplier(wrap_int32(accumulator), multipliers, shifts)
    return to_output(scaled, y, limits)


def conv2d(
    x: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
    x_quant: Quant,
    w_scales: npt.ArrayLike,
    y_quant: Quant,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilations: Pair = (1, 1),
    groups: int = 1,
    limits: Pair | None = None,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """Convolution of x [N, H, W, I] with weights [O, KH, KW, I / groups].

    bias: int32 [O], or None. pads: (top, left, bottom, right). w_scales: one element or O. limits:
    int8 range of a fused activation. Weights are symmetric (zero point 0); subtract another zero
    point before the call.
    """
    outputs, kh, kw, per_group = weights.shape
    centered = pad_image(x.astype(np.int32) - x_quant.zero_point, pads)
    if per_group == 1 and groups == x.shape[3]:
        accumulator = _depthwise(centered, weights, strides, dilations)
    else:
        parts = []
        share = outputs // groups
        for g in range(groups):
            channels = np.ascontiguousarray(centered[..., g * per_group : (g + 1) * per_group])
            patches = windows(channels, (kh, kw), strides, dilations)
            columns = patches.reshape(*patches.shape[:3], kh * kw * per_group)
            kernel = weights[g * share : (g + 1) * share].reshape(share, -1).T.astype(np.int32)
            parts.append(exact_matmul(columns, kernel))
        accumulator = np.concatenate(parts, axis=-1)
    return _finish(accumulator, weights, bias, x_quant, w_scales, y_quant, limits, rounding)


def _depthwise(
    x: npt.NDArray[Any], weights: npt.NDArray[Any], strides: Pair, dilations: Pair
) -> IntArray:
    """Sums of a depthwise convolution.

    x: int32, padded. weights: [C * multiplier, KH, KW, 1].
    """
    outputs, kh, kw, _ = weights.shape
    n, h, w, channels = x.shape
    rows = output_size(h, kh, strides[0], dilations[0], (0, 0))
    columns = output_size(w, kw, strides[1], dilations[1], (0, 0))
    taps = weights.reshape(channels, outputs // channels, kh, kw).astype(np.int32)
    total = np.zeros((n, rows, columns, channels, outputs // channels), dtype=np.int32)
    for i in range(kh):
        for j in range(kw):
            top, left = i * dilations[0], j * dilations[1]
            tap = x[:, top:, left:][:, :: strides[0], :: strides[1]][:, :rows, :columns]
            total += tap[..., None] * taps[:, :, i, j]
    return total.reshape(n, rows, columns, outputs).astype(np.int64)


def depthwise_conv2d(
    x: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
    x_quant: Quant,
    w_scales: npt.ArrayLike,
    y_quant: Quant,
    *,
    strides: Pair = (1, 1),
    pads: Pads = (0, 0, 0, 0),
    dilations: Pair = (1, 1),
    limits: Pair | None = None,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """Depthwise convolution in TFLite's layout: weights [1, KH, KW, C * multiplier].

    Output channel c * multiplier + m reads input channel c.
    """
    return conv2d(
        x,
        np.transpose(weights, (3, 1, 2, 0)),
        bias,
        x_quant,
        w_scales,
        y_quant,
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=x.shape[3],
        limits=limits,
        rounding=rounding,
    )


def conv2d_transpose(
    x: npt.NDArray[Any],
    weights: npt.NDArray[Any],
    bias: npt.NDArray[Any] | None,
    x_quant: Quant,
    w_scales: npt.ArrayLike,
    y_quant: Quant,
    *,
    output_shape: Pair,
    strides: Pair = (1, 1),
    pads: Pair = (0, 0),
    dilations: Pair = (1, 1),
    groups: int = 1,
    limits: Pair | None = None,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """Transposed convolution of NHWC data.

    x is [N, H, W, I], weights are [O, KH, KW, I / groups]. Input pixel (y, x) adds to output (y *
    stride + k * dilation - pad); sums outside of `output_shape` (height, width) are dropped. `pads`
    is (top, left).
    """
    outputs, kh, kw, per_group = weights.shape
    n, h, w, _ = x.shape
    share = outputs // groups
    # Scatter on a canvas that holds every tap, then cut the output out of it.
    span = [(k - 1) * d for k, d in zip((kh, kw), dilations, strict=True)]
    extent = (
        max((h - 1) * strides[0] + span[0] + 1, pads[0] + output_shape[0]),
        max((w - 1) * strides[1] + span[1] + 1, pads[1] + output_shape[1]),
    )
    canvas = np.zeros((n, *extent, outputs), dtype=np.int64)
    centered = x.astype(np.int32) - x_quant.zero_point
    for g in range(groups):
        channels = centered[..., g * per_group : (g + 1) * per_group]
        block = slice(g * share, (g + 1) * share)
        for i in range(kh):
            for j in range(kw):
                tap = weights[block, i, j, :].T.astype(np.int32)
                top, left = i * dilations[0], j * dilations[1]
                canvas[
                    :,
                    top : top + (h - 1) * strides[0] + 1 : strides[0],
                    left : left + (w - 1) * strides[1] + 1 : strides[1],
                    block,
                ] += exact_matmul(channels, tap)
    cut = canvas[:, pads[0] : pads[0] + output_shape[0], pads[1] : pads[1] + output_shape[1]]
    return _finish(cut, weights, bias, x_quant, w_scales, y_quant, limits, rounding)
