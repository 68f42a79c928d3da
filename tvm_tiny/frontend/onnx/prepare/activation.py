"""Activations of onnxruntime's own domain become the ONNX operators that they equal."""

from __future__ import annotations

from typing import Any

from ..graph import Graph

#: Operator of com.microsoft -> (operator of ONNX, default of its attributes).
STANDARD: dict[str, tuple[str, dict[str, Any]]] = {
    "FastGelu": ("Gelu", {"approximate": "tanh"}),
    "Gelu": ("Gelu", {}),
    "QuickGelu": ("Swish", {"alpha": 1.702}),
}


def standard_activations(graph: Graph) -> None:
    """Rewrite Gelu, FastGelu (without a bias) and QuickGelu of com.microsoft to Gelu and Swish."""
    for node in graph.nodes:
        if node.domain and node.op in STANDARD and not node.input(1):
            node.op, defaults = STANDARD[node.op]
            node.domain, node.attrs = "", {**defaults, **node.attrs}
