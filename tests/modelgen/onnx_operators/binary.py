"""Elementwise operators of two operands, broadcasting."""

from __future__ import annotations

import numpy as np

from ..draw import Quant
from .graph import Graph, Value
from .rules import MICROSOFT, Rule, rule


def _operand(graph: Graph, x: Value) -> Value:
    ready = [v for v in graph.pool if v.shape == x.shape]
    if ready and graph.draw.chance(0.6):
        return graph.draw.choice(ready)
    shape = x.shape
    if graph.draw.chance(0.4):
        shape = tuple(d if graph.draw.chance(0.5) else 1 for d in x.shape)
    if graph.draw.chance(0.4):
        return graph.new_input(shape, graph.quant())
    return graph.constant_value(shape)


def _binary_quant(graph: Graph, op: str, a: Value, b: Value) -> Quant:
    if "Mul" in op:
        return graph.quant_near(a.quant.scale * b.quant.scale * 100)
    return graph.quant_near(max(a.quant.scale, b.quant.scale))


def _binary_rule(op: str) -> Rule:
    def make(graph: Graph, x: Value) -> list[Value]:
        other = _operand(graph, x)
        pair = (other, x) if graph.draw.chance(0.3) else (x, other)
        (name,) = graph.node(op, [graph.dequantize(v) for v in pair])
        if op in ("Add", "Sub", "Mul"):
            name = graph.activation(name)
        return [graph.quantize(name, x.shape, _binary_quant(graph, op, x, other))]

    return make


def _qlinear_binary_rule(op: str) -> Rule:
    def make(graph: Graph, x: Value) -> list[Value]:
        other = _operand(graph, x)
        out = _binary_quant(graph, op, x, other)
        inputs = [
            x.name,
            *graph.parameters(x.quant),
            other.name,
            *graph.parameters(other.quant),
            *graph.parameters(out),
        ]
        (name,) = graph.node(op, inputs, domain=MICROSOFT)
        return [graph.record(name, x.shape, out)]

    return make


def _rule_of_many(op: str) -> Rule:
    """One to five operands that broadcast; a Sum of two may be an Add."""

    def make(graph: Graph, x: Value) -> list[Value]:
        others = [_operand(graph, x) for _ in range(graph.draw.integer(0, 4))]
        ready = [x, *others]
        terms = [ready[k] for k in graph.draw.permutation(len(ready))]
        (name,) = graph.node(op, [graph.dequantize(v) for v in terms])
        usual = max(v.quant.scale for v in terms) * (len(terms) if op == "Sum" else 1)
        return [graph.quantize(name, x.shape, graph.quant_near(usual))]

    return make


@rule("Div")
def div(graph: Graph, x: Value) -> list[Value]:
    """By a quantized tensor that holds no zero: 0 / 0 is not defined."""
    quant = graph.quant()
    gap = graph.draw.integers(x.shape, 1, 255, "int64")
    codes = (quant.zero_point + 128 + gap) % 256 - 128
    divisor = Value(graph.constant("divisor", graph.stored(codes)), x.shape, quant)
    (name,) = graph.node("Div", [graph.dequantize(v) for v in (x, divisor)])
    out = graph.quant_near(x.quant.scale / quant.scale / 20)
    return [graph.quantize(graph.activation(name), x.shape, out)]


@rule("SquaredDifference")
def squared_difference(graph: Graph, x: Value) -> list[Value]:
    """Sub, then Mul by itself or Pow, in one island."""
    other = _operand(graph, x)
    (gap,) = graph.node("Sub", [graph.dequantize(v) for v in (x, other)])
    by_pow = graph.draw.chance(0.5)
    second = graph.constant("two", np.float32(2)) if by_pow else gap
    (name,) = graph.node("Pow" if by_pow else "Mul", [gap, second])
    largest = max(x.quant.scale, other.quant.scale)
    out = graph.quant_near(largest**2 * graph.draw.log_uniform(16, 256))
    return [graph.quantize(name, x.shape, out)]


for _op in ("Sum", "Mean", "Max", "Min"):
    rule(_op)(_rule_of_many(_op))
for _op in ("Add", "Sub", "Mul"):
    rule(_op)(_binary_rule(_op))
for _op in ("QLinearAdd", "QLinearMul"):
    rule(_op)(_qlinear_binary_rule(_op))
