"""Layer and RMS normalization in several operators, as before opset 17, become one operator."""

from __future__ import annotations

from tvm_tiny.reference.onnx_fusions import Chain, layer_norm

from ..graph import Graph


def fuse_layer_norm(graph: Graph) -> None:
    """Fuse mean, difference, square, mean, root and quotient to LayerNormalization.

    Without the first mean and the difference the result is RMSNormalization.
    """
    chain = Chain(graph.nodes, graph.constants)
    for node in graph.nodes:
        known = None if node.domain else layer_norm(chain, node)
        if known is not None:
            node.op, node.inputs = known.op, list(known.inputs)
            node.attrs = dict(known.attributes)
