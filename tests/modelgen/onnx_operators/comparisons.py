"""Comparisons, logic and choices; their bool results are read by a Where."""

from __future__ import annotations

import numpy as np

from .graph import Graph, Value
from .rules import Rule, rule

RELATIONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")


def compared(graph: Graph, op: str, x: Value) -> str:
    """`op` of x and a float number, constant floats or quantized ones, or x itself."""
    draw = graph.draw
    kind = draw.integer(0, 3)
    if kind == 0:
        level = (draw.integer(-128, 127) - x.quant.zero_point) * np.float32(x.quant.scale)
        other = graph.constant("threshold", np.float32(level))
    elif kind == 3:
        levels = draw.integers(x.shape[-1:], -128, 127, "int8") - np.float32(x.quant.zero_point)
        other = graph.constant("thresholds", levels * np.float32(x.quant.scale))
    else:
        other = graph.dequantize(graph.constant_value(x.shape) if kind == 1 else x)
    operands = [graph.dequantize(x), other]
    return graph.node(op, operands[:: draw.choice((1, -1))])[0]


def chosen(graph: Graph, condition: str, x: Value) -> list[Value]:
    """x where the condition holds, else a constant tensor or number; of any quantization."""
    draw = graph.draw
    if draw.chance(0.4):
        other = graph.constant("other", np.float32(draw.uniform(-2, 2)))
    else:
        other = graph.dequantize(graph.constant_value(x.shape))
    out = x.quant if draw.chance(0.5) else graph.quant_near(x.quant.scale)
    operands = [graph.dequantize(x), other]
    (name,) = graph.node("Where", [condition, *operands[:: draw.choice((1, -1))]])
    return [graph.quantize(name, x.shape, out)]


@rule("Where")
def where(graph: Graph, x: Value) -> list[Value]:
    """By a constant condition, which is a mask."""
    mask = graph.draw.integers(x.shape[-1:], 0, 1, "int8").astype(bool)
    return chosen(graph, graph.constant("mask", mask), x)


def _relation(op: str) -> Rule:
    return lambda graph, x: chosen(graph, compared(graph, op, x), x)


for _op in RELATIONS:
    rule(_op)(_relation(_op))


def _logic(op: str) -> Rule:
    def make(graph: Graph, x: Value) -> list[Value]:
        count = 1 if op == "Not" else 2
        operands = [compared(graph, graph.draw.choice(RELATIONS), x) for _ in range(count)]
        return chosen(graph, graph.node(op, operands)[0], x)

    return make


for _op in ("And", "Not", "Or", "Xor"):
    rule(_op)(_logic(_op))
