"""The activation fused into a TFLite operator becomes the last float step of its island."""

from __future__ import annotations

from typing import Any

from tvm import relax

from ..graph import Graph, unsupported
from ..model import Operator

_NONE, _RELU, _RELU_N1_TO_1, _RELU6 = range(4)
_NAMES = {4: "TANH", 5: "SIGN_BIT"}


def activated(graph: Graph, operator: Operator, expr: Any) -> Any:
    """`expr` followed by the operator's fused activation."""
    code = operator.integer("fused_activation_function")
    if code == _NONE:
        return expr
    expr = graph.emit(expr)
    if code == _RELU:
        return relax.op.nn.relu(expr)
    if code == _RELU_N1_TO_1:
        return clipped(expr, -1.0, 1.0)
    if code == _RELU6:
        return clipped(expr, 0.0, 6.0)
    raise unsupported(
        operator,
        graph.output(operator),
        f"fused activation {_NAMES.get(code, code)}; supported: NONE, RELU, RELU6, RELU_N1_TO_1",
    )


def clipped(expr: Any, low: float, high: float) -> Any:
    """`R.clip` with float limits."""
    return relax.op.clip(expr, low, high)
