"""L2_NORMALIZATION, spelled out in a form that LowerQDQ recognizes."""

from __future__ import annotations

from tvm import relax

from ..graph import Graph
from ..model import Operator
from .fused import activated


def convert_l2_normalization(graph: Graph, operator: Operator) -> None:
    """L2_NORMALIZATION: x / sqrt(max(sum of x^2 over the last axis, 1e-6))."""
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    real = graph.real(operator, data)
    squares = graph.emit(relax.op.multiply(real, real))
    total = graph.emit(relax.op.sum(squares, axis=[-1], keepdims=True))
    total = graph.emit(relax.op.maximum(total, relax.const(1e-6, "float32")))
    norm = graph.emit(relax.op.sqrt(total))
    expr = relax.op.divide(graph.real(operator, data), norm)
    graph.store(operator, activated(graph, operator, expr))


CONVERTERS = {"L2_NORMALIZATION": convert_l2_normalization}
