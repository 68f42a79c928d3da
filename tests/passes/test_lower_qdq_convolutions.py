"""LowerQDQ on convolutions and products: weights, biases, multipliers and limits."""

from __future__ import annotations

import numpy as np
import pytest
from islands import calls, convolved, every_value, ints, island, lower, real, run
from islands import weights as constant
from tvm import relax

from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ

NHWC = (1, 5, 6, 4)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_convolution_takes_bias_window_and_groups(groups, bias):
    call = calls(lower(island(lambda x: convolved(x, groups, bias), NHWC)))[-1]
    assert call.op.name == "tvm_tiny.qconv2d"
    assert ints(call.attrs["strides"]) == [2, 1]
    assert ints(call.attrs["padding"]) == [1, 0, 1, 2]
    assert int(call.attrs["groups"]) == groups
    assert int(call.attrs["x_zp"]) == int(call.attrs["y_zp"]) == 3
    assert bool(call.args[2].value.numpy().any()) is bias


def test_a_bias_in_float_is_rounded_to_steps_of_the_accumulator():
    real_bias = np.linspace(-2, 2, 8, dtype="float32")

    def build(x):
        return relax.op.add(convolved(x, bias=False), relax.const(real_bias.reshape(1, 1, 1, 8)))

    mod = island(build, NHWC)
    call = calls(lower(mod))[-1]
    assert call.op.name == "tvm_tiny.qconv2d"
    x_scale, w_scale = (call.args[1].value.numpy() for call in calls(mod)[:2])
    steps = real_bias / (x_scale * w_scale).astype("float64")
    np.testing.assert_array_equal(call.args[2].value.numpy(), np.rint(steps))


def test_an_int32_bias_of_another_scale_is_rounded_to_steps_of_the_accumulator():
    values, own = np.array([-30, 7, 500], "int32"), np.float32(0.013)

    def build(a, b):
        bias = relax.op.dequantize(
            relax.const(values), relax.const(own), relax.const(0, "int32"), axis=-1
        )
        return relax.op.add(relax.op.matmul(a, b), bias)

    (call,) = calls(lower(island(build, (2, 4), (4, 3))))
    assert call.op.name == "tvm_tiny.qbatch_matmul"
    steps = np.rint(values * np.float64(own) / 0.25)
    np.testing.assert_array_equal(call.args[2].value.numpy(), steps)


@pytest.mark.parametrize("constant_weights", [True, False])
def test_what_is_added_along_another_axis_is_no_bias(constant_weights):
    column = relax.const(np.linspace(-1, 1, 3, dtype="float32").reshape(3, 1))

    def build(a, b):
        product = relax.op.matmul(a, constant((4, 3), 1) if constant_weights else b)
        return relax.op.add(product, column)

    with pytest.warns(FloatFallbackWarning, match="no constant along the output channels"):
        LowerQDQ()(island(build, (3, 4), (4, 3)))


def kernel_with_zero_point(low, high, zero_points):
    """Weights [2, 1, 1, 4] from low to high, and what they stand for in steps of their scale."""
    values = np.linspace(low, high, 8).astype("int8").reshape(2, 1, 1, 4)
    zeros = np.array(zero_points, "int8")
    scales = relax.const(np.full(2, 0.01, "float32"))
    kernel = relax.op.dequantize(relax.const(values), scales, relax.const(zeros), axis=0)
    return kernel, values.astype(int) - zeros.reshape(-1, 1, 1, 1)


@pytest.mark.parametrize(
    ("bounds", "zero_points", "dtype"),
    [
        ((-100, 100), (0, 0), "int8"),
        ((-100, 100), (20, -20), "int8"),
        ((-128, 127), (1, 0), "int16"),
        ((-128, 127), (127, -128), "int16"),
    ],
)
def test_weights_are_stored_less_their_zero_points(bounds, zero_points, dtype):
    kernel, expected = kernel_with_zero_point(*bounds, zero_points)
    layouts = {"data_layout": "NHWC", "kernel_layout": "OHWI"}
    mod = island(lambda x: relax.op.nn.conv2d(x, kernel, **layouts), NHWC)
    call = calls(lower(mod))[-1]
    assert str(call.args[1].ty.dtype) == dtype
    np.testing.assert_array_equal(call.args[1].value.numpy(), expected)
    (expected,), (found,) = (run(m, every_value(NHWC)) for m in (mod, lower(mod)))
    assert np.abs(expected.astype(int) - found).max() <= 1


def test_multipliers_are_the_product_of_input_and_weight_scale_over_the_output_scale():
    mod = island(convolved, NHWC, scale=0.25)
    call = calls(lower(mod))[-1]
    scales = calls(mod)[1].args[1].value.numpy().astype("float64")
    multiplier, shift = (arg.value.numpy().astype("float64") for arg in call.args[3:5])
    np.testing.assert_allclose(multiplier * 2.0 ** (shift - 31), 0.5 * scales / 0.25, rtol=1e-9)


@pytest.mark.parametrize(
    ("activation", "limits"),
    [
        (relax.op.nn.relu, (3, 127)),
        (lambda e: relax.op.clip(e, 0, 6), (3, 15)),
        (lambda e: relax.op.clip(e, -1, 1), (1, 5)),
        (lambda e: e, (-128, 127)),
    ],
)
@pytest.mark.parametrize("operator", ["conv", "add", "max_pool2d"])
def test_fused_activations_become_limits(operator, activation, limits):
    def build(x):
        value = {
            "conv": lambda: convolved(x),
            "add": lambda: relax.op.add(x, real(relax.const(every_value(NHWC)))),
            "max_pool2d": lambda: relax.op.nn.max_pool2d(x, (2, 2), layout="NHWC"),
        }[operator]()
        return activation(value)

    call = calls(lower(island(build, NHWC)))[-1]
    assert (int(call.attrs["act_min"]), int(call.attrs["act_max"])) == limits
