"""Elementwise operators of two operands, broadcasting."""

from __future__ import annotations

from ..draw import Quant
from ..tflite_builder import Tensor
from .graph import PRODUCT_LIMIT, Graph, Rule, rule


def _operand(graph: Graph, x: Tensor, quant: Quant | None) -> Tensor:
    """A second operand that broadcasts with x; with the given quantization if there is one."""
    draw = graph.draw
    ready = [t for t in graph.pool if t.shape == x.shape and (quant is None or t.quant == quant)]
    if ready and draw.chance(0.6):
        return draw.choice(ready)
    shape = x.shape
    if draw.chance(0.4):
        shape = tuple(d if draw.chance(0.5) else 1 for d in x.shape)[draw.integer(0, x.rank - 1) :]
    make = graph.new_input if draw.chance(0.4) else graph.constant_like
    return make(shape, quant or draw.quant())


def _ordered(graph: Graph, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    return (other, x) if graph.draw.chance(0.3) else (x, other)


def _sum_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        a, b = _ordered(graph, x, _operand(graph, x, None))
        # The kernels work with 20 extra bits: twice the larger scale over the output's < 2**20.
        out = graph.draw.quant_near(max(a.scales[0], b.scales[0]), largest_multiplier=2.0**18)
        return [graph.builder.binary(code, a, b, out, activation=graph.activation())]

    return make


def _extremum_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        out = graph.builder.copied(x)
        a, b = _ordered(graph, x, _operand(graph, x, graph.builder.copied(x)))
        return [graph.builder.binary(code, a, b, out)]

    return make


for _code in ("ADD", "SUB"):
    rule(_code)(_sum_rule(_code))
for _code in ("MAXIMUM", "MINIMUM"):
    rule(_code)(_extremum_rule(_code))


@rule("MUL")
def mul(graph: Graph, x: Tensor) -> list[Tensor]:
    a, b = _ordered(graph, x, _operand(graph, x, None))
    usual = graph.draw.log_uniform(0.005, 0.02)
    out = graph.draw.quant_near(
        a.scales[0] * b.scales[0] / usual,
        largest_multiplier=PRODUCT_LIMIT / (255 * 255 * usual),
    )
    return [graph.builder.binary("MUL", a, b, out, activation=graph.activation())]


@rule("SQUARED_DIFFERENCE")
def squared_difference(graph: Graph, x: Tensor) -> list[Tensor]:
    a, b = _ordered(graph, x, _operand(graph, x, None))
    largest = max(a.scales[0], b.scales[0])
    out = graph.draw.quant_near(largest**2 * graph.draw.log_uniform(1, 256), largest_multiplier=4.0)
    # The kernel multiplies 30-bit squares: its factor must stay below 1.
    scale = max(out.scale, largest**2 / 2**10)
    return [graph.builder.binary("SQUARED_DIFFERENCE", a, b, Quant(scale, out.zero_point))]


@rule("ADD_N")
def add_n(graph: Graph, x: Tensor) -> list[Tensor]:
    """Two to five tensors of one shape and quantization; the zero point is 0."""
    draw = graph.draw
    centred = Quant(x.scales[0], 0)
    first = graph.builder.quantize(x, centred)
    terms = [
        first,
        *(
            graph.constant_like(x.shape, centred) if draw.chance(0.5) else first
            for _ in range(draw.integer(1, 4))
        ),
    ]
    out = draw.quant_near(x.scales[0] * len(terms), largest_multiplier=2.0**18)
    return [graph.builder.operator("ADD_N", terms, x.shape, out)]


@rule("DIV")
def div(graph: Graph, x: Tensor) -> list[Tensor]:
    a, b = _ordered(graph, x, _operand(graph, x, None))
    out = graph.draw.quant_near(a.scales[0] / b.scales[0] / 20, largest_multiplier=2.0**18)
    return [graph.builder.binary("DIV", a, b, out, activation=graph.activation())]
