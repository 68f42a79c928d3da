"""Operators that drop axes."""

from __future__ import annotations

from ..draw import Quant
from ..tflite_builder import Tensor
from .graph import PRODUCT_LIMIT, SIGNED_UNIT_QUANT, Graph, Rule, rule


def _reduction(graph: Graph, code: str, x: Tensor, out: Quant) -> list[Tensor]:
    """Over height and width as after a convolution, or over any axes; some counted from the end."""
    draw = graph.draw
    axes = (1, 2) if x.rank == 4 and draw.chance(0.5) else draw.subset(x.rank)
    keep = len(axes) == x.rank or draw.chance(0.5)
    if draw.chance(0.3):
        axes = tuple(axis - x.rank for axis in axes)
    return [graph.builder.reduce(code, x, axes, out, keep_dims=keep)]


@rule("MEAN")
def mean(graph: Graph, x: Tensor) -> list[Tensor]:
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 512)
    return _reduction(graph, "MEAN", x, out)


@rule("SUM")
def add_up(graph: Graph, x: Tensor) -> list[Tensor]:
    usual = x.scales[0] * graph.draw.log_uniform(1.0, x.size)
    limit = PRODUCT_LIMIT / (255 * x.size)
    return _reduction(graph, "SUM", x, graph.draw.quant_near(usual, largest_multiplier=limit))


@rule("REDUCE_MAX")
def largest(graph: Graph, x: Tensor) -> list[Tensor]:
    return _reduction(graph, "REDUCE_MAX", x, x.quant)


@rule("REDUCE_MIN")
def smallest(graph: Graph, x: Tensor) -> list[Tensor]:
    return _reduction(graph, "REDUCE_MIN", x, x.quant)


def _arg_rule(code: str) -> Rule:
    return lambda graph, x: [
        graph.builder.arg_extreme(code, x, graph.draw.integer(-x.rank, x.rank - 1))
    ]


for _code in ("ARG_MAX", "ARG_MIN"):
    rule(_code, (2, 3, 4))(_arg_rule(_code))


@rule("L2_NORMALIZATION")
def l2_normalization(graph: Graph, x: Tensor) -> list[Tensor]:
    return [
        graph.builder.unary(
            "L2_NORMALIZATION", x, SIGNED_UNIT_QUANT, fused_activation_function="NONE"
        )
    ]
