"""Turns biases of matrix products into vectors, which onnxruntime can quantize."""

from __future__ import annotations

from typing import Any

import onnx


def flatten_biases(model: Any) -> None:
    """Reshape constant Gemm biases of shape [1, O] to [O], in place.

    onnxruntime makes Gemm of MatMul and Add and then takes the bias's first axis for its channels.
    """
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        bias = values.get(node.input[2]) if node.op_type == "Gemm" and len(node.input) > 2 else None
        if bias is not None and len(bias.dims) == 2 and bias.dims[0] == 1:
            vector = onnx.numpy_helper.to_array(bias).reshape(-1)
            node.input[2] = f"{bias.name}_vector"
            if node.input[2] not in values:
                flat = onnx.numpy_helper.from_array(vector, node.input[2])
                values[flat.name] = flat
                model.graph.initializer.append(flat)
