"""Comparisons, logic, choices and casts."""

from __future__ import annotations

from ..draw import Quant
from ..tflite_builder import Tensor
from .binary import _operand, _ordered
from .graph import Graph, Rule, rule

RELATIONS = ("EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL")
# The kernel of a comparison aborts at a scale of 1.
LARGEST_SCALE = 0.9


def compared(graph: Graph, code: str, x: Tensor) -> Tensor:
    """`code` of x and another tensor or a number; bool, of x's shape or one that it fits in."""
    draw = graph.draw
    x = small_scale(graph, x)
    quant = x.quant if draw.chance(0.4) else draw.quant()
    quant = Quant(min(quant.scale, LARGEST_SCALE), quant.zero_point)
    other = (
        graph.constant_like((1,) * x.rank, quant)
        if draw.chance(0.3)
        else (_operand(graph, x, quant))
    )
    return graph.builder.operator(code, _ordered(graph, x, other), x.shape, None, "bool")


def small_scale(graph: Graph, x: Tensor) -> Tensor:
    if x.scales[0] <= LARGEST_SCALE:
        return x
    return graph.builder.quantize(x, Quant(LARGEST_SCALE, x.quant.zero_point))


def _relation(code: str) -> Rule:
    return lambda graph, x: [compared(graph, code, x)]


for _code in RELATIONS:
    rule(_code)(_relation(_code))


def _logic(code: str) -> Rule:
    """Of one or two comparisons."""

    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        count = 1 if code == "LOGICAL_NOT" else 2
        operands = [compared(graph, graph.draw.choice(RELATIONS), x) for _ in range(count)]
        return [graph.builder.operator(code, operands, x.shape, None, "bool")]

    return make


for _code in ("LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR"):
    rule(_code)(_logic(_code))


@rule("SELECT_V2")
def select_v2(graph: Graph, x: Tensor) -> list[Tensor]:
    """By a comparison, or by a tensor of bool that the model takes; choices broadcast."""
    draw, builder = graph.draw, graph.builder
    if draw.chance(0.3):
        condition = builder.input(x.shape, None, "bool")
    else:
        condition = compared(graph, draw.choice(RELATIONS), x)
    a, b = _ordered(graph, x, _operand(graph, x, x.quant))
    return [builder.operator("SELECT_V2", [condition, a, b], x.shape, builder.copied(x))]


@rule("CAST")
def cast(graph: Graph, x: Tensor) -> list[Tensor]:
    """int8 to a wider type, and back again sometimes."""
    draw, builder = graph.draw, graph.builder
    kind = draw.choice(("int32", "float32"))
    wide = builder.operator("CAST", [x], x.shape, None, kind)
    if draw.chance(0.5):
        return [wide]
    return [builder.operator("CAST", [wide], x.shape, draw.quant())]
