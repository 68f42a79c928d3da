"""Pooling and reductions."""

from __future__ import annotations

from typing import Any

from ..draw import Quant
from .graph import Graph, Value
from .rules import MICROSOFT, reduced, rule, simple
from .windows import draw_window


@rule("MaxPool", (3, 4))
def max_pool(graph: Graph, x: Value) -> list[Value]:
    attrs, extents = _ceiled(graph, x, *draw_window(graph, x))
    return simple(graph, "MaxPool", x, x.quant, (*x.shape[:2], *extents), **attrs)


@rule("AveragePool", (3, 4))
def average_pool(graph: Graph, x: Value) -> list[Value]:
    attrs, extents = _ceiled(graph, x, *draw_window(graph, x, dilate=False))
    out = graph.quant_near(x.quant.scale) if graph.draw.chance(0.3) else x.quant
    return simple(
        graph,
        "AveragePool",
        x,
        out,
        (*x.shape[:2], *extents),
        count_include_pad=graph.draw.choice((0, 0, 0, 1)),
        **attrs,
    )


def _ceiled(
    graph: Graph, x: Value, attrs: dict[str, Any], extents: list[int]
) -> tuple[dict[str, Any], list[int]]:
    """Sometimes with a last window that is cut off, where one begins before the padding."""
    if "pads" not in attrs or not graph.draw.chance(0.3):
        return attrs, extents
    rank, result = len(extents), []
    for axis, count in enumerate(extents):
        begin, end = attrs["pads"][axis], attrs["pads"][axis + rank]
        step = attrs.get("dilations", [1] * rank)[axis]
        reach = (attrs["kernel_shape"][axis] - 1) * step + 1
        stride, extent = attrs["strides"][axis], x.shape[2 + axis]
        more = (count - 1) * stride + reach < extent + begin + end
        if more and count * stride >= extent + begin:
            return attrs, extents  # onnx's shape inference has a window more than onnxruntime
        result.append(count + more)
    return {**attrs, "ceil_mode": 1}, result


@rule("GlobalAveragePool", (3, 4))
def global_average_pool(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale / 2)
    shape = (*x.shape[:2], *[1] * (len(x.shape) - 2))
    return simple(graph, "GlobalAveragePool", x, out, shape)


@rule("GlobalMaxPool", (3, 4))
def global_max_pool(graph: Graph, x: Value) -> list[Value]:
    shape = (*x.shape[:2], *[1] * (len(x.shape) - 2))
    return simple(graph, "GlobalMaxPool", x, x.quant, shape)


@rule("QLinearGlobalAveragePool", (4,))
def qlinear_global_average_pool(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale / 2)
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(out)]
    (name,) = graph.node("QLinearGlobalAveragePool", inputs, domain=MICROSOFT, channels_last=0)
    return [graph.record(name, (*x.shape[:2], 1, 1), out)]


def _reduction(graph: Graph, op: str, x: Value, out: Quant) -> list[Value]:
    """Over any axes, some counted from the end, or over all where none is given."""
    draw, rank, keep = graph.draw, len(x.shape), graph.draw.choice((0, 1))
    axes = list(draw.subset(rank)) if draw.chance(0.9) else list(range(rank))
    keep = 1 if len(axes) == rank else keep
    shape = [1 if i in axes else d for i, d in enumerate(x.shape) if keep or i not in axes]
    given = None if len(axes) == rank and draw.chance(0.5) else axes
    if given is not None and draw.chance(0.3):
        given = [axis - rank for axis in given]
    name = reduced(graph, op, graph.dequantize(x), given, keep)
    return [graph.quantize(name, shape, out)]


@rule("ReduceMean")
def reduce_mean(graph: Graph, x: Value) -> list[Value]:
    return _reduction(graph, "ReduceMean", x, graph.quant_near(x.quant.scale / 2))


@rule("ReduceSum")
def reduce_sum(graph: Graph, x: Value) -> list[Value]:
    usual = x.quant.scale * graph.draw.log_uniform(1.0, x.size)
    return _reduction(graph, "ReduceSum", x, graph.quant_near(usual))


for _op in ("ReduceMax", "ReduceMin"):
    rule(_op)(lambda graph, x, op=_op: _reduction(graph, op, x, graph.quant_near(x.quant.scale)))
