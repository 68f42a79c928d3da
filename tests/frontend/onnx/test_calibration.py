"""Calibration of float models: what onnxruntime can quantize comes out as QDQ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from onnx_models import Builder, calls
from tools import require_package

from tvm_tiny import Calibration
from tvm_tiny.errors import DataError
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.frontend.quality import Quality

SHAPE = (1, 4, 6, 5)


def calibrated(b: Builder, *outputs: str, opset: int = 18) -> tvm.IRModule:
    samples = np.random.default_rng(1).normal(size=(8, *b_shape(b))).astype(np.float32)
    return from_onnx(b.model(*outputs, opset=opset), {"x": samples})


def b_shape(b: Builder) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in b.inputs[0].type.tensor_type.shape.dim)[1:]


def test_float_models_with_integer_constants_are_quantized() -> None:
    b = Builder((1, 2, 4, 4))
    flat = b.node("Reshape", ["x", b.const([1, 32], "int64")])
    y = b.node("MatMul", [flat, b.const(b.rng.normal(size=(32, 3)))])
    module = calibrated(b, y)
    assert len(calls(module, "matmul")) == 1
    assert len(calls(module, "quantize")) >= 2


def test_biases_with_a_leading_axis_are_quantized() -> None:
    b = Builder((1, 6))
    product = b.node("MatMul", ["x", b.const(b.rng.normal(size=(6, 3)))])
    y = b.node("Add", [product, b.const(b.rng.normal(size=(1, 3)))])
    module = calibrated(b, y)
    assert len(calls(module, "matmul")) == 1
    assert str(calls(module, "dequantize")[2].args[0].ty.dtype) == "int32"


def test_an_activation_spelled_out_is_quantized_at_its_borders_only() -> None:
    b = Builder(SHAPE)
    inner = b.node("Erf", [b.node("Div", ["x", b.const(1.414)])])
    half = b.node("Mul", ["x", b.const(0.5)])
    y = b.node("Mul", [half, b.node("Add", [inner, b.const(1.0)])])
    module = calibrated(b, y)
    assert len(calls(module, "quantize")) == 2
    assert len(calls(module, "erf")) == 1


def test_a_group_ends_where_another_operator_reads() -> None:
    b = Builder(SHAPE)
    silu = b.node("Mul", ["x", b.node("Sigmoid", ["x"])])
    pooled = b.node("GlobalAveragePool", [silu])
    y = b.node("Mul", [pooled, b.node("Sigmoid", [pooled])])
    module = calibrated(b, y, silu)
    assert len(calls(module, "quantize")) == 4


def test_a_clamp_behind_a_sum_stays_with_it() -> None:
    b = Builder(SHAPE)
    clamped = b.node("Relu", [b.node("Add", ["x", b.node("GlobalMaxPool", ["x"])])])
    y = b.node("Mul", [clamped, b.node("Sigmoid", [clamped])])
    assert [len(calls(calibrated(b, y), name)) for name in ("quantize", "sigmoid")] == [4, 1]


def test_a_batch_norm_alone_becomes_a_depthwise_convolution() -> None:
    b = Builder(SHAPE)
    statistics = [b.const(b.rng.uniform(0.5, 2, 4)) for _ in range(4)]
    y = b.node("Relu", [b.node("BatchNormalization", ["x", *statistics])])
    module = calibrated(b, y)
    (conv,) = calls(module, "nn.conv2d")
    assert int(conv.attrs.groups) == 4
    assert len(calls(module, "quantize")) == 2


def test_scaling_the_input_by_channel_is_one_convolution() -> None:
    b = Builder(SHAPE)
    mean, deviation = (b.const(b.rng.uniform(0.5, 2, (4, 1, 1))) for _ in range(2))
    y = b.node("Div", [b.node("Sub", ["x", mean]), deviation])
    module = calibrated(b, y)
    assert len(calls(module, "nn.conv2d")) == 1
    assert len(calls(module, "quantize")) == 2


def test_a_linear_layer_of_three_axes_keeps_an_int32_bias() -> None:
    b = Builder((1, 5, 8))
    product = b.node("MatMul", ["x", b.const(b.rng.normal(size=(8, 6)))])
    module = calibrated(b, b.node("Add", [product, b.const(b.rng.normal(size=6))]))
    kinds = {str(call.args[0].ty.dtype) for call in calls(module, "dequantize")}
    assert "int32" in kinds


def test_softmax_has_the_quantization_of_its_kernel() -> None:
    b = Builder((1, 5, 8))
    module = calibrated(b, b.node("Softmax", ["x"], axis=-1))
    last = calls(module, "quantize")[-1]
    assert float(last.args[1].value.numpy()) == 1 / 256
    assert int(last.args[2].value.numpy()) == -128


def image_model(*shape: int) -> onnx.ModelProto:
    b = Builder(shape)
    return b.model(b.node("Relu", ["x"]), opset=18)


@pytest.mark.parametrize(("shape", "mode"), [((1, 3, 4, 6), "RGB"), ((1, 4, 6, 1), "L")])
def test_folders_of_images_and_of_arrays_are_samples(
    tmp_path: Path, shape: tuple[int, ...], mode: str
) -> None:
    image = require_package("PIL.Image", "needs Pillow: pip install tvm-tiny[images]")
    pixels = np.random.default_rng(0).integers(
        0, 256, (5, 4, 6, 3 if mode == "RGB" else 1), "uint8"
    )
    arrays = ((pixels / np.float32(255) - np.float32(0.5)) / np.float32(0.25)).astype(np.float32)
    arrays = arrays.transpose(0, 3, 1, 2) if mode == "RGB" else arrays
    for folder in ("images", "arrays"):
        (tmp_path / folder).mkdir()
    for i in range(5):
        picture = image.fromarray(pixels[i] if mode == "RGB" else pixels[i, ..., 0], mode)
        picture.save(tmp_path / "images" / f"{i}.png")
        np.save(tmp_path / "arrays" / f"{i}.npy", arrays[i])
    model = image_model(*shape)
    expected = from_onnx(model, {"x": arrays}).script(show_meta=True)
    by_images = Calibration(tmp_path / "images", mean=(0.5,), std=(0.25,))
    assert from_onnx(model, by_images).script(show_meta=True) == expected
    assert from_onnx(model, tmp_path / "arrays").script(show_meta=True) == expected


def test_folders_that_do_not_fit_are_refused_in_one_line(tmp_path: Path) -> None:
    model = image_model(1, 3, 4, 6)
    with pytest.raises(DataError, match=r"neither \.npy files nor images"):
        from_onnx(model, tmp_path)
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 5), np.float32))
    with pytest.raises(DataError, match=r"a.npy' has shape \[3, 4, 5\]"):
        from_onnx(model, tmp_path)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"not a readable \.npy"):
        from_onnx(model, tmp_path)
    (tmp_path / "b.png").write_bytes(b"text")
    with pytest.raises(DataError, match="both"):
        from_onnx(model, tmp_path)
    (tmp_path / "a.npy").unlink()
    require_package("PIL.Image", "needs Pillow: pip install tvm-tiny[images]")
    with pytest.raises(DataError, match="cannot be read"):
        from_onnx(model, tmp_path)


def test_labels_give_the_accuracy_and_every_tensor_its_error() -> None:
    b = Builder((1, 4))
    y = b.node("MatMul", [b.node("Relu", ["x"]), b.const(np.eye(4) * 3)])
    samples = b.rng.normal(size=(50, 4)).astype(np.float32)
    labels = np.maximum(samples, 0).argmax(axis=1)
    labels[:5] = (labels[:5] + 1) % 4
    module = from_onnx(b.model(y), {"x": samples, "labels": labels})
    quality = Quality.from_module(module)
    assert quality is not None
    assert quality.accuracy is not None
    assert quality.accuracy.in_float == pytest.approx(0.9)
    assert [layer.op for layer in quality.layers] == ["", "Relu", "MatMul"]
    assert all((layer.sqnr_db or 0) > 30 for layer in quality.layers)
    with pytest.raises(DataError, match="3 for 50 samples"):
        from_onnx(b.model(y), {"x": samples, "labels": labels[:3]})


def test_methods_choose_different_ranges() -> None:
    b = Builder((1, 400))
    model = b.model(b.node("Relu", ["x"]), opset=18)
    samples = b.rng.normal(size=(600, 400)).astype(np.float32)
    samples[0, 0] = 60.0
    scales = {
        method: float(
            calls(from_onnx(model, Calibration({"x": samples}, method)), "quantize")[0]
            .args[1]
            .value.numpy()
        )
        for method in ("minmax", "percentile", "entropy")
    }
    assert scales["percentile"] < scales["minmax"] / 2
    assert scales["entropy"] <= scales["minmax"]
    with pytest.raises(DataError, match="choose minmax"):
        Calibration({"x": samples}, "best")
