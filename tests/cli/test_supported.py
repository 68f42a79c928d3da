"""supported-ops says of each operator what the compiler then does."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pytest
from modelgen import random_onnx, random_tflite, tflite_builder
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder
from onnx import TensorProto, helper, numpy_helper

from tvm_tiny import transform
from tvm_tiny.cli.operator_tables import onnx_operators, tflite_operators
from tvm_tiny.frontend import from_file
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning

# Spellings of the generators for variants of one operator.
VARIANTS = {
    "ChannelScale": "Mul",
    "DepthwiseConv": "Conv",
    "FloatConstant": "Add",
    "GatedByHardSigmoid": "HardSigmoid",
    "GatedBySigmoid": "Sigmoid",
    "SpelledHardSwish": "HardSwish",
    "WithNumber": "Mul",
    "SpelledLayerNormalization": "LayerNormalization",
    "SquaredDifference": "Sub",
}
SCALE, ZERO = np.float32(0.05), np.int8(3)


def _runs_in_float(path) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mod = from_file(path)
        for step in (transform.ConvertLayout(), transform.FoldEdges(), transform.LowerQDQ()):
            mod = step(mod)
    return any(issubclass(warning.category, FloatFallbackWarning) for warning in caught)


@pytest.mark.parametrize("op", random_tflite.OPERATORS)
def test_tflite_operators_in_integers(op, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(random_tflite.single_op_model(op, 0))
    assert tflite_operators()[op] == "integer"
    assert not _runs_in_float(path)


@pytest.mark.parametrize("op", random_onnx.OPERATORS)
def test_onnx_operators_in_integers(op, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(random_onnx.single_op_model(op, 0))
    assert onnx_operators()[VARIANTS.get(op, op)] == "integer"
    assert not _runs_in_float(path)


@pytest.mark.parametrize("op", ["ABS", "EXP", "REDUCE_MAX", "SQUARE", "SUM", "RELU_0_TO_1"])
def test_other_tflite_operators(op, tmp_path, monkeypatch):
    b = Builder()
    x = b.input((1, 4, 4, 2), Quant(0.02, -3))
    reduces = op in ("REDUCE_MAX", "SUM")
    if reduces:
        monkeypatch.setitem(tflite_builder.OPTIONS, op, "ReducerOptions")
        axes = b.constant("axes", np.array([1, 2], np.int32))
        y = b.operator(op, [x, axes], (1, 2), Quant(0.05, 1), keep_dims=False)
    else:
        y = b.operator(op, [x], x.shape, Quant(0.05, 1))
    path = tmp_path / "m.tflite"
    path.write_bytes(b.finish([y]))
    assert _runs_in_float(path) == (tflite_operators()[op] == "float")


@pytest.mark.parametrize("op", ["Abs", "Div", "GlobalMaxPool", "ReduceMax", "ReduceSum", "Sum"])
def test_other_onnx_operators(op, tmp_path):
    path = tmp_path / "m.onnx"
    scale, zero = (
        numpy_helper.from_array(np.asarray(v), n) for v, n in ((SCALE, "s"), (ZERO, "z"))
    )
    operands = ["x", "x2"] if op in ("Div", "Sum") else ["x"]
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["x"]),
        helper.make_node("QuantizeLinear", ["other", "s", "z"], ["q2"]),
        helper.make_node("DequantizeLinear", ["q2", "s", "z"], ["x2"]),
        helper.make_node(op, operands, ["y"]),
        helper.make_node("QuantizeLinear", ["y", "s", "z"], ["p"]),
        helper.make_node("DequantizeLinear", ["p", "s", "z"], ["out"]),
    ]
    images = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 2, 4, 4))
        for name in ("image", "other")
    ]
    out = helper.make_empty_tensor_value_info("out")
    graph = helper.make_graph(nodes, "g", images, [out], [scale, zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)
    assert _runs_in_float(path) == (onnx_operators()[op] != "integer")
