"""Layer and RMS normalization, which exporters spell out before opset 17, as one operator."""

from __future__ import annotations

from tvm_tiny.reference.onnx_fusions import Chain, layer_norm

from ..graph import Graph


def fuse_layer_norm(graph: Graph) -> None:
    """Mean, difference, square, mean, root and quotient become LayerNormalization."""
    chain = Chain(graph.nodes, graph.constants)
    for node in graph.nodes:
        known = None if node.domain else layer_norm(chain, node)
        if known is not None:
            node.op, node.inputs = known.op, list(known.inputs)
            node.attrs = dict(known.attributes)
