"""LowerQDQ at the edges: uint8, float inputs and outputs, and operators that stay in float."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from islands import (
    calls,
    every_value,
    float_warning,
    lower,
    module,
    names,
    quantized,
    real,
    run,
    weights,
)
from tvm import relax

import tvm_tiny
from tvm_tiny.analysis import analyze
from tvm_tiny.interface import ROUNDING
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ


def expect(values, scale=0.5, zero_point=3):
    return np.clip(np.round(values / scale) + zero_point, -128, 127).astype("int8")


def test_an_operator_without_integer_form_runs_in_float_and_is_named():
    def build(emit, x):
        return emit(quantized(relax.op.cumsum(real(x), 1), 0.37), name_hint="model/sums")

    with pytest.warns(
        FloatFallbackWarning, match=r"cumsum \(tensor 'model/sums'\): no integer form"
    ):
        lowered = LowerQDQ()(module(build, (2, 3)))
    assert names(lowered) == ["dequantize", "relax.cumsum", "quantize"]
    x = np.array([[3, 5, -7], [4, 100, 8]], "int8")
    expected = expect(np.cumsum((x.astype("float32") - 3) * 0.5, 1), 0.37)
    np.testing.assert_array_equal(run(lowered, x)[0], expected)


def test_each_tensor_in_float_is_warned_of_once_with_its_operators():
    def build(emit, x):
        first = emit(quantized(relax.op.sin(relax.op.cumsum(real(x), 1))), name_hint="first")
        return emit(quantized(relax.op.cumsum(real(first), 0)), name_hint="second")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LowerQDQ()(module(build, (2, 3)))
    texts = [str(w.message) for w in caught if w.category is FloatFallbackWarning]
    assert [text.split(":")[0] for text in texts] == [
        "cumsum, sin (tensor 'first')",
        "cumsum (tensor 'second')",
    ]


def test_a_float_result_is_named_by_its_own_tensor():
    def build(emit, x):
        return emit(relax.op.exp(emit(real(x))), name_hint="scores")

    with pytest.warns(FloatFallbackWarning, match=r"exp \(tensor 'scores'\)"):
        LowerQDQ()(module(build, (2, 3)))


def test_moves_of_float_tensors_stay_plain_operators():
    def build(emit, x):
        return quantized(relax.op.reshape(relax.op.cumsum(real(x), 1), (6,)))

    with pytest.warns(FloatFallbackWarning, match=r"cumsum, reshape"):
        lowered = LowerQDQ()(module(build, (2, 3)))
    assert names(lowered) == ["dequantize", "relax.cumsum", "relax.reshape", "quantize"]


def test_constants_of_a_float_operator_are_dequantized_at_compile_time():
    def build(emit, x):
        return quantized(relax.op.power(relax.op.abs(real(x)), weights((2, 3), axis=1)), 0.1)

    mod = module(build, (2, 3))
    dequantize = next(c for c in calls(mod) if c.attrs and int(c.attrs.axis) == 1)
    values, scales = (dequantize.args[k].value.numpy() for k in (0, 1))
    with pytest.warns(FloatFallbackWarning, match=r"abs, power"):
        lowered = LowerQDQ()(mod)
    assert names(lowered) == ["dequantize", "relax.abs", "relax.power", "quantize"]
    x = np.array([[2, 5, -7], [4, 100, 8]], "int8")
    real_x = np.abs((x.astype("float32") - 3) * np.float32(0.5))
    expected = expect(np.power(real_x, values * scales), 0.1)
    np.testing.assert_array_equal(run(lowered, x)[0], expected)


def test_float_edges_are_quantize_and_dequantize_without_a_warning():
    def build(emit, x):
        inner = emit(quantized(x, 0.25, -3))
        return emit(real(inner, 0.25, -3))

    lowered = lower(module(build, (2, 3), dtype="float32"))
    assert names(lowered) == ["quantize", "dequantize"]
    x = np.array([[0.125, -0.125, 1e9], [-1e9, 0.3749, 0.0]], "float32")
    # Halves away from zero, then saturated.
    expected = np.array([[0.25, -0.25, 32.5], [-31.25, 0.25, 0.0]], "float32")
    np.testing.assert_array_equal(run(lowered, x)[0], expected)


def test_uint8_inputs_and_outputs_are_tables():
    def build(emit, x):
        inner = emit(quantized(real(x, 0.5, 131), 0.5, 3))
        total = emit(quantized(relax.op.add(real(inner), real(inner)), 0.5, 3))
        return quantized(real(total), 0.5, 131, "uint8")

    lowered = lower(module(build, (1, 256), dtype="uint8"))
    assert names(lowered) == ["lut", "lut", "lut"]
    x = np.arange(256, dtype="uint8").reshape(1, 256)
    found = run(lowered, x)[0]
    assert found.dtype == np.uint8
    expected = np.clip(2 * (x.astype(int) - 131) + 131, 0, 255)
    np.testing.assert_array_equal(found, expected)


def test_float_to_uint8_saturates_at_its_own_limits():
    lowered = lower(
        module(lambda emit, x: quantized(x, 0.5, 131, "uint8"), (1, 4), dtype="float32")
    )
    found = run(lowered, np.array([[-1000, -0.25, 0.25, 1000]], "float32"))[0]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[0, 130, 132, 255]])


def test_a_scale_for_each_channel_of_an_activation_is_left_to_tvm():
    def build(emit, x):
        scales, zeros = relax.const(np.array([0.5, 0.25, 1.0], "float32")), np.zeros(3, "int8")
        values = relax.op.dequantize(x, scales, relax.const(zeros), axis=1)
        return quantized(relax.op.nn.relu(values), 0.5, 0)

    with pytest.warns(FloatFallbackWarning):
        lowered = LowerQDQ()(module(build, (2, 3)))
    x = every_value((2, 3))
    expected = np.round(np.maximum(x * np.array([0.5, 0.25, 1.0]), 0) / 0.5)
    np.testing.assert_array_equal(run(lowered, x)[0], expected.astype("int8"))


def test_an_average_of_padding_alone_has_no_integer_form():
    def build(emit, x):
        pool = relax.op.nn.avg_pool2d(
            real(x), (2, 2), (2, 2), (2, 0, 0, 0), layout="NHWC", count_include_pad=False
        )
        return quantized(pool)

    with pytest.warns(FloatFallbackWarning, match=r"^avg_pool2d"):
        lowered = LowerQDQ()(module(build, (1, 4, 4, 2)))
    assert "qavg_pool2d" not in names(lowered)


def _conv(emit, x, kernel):
    options = {"data_layout": "NHWC", "kernel_layout": "OHWI"}
    return emit(quantized(relax.op.nn.conv2d(x, kernel, **options)), name_hint="conv")


def test_the_warning_says_what_it_costs():
    kernel = relax.const(np.ones((3, 2, 2, 2), "float32"))
    text = float_warning(lambda emit, x: _conv(emit, real(x), kernel), (1, 4, 4, 2))
    # 3 * 3 * 3 results of 2 * 2 * 2 products.
    assert "with 108 bytes of results and 216 multiply-accumulates" in text
    assert "about 2,160 instructions" in text


def test_costs_of_float_operators_reach_the_analysis():
    kernel = relax.const(np.ones((3, 2, 2, 2), "float32"))
    mod = module(lambda emit, x: _conv(emit, real(x), kernel), (1, 4, 4, 2))
    # As our ONNX frontend marks its modules, in which float weights are the model's own.
    mod["main"] = mod["main"].with_attr(ROUNDING, "float32")
    with pytest.warns(FloatFallbackWarning):
        found = analyze(tvm_tiny.build(mod, "cortex-m3"))
    assert found.macs == 216
    (use,) = (op.in_float for op in found.operators if op.in_float is not None)
    # There is no unit for float32 on a Cortex-M3.
    assert (use.reason, use.bytes) == ("weights that are not quantized", 108)
    assert use.instructions == 8 * 2_160
