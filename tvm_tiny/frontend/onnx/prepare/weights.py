"""Transpose and reshape of dequantized constants, evaluated on the integers."""

from __future__ import annotations

import math

import numpy as np

from tvm_tiny.frontend.onnx.graph import Array, Graph, Node, QParams


def fold_weight_movement(graph: Graph) -> None:
    """`DQ(constant) -> Transpose | Reshape` becomes `DQ(moved constant)`, its axis remapped."""
    producers = graph.producers()
    for node in list(graph.nodes):
        source = producers.get(node.input(0))
        if source is None or source.op != "DequantizeLinear":
            continue
        raw = graph.constants.get(source.inputs[0])
        if raw is None or node.domain:
            continue
        moved = _moved(graph, node, raw, graph.qparams(source))
        if moved is None:
            continue
        value, params = moved
        stored = graph.constant(f"{source.inputs[0]}_moved", value)
        dequantize = graph.dequantize(stored, node.outputs[0], params)
        graph.replace({id(node): [dequantize]})
        producers[node.outputs[0]] = dequantize


def _moved(graph: Graph, node: Node, raw: Array, params: QParams) -> tuple[Array, QParams] | None:
    if node.op == "Transpose":
        order = list(node.attrs.get("perm", range(raw.ndim)[::-1]))
        if sorted(order) != list(range(raw.ndim)):
            return None
        axis = -1 if params.per_tensor else order.index(params.axis)
        value = np.ascontiguousarray(raw.transpose(order))
        return value, QParams(params.scale, params.zero_point, axis)
    known = graph.types.get(node.outputs[0])
    keeps_order = node.op in ("Reshape", "Squeeze", "Unsqueeze", "Flatten")
    if keeps_order and params.per_tensor and known and math.prod(known.shape) == raw.size:
        return raw.reshape(known.shape), params
    return None
