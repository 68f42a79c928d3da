"""Calibration of float models: what onnxruntime can quantize comes out as QDQ."""

from __future__ import annotations

from onnx_models import Builder, calls

from tvm_tiny.frontend.onnx import from_onnx


def test_float_models_with_integer_constants_are_quantized() -> None:
    b = Builder((1, 2, 4, 4))
    flat = b.node("Reshape", ["x", b.const([1, 32], "int64")])
    y = b.node("MatMul", [flat, b.const(b.rng.normal(size=(32, 3)))])
    module = from_onnx(b.model(y, opset=18), {"x": b.rng.normal(size=(4, 2, 4, 4))})
    assert len(calls(module, "matmul")) == 1
    assert len(calls(module, "quantize")) >= 2
