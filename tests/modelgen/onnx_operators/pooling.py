"""Pooling and means."""

from __future__ import annotations

from .graph import Graph, Value
from .rules import MICROSOFT, rule, simple
from .windows import draw_window


@rule("MaxPool", (4,))
def max_pool(graph: Graph, x: Value) -> list[Value]:
    attrs, extents = draw_window(graph, x, dilate=False)
    return simple(graph, "MaxPool", x, x.quant, (*x.shape[:2], *extents), **attrs)


@rule("AveragePool", (4,))
def average_pool(graph: Graph, x: Value) -> list[Value]:
    attrs, extents = draw_window(graph, x, dilate=False)
    out = graph.quant_near(x.quant.scale) if graph.draw.chance(0.3) else x.quant
    return simple(graph, "AveragePool", x, out, (*x.shape[:2], *extents),
                   count_include_pad=graph.draw.choice((0, 0, 0, 1)), **attrs)


@rule("GlobalAveragePool", (4,))
def global_average_pool(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale / 2)
    return simple(graph, "GlobalAveragePool", x, out, (*x.shape[:2], 1, 1))


@rule("QLinearGlobalAveragePool", (4,))
def qlinear_global_average_pool(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale / 2)
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(out)]
    (name,) = graph.node("QLinearGlobalAveragePool", inputs, domain=MICROSOFT, channels_last=0)
    return [graph.record(name, (*x.shape[:2], 1, 1), out)]


@rule("ReduceMean", (3, 4))
def reduce_mean(graph: Graph, x: Value) -> list[Value]:
    rank, keep = len(x.shape), graph.draw.choice((0, 1))
    axes = [-2, -1] if rank == 4 else [graph.draw.integer(1, 2)]
    gone = {axis % rank for axis in axes}
    shape = [1 if i in gone else d for i, d in enumerate(x.shape) if keep or i not in gone]
    out = graph.quant_near(x.quant.scale / 2)
    return simple(graph, "ReduceMean", x, out, shape, axes=axes, keepdims=keep)
