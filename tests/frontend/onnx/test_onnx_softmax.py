"""Softmax of opsets before 13 works on everything from its axis on."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from tools import require_package

from tvm_tiny import transform
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning
from tvm_tiny.reference import ONNXReference

SHAPE = (2, 3, 4, 5)
SCALES = {"LogSoftmax": np.float32(1 / 32), "Softmax": np.float32(1 / 256)}
ZERO_POINTS = {"LogSoftmax": np.int8(127), "Softmax": np.int8(-128)}
KERNELS = {"LogSoftmax": "qlog_softmax_rescaled", "Softmax": "qsoftmax"}


def model(operator: str, opset: int, **attributes: int) -> bytes:
    constants = {"s": np.float32(0.05), "z": np.int8(3), "t": SCALES[operator],
                 "u": ZERO_POINTS[operator]}  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node(operator, ["d"], ["y"], **attributes),
        helper.make_node("QuantizeLinear", ["y", "t", "u"], ["p"]),
        helper.make_node("DequantizeLinear", ["p", "t", "u"], ["out"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, SHAPE) for n in ("x", "out")]
    held = [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return made.SerializeToString()


@pytest.mark.parametrize("attributes", [{}, {"axis": 0}, {"axis": 2}, {"axis": 3}, {"axis": -2}])
@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("operator", SCALES)
def test_softmax_is_onnxruntimes_within_a_step_and_in_integers(operator, opset, attributes):
    runtime = require_package("onnxruntime")
    data = model(operator, opset, **attributes)
    x = np.random.default_rng(0).normal(size=SHAPE, scale=2).astype("float32")
    expected = runtime.InferenceSession(data).run(None, {"x": x})[0]
    found = ONNXReference(data).run({"x": x})["out"]
    assert np.abs(found - expected).max() <= 1.01 * SCALES[operator]
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatFallbackWarning)
        lowered = transform.LowerQDQ()(transform.FoldEdges()(from_onnx(data)))
    assert f"tvm_tiny.{KERNELS[operator]}" in lowered.script()
