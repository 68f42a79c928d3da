"""Small float ONNX models to quantize with calibration samples."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


def float_model(seed: int) -> bytes:
    """A convolution, a ReLU, a mean and a product: [1, 3, 8, 8] to [1, 4]."""
    random = np.random.default_rng(seed)
    weights = {
        "kernel": random.normal(size=(6, 3, 3, 3)),
        "bias": random.normal(size=(6,)),
        "head": random.normal(size=(6, 4)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "kernel", "bias"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["y"]),
    ]
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "float",
        [helper.make_tensor_value_info("x", float32, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", float32, [1, 4])],
        [numpy_helper.from_array(v.astype("float32"), name) for name, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())
