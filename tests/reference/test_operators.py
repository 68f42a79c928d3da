from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.reference import (
    Quant,
    Rounding,
    activation,
    comparison,
    convolution,
    elementwise,
    movement,
    pooling,
    quantization,
    reduction,
)

ALL = np.arange(-128, 128).astype(np.int8)
UNIT = Quant(1.0, 0)


def real(values, quant):
    return quant.scale * (values.astype(np.float64) - quant.zero_point)


def near(result, expected, quant, steps=1):
    """`result` is within `steps` of the real `expected` on the grid of `quant`."""
    ideal = np.clip(expected / quant.scale + quant.zero_point, -128, 127)
    assert np.abs(result - ideal).max() <= steps + 0.01


@pytest.mark.parametrize(
    ("name", "function"),
    [("add", np.add), ("sub", np.subtract), ("mul", np.multiply),
     ("maximum", np.maximum), ("minimum", np.minimum)],
)  # fmt: skip
def test_elementwise_is_within_a_step_and_broadcasts(name, function):
    a, b = ALL[:, None], ALL[None, ::5]
    a_quant, b_quant, y = Quant(0.03, -20), Quant(0.07, 11), Quant(0.1, -3)
    result = getattr(elementwise, name)(a, b, a_quant, b_quant, y)
    near(result, function(real(a, a_quant), real(b, b_quant)), y)
    limited = getattr(elementwise, name)(a, b, a_quant, b_quant, y, limits=(-3, 57))
    np.testing.assert_array_equal(limited, np.clip(result, -3, 57))


def test_add_by_hand():
    # 0.5 * 10 + 0.25 * -3 = 4.25 -> 4.25 / 0.5 = 8.5, rounded away from zero
    result = elementwise.add(
        np.array([10], np.int8), np.array([-3], np.int8), Quant(0.5, 0), Quant(0.25, 0),
        Quant(0.5, 1),
    )  # fmt: skip
    assert result[0] == 9 + 1


@pytest.mark.parametrize(
    ("values", "expected"), [([1, 2], 2), ([-1, -2], -2), ([0, 1], 1), ([-1, 0], -1), ([7, 8], 8)]
)
def test_average_pool_rounds_ties_away_from_zero(values, expected):
    x = np.array(values, dtype=np.int8).reshape(1, 1, 2, 1)
    assert pooling.average_pool2d(x, (1, 2))[0, 0, 0, 0] == expected


def test_pools_ignore_what_lies_outside():
    x = np.full((1, 2, 2, 1), -100, dtype=np.int8)
    pads = (1, 1, 1, 1)
    assert (pooling.average_pool2d(x, (3, 3), pads=pads) == -100).all()
    assert (pooling.max_pool2d(x, (3, 3), pads=pads) == -100).all()
    counted = pooling.average_pool2d(convolution.pad_image(x, pads, 10), (3, 3))
    assert (counted == round((4 * -100 + 5 * 10) / 9)).all()


@pytest.mark.parametrize("axes", [(1, 2), (-1,), (0, 3), (0, 1, 2, 3)])
@pytest.mark.parametrize(
    ("name", "function"),
    [("mean", np.mean), ("add_up", np.sum), ("largest", np.max), ("smallest", np.min)],
)
def test_reductions_over_any_axes(name, function, axes):
    x = np.random.default_rng(5).integers(-128, 128, (2, 5, 7, 3)).astype(np.int8)
    source, target = Quant(0.05, 12), Quant(1.5 if name == "add_up" else 0.06, -30)
    reduce = getattr(reduction, name)
    result = reduce(x, axes, source, target, keepdims=True)
    near(result, function(real(x, source), axis=axes, keepdims=True), target)
    squeezed = reduce(x, axes, source, target)
    np.testing.assert_array_equal(squeezed, result.squeeze(tuple(a % 4 for a in axes)))


def test_squared_difference_and_sums_of_many_are_within_a_step():
    a, b = ALL[:, None], ALL[None, ::5]
    a_quant, b_quant = Quant(0.03, -20), Quant(0.07, 11)
    difference = real(a, a_quant) - real(b, b_quant)
    wide = Quant(1.5, -120)
    squares = elementwise.squared_difference(a, b, a_quant, b_quant, wide)
    near(squares, difference**2, wide)
    total = elementwise.add_n([a, b, a], [a_quant, b_quant, a_quant], Quant(0.2, -3))
    near(total, 2 * real(a, a_quant) + real(b, b_quant), Quant(0.2, -3))


def test_quotients_are_exactly_rounded_and_saturate_by_zero():
    a, b = np.meshgrid(ALL, ALL, indexing="ij")
    a_quant, b_quant, target = Quant(0.5, -3), Quant(0.25, 7), Quant(0.125, 5)
    found = elementwise.div(a, b, a_quant, b_quant, target).astype(int)
    # 0.5 / (0.25 * 0.125) = 16
    above, below = 16 * (a.astype(int) + 3), b.astype(int) - 7
    zero, halves = below == 0, 2 * np.abs(above)
    safe = np.where(zero, 1, np.abs(below))
    rounded = (halves + safe) // (2 * safe) * np.sign(above) * np.where(below < 0, -1, 1)
    expected = np.where(zero, 1000 * np.sign(above), rounded) + 5
    np.testing.assert_array_equal(found, np.clip(expected, -128, 127))


def test_mean_multiplier_is_divided_as_an_integer():
    multiplier, shift = reduction.mean_multiplier(1.0, 1.0, 49)
    assert (multiplier, shift) == (((1 << 30) << 5) // 49, 1 - 5)


@pytest.mark.parametrize("scale", [0.002, 0.0235, 0.1, 0.5])
@pytest.mark.parametrize(
    ("name", "function", "quant"),
    [("logistic", lambda x: 1 / (1 + np.exp(-x)), activation.LOGISTIC_OUTPUT),
     ("tanh", np.tanh, activation.TANH_OUTPUT)],
)  # fmt: skip
def test_sigmoids(name, function, quant, scale):
    source = Quant(scale, -9)
    result = getattr(activation, name)(ALL, source)
    near(result, function(real(ALL, source)), quant, steps=0.6)
    assert (np.diff(result.astype(int)) >= 0).all()


@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_softmax(beta):
    x = np.random.default_rng(6).integers(-128, 128, (4, 10)).astype(np.int8)
    source = Quant(0.08, 4)
    powers = np.exp(beta * real(x, source))
    expected = powers / powers.sum(axis=1, keepdims=True)
    near(activation.softmax(x, source, beta=beta), expected, activation.SOFTMAX_OUTPUT)
    moved = activation.softmax(x.T, source, beta=beta, axis=0)
    np.testing.assert_array_equal(moved.T, activation.softmax(x, source, beta=beta))


def test_softmax_of_one_class_is_one():
    assert activation.softmax(np.array([[5]], np.int8), UNIT)[0, 0] == 127


@pytest.mark.parametrize("scale", [0.01, 0.04, 0.3])
def test_hard_swish(scale):
    source, target = Quant(scale, -5), Quant(scale, -100)
    x = real(ALL, source)
    expected = x * np.clip(x + 3, 0, 6) / 6
    near(activation.hard_swish(ALL, source, target), expected, target)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("relu", 0, np.inf), ("relu6", 0, 6), ("relu_n1_to_1", -1, 1)],
)
def test_standalone_relus(name, low, high):
    source, target = Quant(0.1, 3), Quant(0.06, -110)
    result = activation.relu(ALL, source, target, name)
    near(result, np.clip(real(ALL, source), low, high), target)


@pytest.mark.parametrize("alpha", [0.1, 1.5, -0.25])
def test_leaky_relu_and_prelu(alpha):
    source, target = Quant(0.05, 10), Quant(0.08, -20)
    x = real(ALL, source)
    expected = np.where(x >= 0, x, alpha * x)
    near(activation.leaky_relu(ALL, source, target, alpha=alpha), expected, target)
    slope, slope_quant = np.array([100], np.int8), Quant(abs(alpha) / 100, 0)
    slope = slope if alpha > 0 else -slope
    near(activation.prelu(ALL, slope, source, slope_quant, target), expected, target)


def test_activation_limits_divide_in_float32():
    assert quantization.activation_limits("none", UNIT) == (-128, 127)
    assert quantization.activation_limits("relu", Quant(0.1, -5)) == (-5, 127)
    assert quantization.activation_limits("relu6", Quant(0.1, -5)) == (-5, 55)
    assert quantization.activation_limits("relu_n1_to_1", Quant(0.5, 3)) == (1, 5)


def test_quantize_rounds_ties_away_and_clips():
    values = np.array([0.25, -0.25, 0.75, 1e30, -1e30, np.nan], dtype=np.float32)
    result = quantization.quantize(values, Quant(0.5, 1))
    np.testing.assert_array_equal(result, [2, 0, 3, 127, -128, -128])


def test_requantize_between_equal_scales_is_the_identity():
    for quant in (UNIT, Quant(0.1, -7), Quant(1e-5, 127)):
        np.testing.assert_array_equal(quantization.requantize(ALL, quant, quant), ALL)
    unsigned = quantization.requantize(ALL, Quant(0.1, 0), Quant(0.1, 128), np.uint8)
    np.testing.assert_array_equal(unsigned, np.arange(256))


def test_dequantize_rounds_the_double_product_once():
    scale = float(np.float32(0.1))
    result = quantization.dequantize(ALL, Quant(scale, 3))
    np.testing.assert_array_equal(result, (scale * (ALL.astype(float) - 3)).astype(np.float32))


def test_strided_slice_masks_and_negative_strides():
    x = np.arange(12).reshape(3, 4)
    cut = movement.strided_slice(x, [0, 3], [2, 0], [1, -2])
    np.testing.assert_array_equal(cut, x[0:2, 3:0:-2])
    free = movement.strided_slice(x, [1, 2], [2, 0], [1, -1], begin_mask=1, end_mask=2)
    np.testing.assert_array_equal(free, x[0:2, 2::-1])
    row = movement.strided_slice(x, [-1, 0], [0, 4], [1, 1], shrink_axis_mask=1)
    np.testing.assert_array_equal(row, x[2])
    offset = movement.strided_slice(x, [1, 1], [1, 2], [1, 1], end_is_offset=True)
    np.testing.assert_array_equal(offset, x[1:2, 1:3])


def test_concat_requantizes_parts_of_another_scale():
    parts = [np.array([10], np.int8), np.array([10], np.int8)]
    result = movement.concat(parts, [Quant(0.5, 0), Quant(1.0, 0)], Quant(0.5, 0), 0)
    np.testing.assert_array_equal(result, [10, 20])


@pytest.mark.parametrize(
    ("output", "flags", "expected"),
    [(4, {}, [0, 0, 1, 1]), (3, {"align_corners": True}, [0, 1, 1]),
     (1, {"half_pixel": True}, [1]), (4, {"half_pixel": True}, [0, 0, 1, 1])],
)  # fmt: skip
def test_nearest_positions(output, flags, expected):
    options = {"align_corners": False, "half_pixel": False, **flags}
    np.testing.assert_array_equal(movement.nearest_positions(2, output, **options), expected)


@pytest.mark.parametrize("flags", [{}, {"align_corners": True}, {"half_pixel": True}])
def test_bilinear_stays_between_its_pixels(flags):
    x = np.random.default_rng(7).integers(-128, 128, (1, 4, 5, 2)).astype(np.int8)
    same = movement.resize_bilinear(x, (4, 5), **flags)
    np.testing.assert_array_equal(same, x)
    larger = movement.resize_bilinear(x, (9, 11), **flags)
    assert larger.shape == (1, 9, 11, 2)
    assert larger.min() >= x.min()
    assert larger.max() <= x.max()


def test_bilinear_by_hand():
    x = np.array([0, 10, -10], dtype=np.int8).reshape(1, 1, 3, 1)
    result = movement.resize_bilinear(x, (1, 6)).reshape(-1)
    np.testing.assert_array_equal(result, [0, 5, 10, 0, -10, -10])


def test_argmax_takes_the_first_of_equals():
    x = np.array([[1, 5, 5], [7, 7, 2]], dtype=np.int8)
    np.testing.assert_array_equal(activation.argmax(x, 1), [1, 0])
    np.testing.assert_array_equal(activation.argmin(x, 1, keepdims=True), [[0], [2]])


def test_comparisons_round_real_values_to_256ths_or_not_at_all():
    a, b = np.array([1, 2, 3], "int8"), np.array([2, 2, 2], "int8")
    fine, coarse = Quant(0.001, 0), Quant(0.25, 0)
    assert comparison.compare("equal", a, b, fine, fine).tolist() == [False, True, True]
    exact = comparison.compare("equal", a, b, fine, fine, Rounding.FLOAT32)
    assert exact.tolist() == [False, True, False]
    assert comparison.compare("less", a, b, coarse, Quant(0.3, -1)).tolist() == [True] * 3
