"""Operators without an integer form: float Relax operators between dequantize and quantize."""

from __future__ import annotations

from typing import Any

from tvm import relax

from tvm_tiny.frontend.tflite.graph import Graph
from tvm_tiny.frontend.tflite.model import Operator

from .activation import unary
from .elementwise import binary
from .fused import activated


def _square(x: Any) -> Any:
    return relax.op.multiply(x, x)


def convert_elu(graph: Graph, operator: Operator) -> None:
    """X where x > 0, else exp(x) - 1 (Clevert et al., 2016)."""
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    zero, one = relax.const(0.0, "float32"), relax.const(1.0, "float32")
    positive = graph.emit(relax.op.nn.relu(graph.real(operator, data)))
    negative = graph.emit(relax.op.minimum(graph.real(operator, data), zero))
    power = graph.emit(relax.op.exp(negative))
    tail = graph.emit(relax.op.subtract(power, one))
    graph.store(operator, relax.op.add(positive, tail))


def convert_gelu(graph: Graph, operator: Operator) -> None:
    """X * Phi(x), or its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    function = relax.op.nn.gelu_tanh if operator.flag("approximate") else relax.op.nn.gelu
    graph.store(operator, function(graph.real(operator, data)))


def convert_l2_normalization(graph: Graph, operator: Operator) -> None:
    """X / sqrt(max(sum of x^2 over the last axis, 1e-6))."""
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    squares = graph.emit(_square(graph.real(operator, data)))
    total = graph.emit(relax.op.sum(squares, axis=[-1], keepdims=True))
    total = graph.emit(relax.op.maximum(total, relax.const(1e-6, "float32")))
    norm = graph.emit(relax.op.sqrt(total))
    expr = relax.op.divide(graph.real(operator, data), norm)
    graph.store(operator, activated(graph, operator, expr))


CONVERTERS = {
    "ABS": unary(relax.op.abs),
    "CEIL": unary(relax.op.ceil),
    "COS": unary(relax.op.cos),
    "DIV": binary(relax.op.divide),
    "ELU": convert_elu,
    "EXP": unary(relax.op.exp),
    "FLOOR": unary(relax.op.floor),
    "GELU": convert_gelu,
    "L2_NORMALIZATION": convert_l2_normalization,
    "LOG": unary(relax.op.log),
    "LOG_SOFTMAX": unary(lambda x: relax.op.nn.log_softmax(x, axis=-1)),
    "NEG": unary(relax.op.negative),
    "POW": binary(relax.op.power),
    "ROUND": unary(relax.op.round),
    "RSQRT": unary(relax.op.rsqrt),
    "SIN": unary(relax.op.sin),
    "SQRT": unary(relax.op.sqrt),
    "SQUARE": unary(_square),
}
