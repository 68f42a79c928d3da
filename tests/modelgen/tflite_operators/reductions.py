"""Operators that drop axes."""

from __future__ import annotations

from ..tflite_builder import Tensor
from .graph import PRODUCT_LIMIT, Graph, rule


@rule("MEAN")
def mean(graph: Graph, x: Tensor) -> list[Tensor]:
    """Over height and width as after a convolution, or over any axes; some counted from the end."""
    draw = graph.draw
    axes = (1, 2) if x.rank == 4 and draw.chance(0.5) else draw.subset(x.rank)
    keep = len(axes) == x.rank or draw.chance(0.5)
    if draw.chance(0.3):
        axes = tuple(axis - x.rank for axis in axes)
    out = draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 512)
    return [graph.builder.mean(x, axes, out, keep_dims=keep)]


@rule("ARG_MAX", (2, 3, 4))
def arg_max(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.arg_max(x, graph.draw.integer(-x.rank, x.rank - 1))]
