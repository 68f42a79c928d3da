"""Constants: Constant nodes into arrays, scalars in quantized arithmetic into int8."""

from __future__ import annotations

import numpy as np

from tvm_tiny.frontend.onnx.graph import Array, Graph, Node, QParams

BINARY = ("Add", "Sub", "Mul", "Max", "Min")


def inline_constants(graph: Graph) -> None:
    """Constant nodes become entries of `graph.constants`."""
    for node in graph.nodes:
        if node.op == "Constant" and not node.domain:
            value = _constant_value(node)
            if value is not None:
                graph.constants[node.outputs[0]] = value
    graph.nodes = [
        node
        for node in graph.nodes
        if not (node.op == "Constant" and node.outputs[0] in graph.constants)
    ]


def _constant_value(node: Node) -> Array | None:
    if "value" in node.attrs:
        return np.asarray(node.attrs["value"])
    for name, dtype in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if name in node.attrs:
            return np.asarray(node.attrs[name], dtype)
    return None


def quantize_scalars(graph: Graph) -> None:
    """Give float constants of one element in quantized arithmetic an exact int8 form.

    `Add(dequantized, 0.5) -> QuantizeLinear` has an integer form only if both operands are
    quantized: c = (|c| / 127) * (+-127), exact up to the rounding of float32.
    """
    producers = graph.producers()
    changes: dict[int, list[Node]] = {}
    for node in graph.nodes:
        user = graph.sole_consumer(node.outputs[0]) if node.op in BINARY else None
        if user is None or user.op != "QuantizeLinear" or len(node.inputs) != 2:
            continue
        for position in (0, 1):
            other = producers.get(node.inputs[1 - position])
            value = graph.constants.get(node.inputs[position])
            if value is None or value.size != 1 or value.dtype != np.float32:
                continue
            if other is not None and other.op == "DequantizeLinear" and np.isfinite(value).all():
                changes[id(node)] = [_dequantized_scalar(graph, node, position, value), node]
    graph.replace(changes)


def _dequantized_scalar(graph: Graph, node: Node, position: int, value: Array) -> Node:
    magnitude = np.abs(value).max()
    scale = np.float32(magnitude / 127) if magnitude else np.float32(1)
    base = node.inputs[position]
    stored = graph.constant(f"{base}_int8", (np.sign(value) * 127).astype(np.int8))
    params = QParams(np.asarray(scale), np.asarray(0, np.int8))
    node.inputs[position] = graph.fresh(f"{base}_dequantized")
    return graph.dequantize(stored, node.inputs[position], params)
