from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.reference import Quant, Rounding
from tvm_tiny.reference.arithmetic import multiply_by_quantized_multiplier, quantize_multiplier
from tvm_tiny.reference.convolution import (
    conv2d,
    conv2d_transpose,
    depthwise_conv2d,
    exact_matmul,
    safe_bias,
    same_pads,
)
from tvm_tiny.reference.dense import batch_matmul, fully_connected, product_multiplier

X, Y = Quant(0.05, -7), Quant(0.11, 5)


def finish(accumulator, w_scale):
    """One accumulator to int8, scalar."""
    pair = quantize_multiplier(X.scale * float(w_scale) / Y.scale)
    return int(np.clip(int(multiply_by_quantized_multiplier(accumulator, *pair)) + 5, -128, 127))


def random_int8(rng, *shape):
    return rng.integers(-128, 128, shape).astype(np.int8)


def naive_conv(x, w, bias, w_scales, strides, pads, dilations, groups):
    n, h, width, _ = x.shape
    outputs, kh, kw, per_group = w.shape
    rows = (h + pads[0] + pads[2] - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    columns = (width + pads[1] + pads[3] - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    result = np.zeros((n, rows, columns, outputs), dtype=np.int8)
    for b, y, z, o in np.ndindex(result.shape):
        total, first = int(bias[o]), o // (outputs // groups) * per_group
        for i, j, c in np.ndindex(kh, kw, per_group):
            r = y * strides[0] - pads[0] + i * dilations[0]
            s = z * strides[1] - pads[1] + j * dilations[1]
            if 0 <= r < h and 0 <= s < width:
                total += (int(x[b, r, s, first + c]) - X.zero_point) * int(w[o, i, j, c])
        result[b, y, z, o] = finish(total, w_scales[o])
    return result


@pytest.mark.parametrize(
    ("kernel", "strides", "pads", "dilations", "groups"),
    [
        ((1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
        ((3, 3), (2, 2), (0, 0, 1, 1), (1, 1), 1),
        ((3, 2), (1, 2), (1, 2, 0, 1), (2, 1), 2),
        ((2, 3), (1, 1), (0, 1, 2, 3), (1, 2), 4),
    ],
)
def test_conv2d_equals_its_definition(kernel, strides, pads, dilations, groups):
    rng = np.random.default_rng(1)
    x = random_int8(rng, 2, 6, 7, 4)
    w = random_int8(rng, 8, *kernel, 4 // groups)
    bias = rng.integers(-2000, 2000, 8).astype(np.int32)
    scales = rng.uniform(0.001, 0.01, 8).astype(np.float32)
    result = conv2d(
        x, w, bias, X, scales, Y, strides=strides, pads=pads, dilations=dilations, groups=groups
    )
    expected = naive_conv(x, w, bias, scales, strides, pads, dilations, groups)
    np.testing.assert_array_equal(result, expected)


def test_depthwise_output_channels_follow_their_input_channel():
    rng = np.random.default_rng(2)
    x, w = random_int8(rng, 1, 5, 5, 3), random_int8(rng, 1, 3, 3, 6)
    bias, scales = np.arange(6, dtype=np.int32), np.full(6, 0.004, dtype=np.float32)
    result = depthwise_conv2d(x, w, bias, X, scales, Y, strides=(2, 1), pads=(1, 1, 1, 1))
    kernel = w.transpose(3, 1, 2, 0)
    expected = naive_conv(x, kernel, bias, scales, (2, 1), (1, 1, 1, 1), (1, 1), 3)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_conv_scatters_each_pixel(groups):
    rng = np.random.default_rng(3)
    x, w = random_int8(rng, 1, 3, 4, 4), random_int8(rng, 6, 3, 2, 4 // groups)
    bias, scales = np.arange(6, dtype=np.int32) * 100, np.full(6, 0.004, dtype=np.float32)
    size, strides, pads = (7, 8), (2, 2), (1, 0)
    sums = np.zeros((*size, 6), dtype=np.int64)
    for r, s, i, j, o, c in np.ndindex(3, 4, 3, 2, 6, 4 // groups):
        y, z = r * 2 - pads[0] + i, s * 2 - pads[1] + j
        if 0 <= y < size[0] and 0 <= z < size[1]:
            channel = o // (6 // groups) * (4 // groups) + c
            sums[y, z, o] += (int(x[0, r, s, channel]) - X.zero_point) * int(w[o, i, j, c])
    expected = np.array(
        [[[finish(int(sums[y, z, o]) + int(bias[o]), scales[o]) for o in range(6)]
          for z in range(size[1])] for y in range(size[0])]
    )  # fmt: skip
    result = conv2d_transpose(
        x, w, bias, X, scales, Y, output_shape=size, strides=strides, pads=pads, groups=groups
    )
    np.testing.assert_array_equal(result[0], expected)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "pads"),
    [(5, 3, 1, 1, (1, 1)), (6, 3, 2, 1, (0, 1)), (7, 3, 2, 1, (1, 1)), (9, 3, 1, 2, (2, 2)),
     (4, 1, 2, 1, (0, 0)), (10, 4, 2, 1, (1, 1)), (5, 2, 1, 1, (0, 1))],
)  # fmt: skip
def test_same_padding_puts_the_odd_pixel_behind(size, kernel, stride, dilation, pads):
    assert same_pads(size, kernel, stride, dilation) == pads


def test_large_sums_stay_exact():
    a = np.full((1, 70000), -255, dtype=np.int32)
    b = np.full((70000, 1), 127, dtype=np.int32)
    assert exact_matmul(a, b)[0, 0] == -255 * 127 * 70000


def test_a_saturated_bias_cannot_overflow_and_others_are_untouched():
    w = np.array([[1, 0], [127, 127]], dtype=np.int8)
    bias = np.array([-(1 << 31), 5000], dtype=np.int32)
    np.testing.assert_array_equal(safe_bias(bias, w, -128), [-(1 << 31) + 255, 5000])


def test_fully_connected_rounds_the_scale_product_to_float32():
    a, b, y = 0.391015231609, 0.0123456789, 0.0101
    float32_product = float(np.float32(a) * np.float32(b))
    assert product_multiplier(a, b, y) == quantize_multiplier(float32_product / y)
    assert float32_product != float(np.float32(a)) * float(np.float32(b))


def test_fully_connected_by_hand():
    x = np.array([[3, -7]], dtype=np.int8)  # centred: 10, 0
    w = np.array([[20, 99], [-20, 99]], dtype=np.int8)
    bias = np.array([20, -20], dtype=np.int32)
    # (10 * 20 + 20) * 0.05 * 0.01 / 0.11 = 1 -> 1 + 5
    result = fully_connected(x, w, bias, X, [0.01], Y)
    np.testing.assert_array_equal(result, [[6, 4]])
    per_channel = fully_connected(x, w, bias, X, [0.01, 0.02], Y)
    np.testing.assert_array_equal(per_channel, [[6, 3]])


def test_batch_matmul_centres_both_operands_and_broadcasts():
    rng = np.random.default_rng(4)
    a, b = random_int8(rng, 3, 2, 5), random_int8(rng, 5, 4)
    b_quant = Quant(0.02, 9)
    sums = np.einsum("bik,kj->bij", a.astype(int) + 7, b.astype(int) - 9)
    pair = product_multiplier(X.scale, b_quant.scale, Y.scale)
    expected = np.clip(multiply_by_quantized_multiplier(sums, *pair) + 5, -128, 127)
    np.testing.assert_array_equal(batch_matmul(a, b, X, b_quant, Y), expected)


def test_float32_rounding_takes_ties_to_even():
    x, w = np.array([[[[1]], [[3]]]], dtype=np.int8), np.array([[[[1]]]], dtype=np.int8)
    half = (np.array(x), w, None, Quant(1.0, 0), [0.5], Quant(1.0, 0))
    np.testing.assert_array_equal(conv2d(*half).reshape(-1), [1, 2])
    even = conv2d(*half, rounding=Rounding.FLOAT32)
    np.testing.assert_array_equal(even.reshape(-1), [0, 2])
