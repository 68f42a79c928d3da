"""The QDQ form itself: names, biases, uint8, QLinear spellings, islands, calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from onnx_models import Builder, calls, names, run_onnxruntime, run_relax
from test_onnx_invalid import float_model
from tools import require_package

from tvm_tiny.frontend.onnx import from_onnx

SHAPE = (1, 4, 6, 5)


def test_quantized_tensors_keep_their_names() -> None:
    b = Builder(SHAPE)
    b.quantize(b.node("Relu", [b.quantize("x", output="a/b:0")]), output="c.d")
    module = from_onnx(b.model("c.d"))
    assert names(module, "quantize") == ["a/b:0", "c.d"]
    assert list(module["main"].attrs["tvm_tiny.output_names"]) == ["c.d"]
    assert int(module["main"].attrs["num_input"]) == 1


def test_float_bias_becomes_int32_in_steps_of_the_accumulator() -> None:
    b = Builder(SHAPE)
    weights = b.weights((2, 4, 1, 1))
    scale = onnx.numpy_helper.to_array(b.constants[1])
    y = b.node("Conv", [b.quantize("x", 0.5), weights, b.const([1.0, -2.0])])
    module = from_onnx(b.model(b.quantize(y)))
    bias = calls(module, "dequantize")[2]
    step = np.float32(0.5) * scale
    np.testing.assert_array_equal(bias.args[1].value.numpy(), step)
    expected = np.rint(np.array([1.0, -2.0]) / step.astype(np.float64)).astype(np.int32)
    np.testing.assert_array_equal(bias.args[0].value.numpy(), expected)


def test_every_use_has_a_dequantize_of_its_own() -> None:
    b = Builder(SHAPE)
    x = b.quantize("x")
    y = b.quantize(b.node("Add", [x, x]))
    module = from_onnx(b.model(y))
    add = calls(module, "add")[0]
    assert not add.args[0].same_as(add.args[1])


def test_uint8_tensors_become_int8() -> None:
    b = Builder(SHAPE, "uint8")
    b.quantize(b.node("Relu", [b.quantize("x")]), zero=-3, output="y")
    module = from_onnx(b.model("y"))
    # The result is declared uint8 and stays it, behind the int8 tensor.
    assert [str(call.attrs.out_dtype) for call in calls(module, "quantize")] == [
        "int8",
        "int8",
        "uint8",
    ]
    x = np.random.default_rng(0).normal(size=SHAPE, scale=3).astype(np.float32)
    np.testing.assert_array_equal(run_relax(module, x)[0], run_onnxruntime(b.model("y"), x)[0])


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_qlinear_operators_equal_their_qdq_spelling(dtype: str) -> None:
    b = Builder(SHAPE, dtype)
    zero = 3 + 128 * (dtype == "uint8")
    point = [b.const(0.05), b.const(zero, dtype)]
    q = b.node("QuantizeLinear", ["x", *point])
    w = b.const(b.rng.integers(-127, 128, (6, 4, 3, 3)), "int8")
    if dtype == "uint8":
        w = b.const(b.rng.integers(0, 255, (6, 4, 3, 3)), "uint8")
    w_point = [b.const(0.01), b.const(zero - 3, dtype)]
    bias = b.const(b.rng.integers(-900, 900, 6), "int32")
    q = b.node("QLinearConv", [q, *point, w, *w_point, *point, bias])
    q = b.node("QLinearAdd", [q, *point, q, *point, *point], domain="com.microsoft")
    q = b.node("QLinearSigmoid", [q, *point, *point], domain="com.microsoft")
    q = b.node("QLinearGlobalAveragePool", [q, *point, *point], domain="com.microsoft")
    model = b.model(b.node("DequantizeLinear", [q, *point]), shape=(1, 6, 1, 1))
    x = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    actual, expected = run_relax(from_onnx(model), x)[0], run_onnxruntime(model, x)[0]
    assert np.abs(actual - expected).max() <= 0.051


def test_movement_after_the_last_dequantize_stays_in_integers() -> None:
    b = Builder(SHAPE)
    module = from_onnx(b.model(b.node("Flatten", [b.quantize("x")], "logits")))
    assert names(module, "quantize")[-1] == "logits_quantized"
    last = module["main"].body.blocks[0].bindings[-1]
    assert last.value.op.name == "relax.dequantize"
    assert last.var.name == "logits"


def test_movement_on_integers_becomes_an_island() -> None:
    b = Builder(SHAPE)
    point = [b.const(0.05), b.const(3, "int8")]
    q = b.node("QuantizeLinear", ["x", *point])
    q = b.node("Pad", [q, b.const([0, 0, 1, 1, 0, 0, 1, 1], "int64")], "padded")
    module = from_onnx(b.model(b.node("DequantizeLinear", [q, *point])))
    pad = calls(module, "nn.pad")[0]
    assert float(pad.attrs.pad_value) == pytest.approx(-0.15)  # integer 0 stands for -3 * 0.05


def test_the_model_is_not_changed() -> None:
    b = Builder(SHAPE)
    model = b.model(b.quantize(b.node("Relu", [b.quantize("x")])))
    before = model.SerializeToString(deterministic=True)
    from_onnx(model)
    assert model.SerializeToString(deterministic=True) == before


def test_float_model_is_quantized_from_samples(tmp_path: Path) -> None:
    require_package("onnxruntime")
    samples = np.random.default_rng(0).normal(size=(6, 4, 8, 8)).astype(np.float32)
    path = tmp_path / "samples.npz"
    np.savez(path, anything=samples)
    model = float_model(1, 4, 8, 8)
    first, second = from_onnx(model, path), from_onnx(model, {"image": samples})
    tvm.ir.assert_structural_equal(first, second)
    actual = run_relax(first, samples[:1])[0]
    expected = samples[0].sum(axis=0)
    windows = np.lib.stride_tricks.sliding_window_view(expected, (3, 3)).sum(axis=(2, 3))
    assert np.abs(actual[0, 0] - windows).max() < 0.02 * np.abs(windows).max() + 0.3


@pytest.mark.models
@pytest.mark.parametrize("stem", ["mcunet-5fps-qdq", "mbv2-w0.35-qdq", "proxyless-w0.3-qdq"])
def test_real_models_import(stem: str, model_path: object) -> None:
    module = from_onnx(model_path(f"{stem}.onnx"))  # type: ignore[operator]
    assert "quantizelinear_6" in names(module, "quantize")
    convolutions = calls(module, "nn.conv2d")
    assert len(convolutions) == {"mcu": 43, "mbv": 52, "pro": 61}[stem[:3]]
    assert all(str(call.attrs.out_dtype) in ("int8",) for call in calls(module, "quantize"))
