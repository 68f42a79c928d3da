"""Calibration of float models: what onnxruntime can quantize comes out as QDQ."""

from __future__ import annotations

import numpy as np
import tvm
from onnx_models import Builder, calls

from tvm_tiny.frontend.onnx import from_onnx

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
