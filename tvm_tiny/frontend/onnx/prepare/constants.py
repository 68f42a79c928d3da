"""Constants: Constant nodes into arrays, and nodes with constant inputs evaluated."""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from tvm_tiny.frontend.onnx.graph import Array, Graph, Node, QParams

# Enough for any weight tensor; keeps a hostile Expand or Tile from exhausting memory.
MAX_FOLDED_ELEMENTS = 1 << 26
# DequantizeLinear of a constant is how weights are written; random nodes must not be frozen.
NOT_FOLDED = ("DequantizeLinear", "RandomNormal", "RandomUniform", "Multinomial", "Bernoulli")
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


def fold_constants(graph: Graph) -> None:
    """Evaluate nodes whose inputs are all constant, and Shape and Size of static tensors."""
    kept: list[Node] = []
    for node in graph.nodes:
        values = _fold(graph, node)
        if values is None:
            kept.append(node)
        else:
            graph.constants.update(zip(node.outputs, values, strict=True))
    graph.nodes = kept


def _fold(graph: Graph, node: Node) -> list[Array] | None:
    source = graph.types.get(node.input(0))
    if node.op == "Shape" and source is not None:
        start, end = node.attrs.get("start", 0), node.attrs.get("end", len(source.shape))
        return [np.asarray(source.shape[start:end], np.int64)]
    if node.op == "Size" and source is not None:
        return [np.asarray(math.prod(source.shape), np.int64)]
    if node.domain or node.op in NOT_FOLDED or not node.inputs:
        return None
    if any(name and name not in graph.constants for name in node.inputs):
        return None
    return _evaluate(graph, node)


def _evaluate(graph: Graph, node: Node) -> list[Array] | None:
    """Run one node in ONNX's reference evaluator; None where that is not safely possible."""
    for name in node.outputs:
        known = graph.types.get(name)
        if known is None or math.prod(known.shape) > MAX_FOLDED_ELEMENTS:
            return None
    names = [name for name in node.inputs if name]
    try:
        proto = onnx.helper.make_node(node.op, node.inputs, node.outputs, **_plain_attributes(node))
        infos = [onnx.helper.make_empty_tensor_value_info(name) for name in names]
        results = [onnx.helper.make_empty_tensor_value_info(name) for name in node.outputs]
        model = onnx.helper.make_model(
            onnx.helper.make_graph([proto], "fold", infos, results),
            opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
        )
        feeds = {name: graph.constants[name] for name in names}
        return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, feeds)]
    except Exception:
        # The evaluator raises anything; what it cannot run, the converters refuse by name.
        return None


def _plain_attributes(node: Node) -> dict[str, object]:
    return {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attrs.items()
    }


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
