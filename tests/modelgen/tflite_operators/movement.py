"""Parts joined, cut, padded and resized."""

from __future__ import annotations

import numpy as np

from ..tflite_builder import Tensor
from .graph import LARGE, PRODUCT_LIMIT, Graph, Rule, rule


def _pad_widths(graph: Graph, x: Tensor) -> np.ndarray:
    """Up to three a side; usually only of height and width."""
    draw = graph.draw
    widths = draw.integers((x.rank, 2), 0, 3 if x.size < LARGE else 1, "int32")
    if x.rank == 4 and draw.chance(0.7):
        widths[[0, 3]] = 0
    return widths


@rule("PAD")
def pad(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.pad(x, _pad_widths(graph, x))]


@rule("PADV2")
def pad_v2(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.pad(x, _pad_widths(graph, x), graph.draw.integer(-128, 127))]


@rule("CONCATENATION")
def concatenation(graph: Graph, x: Tensor) -> list[Tensor]:
    """With itself, constants, and other tensors requantized to the same quantization."""
    draw, builder = graph.draw, graph.builder
    axis = draw.integer(0, x.rank - 1)

    def joins(t: Tensor) -> bool:
        return t.rank == x.rank and all(
            a == b for i, (a, b) in enumerate(zip(t.shape, x.shape, strict=True)) if i != axis
        )

    parts = [x]
    for _ in range(draw.integer(1, 3) if x.size < LARGE else 1):
        ready = [t for t in graph.pool if joins(t) and t.size < LARGE]
        if ready and draw.chance(0.6):
            part = draw.choice(ready)
            ratio = part.scales[0] / x.scales[0]
            if part.quant != x.quant and ratio < PRODUCT_LIMIT / 512:
                part = builder.quantize(part, x.quant)
            elif part.quant != x.quant:
                part = x
        else:
            shape = tuple(draw.integer(1, 5) if i == axis else d for i, d in enumerate(x.shape))
            part = graph.constant_like(shape, x.quant)
        parts.append(part)
    order = draw.permutation(len(parts))
    return [builder.concatenation([parts[i] for i in order],
                                  axis - x.rank if draw.chance(0.3) else axis)]


@rule("SPLIT")
def split(graph: Graph, x: Tensor) -> list[Tensor]:
    draw = graph.draw
    axis = draw.choice([i for i, d in enumerate(x.shape) if d > 1] or [0])
    counts = [n for n in range(2, 5) if x.shape[axis] % n == 0] or [1]
    return graph.builder.split(
        x, axis - x.rank if draw.chance(0.2) else axis, draw.choice(counts)
    )


@rule("STRIDED_SLICE")
def strided_slice(graph: Graph, x: Tensor) -> list[Tensor]:
    """Each axis whole, a range in either direction, or a single index that drops the axis."""
    draw = graph.draw
    begin, end, strides, shape = [], [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
    for axis, extent in enumerate(x.shape):
        kind = draw.integer(0, 3)
        if kind == 0 and (shape or axis < x.rank - 1):
            index = draw.integer(-extent, extent - 1)
            masks["shrink_axis_mask"] |= 1 << axis
            begin.append(index)
            end.append(index + 1)
            strides.append(1)
            continue
        stride = draw.choice((1, 1, 2, 3, -1, -2))
        first, last = sorted((draw.integer(0, extent - 1), draw.integer(0, extent - 1)))
        stop = last + 1
        if stride < 0:
            # One before index 0 is written as one below -extent.
            first, stop = last, first - 1 if first else -extent - 1
        if kind == 1:
            masks["begin_mask"] |= 1 << axis
            first = 0 if stride > 0 else extent - 1
            stop = extent if stride > 0 else -extent - 1
            masks["end_mask"] |= draw.integer(0, 1) << axis
        real_stop = stop if stop >= 0 else -1
        shape.append(len(range(first, real_stop, stride)))
        begin.append(first - extent if draw.chance(0.2) else first)
        end.append(stop)
        strides.append(stride)
    return [graph.builder.strided_slice(x, begin, end, strides, shape, **masks)]


def _resize_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        draw = graph.draw
        mode = draw.choice(({}, {"align_corners": True}, {"half_pixel_centers": True}))
        extent = tuple(draw.choice((2 * d if d <= 6 and x.size < LARGE else d, draw.extent()))
                       for d in x.shape[1:3])
        return [graph.builder.resize(code, x, extent, **mode)]

    return make


for _code in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"):
    rule(_code, (4,))(_resize_rule(_code))
