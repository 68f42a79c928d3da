"""Constant nodes become arrays."""

from __future__ import annotations

import numpy as np

from ..graph import Array, Graph, Node


def inline_constants(graph: Graph) -> None:
    """Turn Constant nodes into entries of `graph.constants`."""
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
