"""Parts joined, cut, padded and resized."""

from __future__ import annotations

import numpy as np

from ..tflite_builder import Tensor
from .graph import INDICES, LARGE, PRODUCT_LIMIT, Graph, Rule, rule


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
    return [
        builder.concatenation(
            [parts[i] for i in order], axis - x.rank if draw.chance(0.3) else axis
        )
    ]


@rule("SPLIT")
def split(graph: Graph, x: Tensor) -> list[Tensor]:
    draw = graph.draw
    axis = draw.choice([i for i, d in enumerate(x.shape) if d > 1] or [0])
    counts = [n for n in range(2, 5) if x.shape[axis] % n == 0] or [1]
    return graph.builder.split(x, axis - x.rank if draw.chance(0.2) else axis, draw.choice(counts))


@rule("STRIDED_SLICE")
def strided_slice(graph: Graph, x: Tensor) -> list[Tensor]:
    """Each axis whole, a range in either direction, or a single index that drops the axis."""
    draw = graph.draw
    begin, end, strides, shape = [], [], [], []
    masks = dict.fromkeys(("begin_mask", "end_mask", "shrink_axis_mask"), 0)
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
        extent = tuple(
            draw.choice((2 * d if d <= 6 and x.size < LARGE else d, draw.extent()))
            for d in x.shape[1:3]
        )
        return [graph.builder.resize(code, x, extent, **mode)]

    return make


for _code in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"):
    rule(_code, (4,))(_resize_rule(_code))


@rule("SLICE")
def slice_(graph: Graph, x: Tensor) -> list[Tensor]:
    draw, builder = graph.draw, graph.builder
    begin = [draw.integer(0, extent - 1) for extent in x.shape]
    shape = [draw.integer(1, d - b) for d, b in zip(x.shape, begin, strict=True)]
    sizes = [-1 if b + n == d else n for d, b, n in zip(x.shape, begin, shape, strict=True)]
    inputs = [x, builder.ints("begin", begin), builder.ints("size", sizes)]
    return [builder.operator("SLICE", inputs, shape, graph.builder.copied(x))]


@rule("SPLIT_V")
def split_v(graph: Graph, x: Tensor) -> list[Tensor]:
    axis = graph.draw.integer(0, x.rank - 1)
    first = graph.draw.integer(1, max(x.shape[axis] - 1, 1))
    sizes = [n for n in (first, x.shape[axis] - first) if n]
    shapes = [[n if i == axis else d for i, d in enumerate(x.shape)] for n in sizes]
    others = [graph.builder.ints("sizes", sizes), graph.builder.ints("axis", axis)]
    return graph.builder.parts("SPLIT_V", x, shapes, others, num_splits=len(sizes))


@rule("PACK", (1, 2, 3))
def pack(graph: Graph, x: Tensor) -> list[Tensor]:
    axis, count = graph.draw.integer(0, x.rank), graph.draw.integer(1, 3)
    parts = [x, *(graph.constant_like(x.shape, graph.builder.copied(x)) for _ in range(count - 1))]
    shape = (*x.shape[:axis], count, *x.shape[axis:])
    options = {"values_count": count, "axis": axis}
    return [graph.builder.operator("PACK", parts, shape, graph.builder.copied(x), **options)]


@rule("UNPACK", (2, 3, 4))
def unpack(graph: Graph, x: Tensor) -> list[Tensor]:
    short = [axis for axis, extent in enumerate(x.shape) if extent <= 5]
    if not short:
        x = slice_(graph, x)[0]
        short = [min(range(x.rank), key=lambda axis: x.shape[axis])]
    axis = graph.draw.choice(short)
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    count = x.shape[axis]
    return graph.builder.parts("UNPACK", x, [shape] * count, num=count, axis=axis)


@rule("GATHER")
def gather(graph: Graph, x: Tensor) -> list[Tensor]:
    """Any indices of any axis, constant or given at run time."""
    draw, builder = graph.draw, graph.builder
    axis = draw.integer(0, x.rank - 1)
    wanted = tuple(draw.integer(1, 4) for _ in range(draw.integer(0, 2 if x.rank < 4 else 1)))
    if x.shape[axis] >= INDICES and draw.chance(0.5):
        indices = builder.input(wanted or (1,), None, "int32")
    else:
        indices = builder.constant("indices", draw.integers(wanted, 0, x.shape[axis] - 1, "int32"))
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return [builder.operator("GATHER", [x, indices], shape, builder.copied(x), axis=axis)]


@rule("REVERSE_V2")
def reverse(graph: Graph, x: Tensor) -> list[Tensor]:
    axis = graph.draw.integer(0, x.rank - 1)
    return [graph.builder.moved("REVERSE_V2", x, x.shape, [axis])]


@rule("TILE")
def tile(graph: Graph, x: Tensor) -> list[Tensor]:
    repeats = [graph.draw.choice((1, 1, 2, 3)) if x.size < LARGE else 1 for _ in x.shape]
    shape = [d * r for d, r in zip(x.shape, repeats, strict=True)]
    return [graph.builder.moved("TILE", x, shape, repeats)]


@rule("BROADCAST_TO")
def broadcast_to(graph: Graph, x: Tensor) -> list[Tensor]:
    """Axes of size one repeated, and sometimes one more in front."""
    draw = graph.draw
    shape = [draw.integer(1, 4) if d == 1 and x.size < LARGE else d for d in x.shape]
    shape = [2, *shape] if x.rank < 4 and x.size < LARGE and draw.chance(0.5) else shape
    return [graph.builder.moved("BROADCAST_TO", x, shape, shape)]


@rule("SPACE_TO_DEPTH", (4,))
def space_to_depth(graph: Graph, x: Tensor) -> list[Tensor]:
    """The image is first cut to a multiple of the block."""
    block = graph.draw.choice([b for b in (1, 2, 3) if min(x.shape[1:3]) >= b])
    n, height, width, channels = x.shape
    cut = [n, height // block * block, width // block * block, channels]
    if list(x.shape) != cut:
        inputs = [x, graph.builder.ints("begin", [0] * 4), graph.builder.ints("size", cut)]
        x = graph.builder.operator("SLICE", inputs, cut, graph.builder.copied(x))
    shape = (n, cut[1] // block, cut[2] // block, channels * block**2)
    return [graph.builder.moved("SPACE_TO_DEPTH", x, shape, block_size=block)]


@rule("DEPTH_TO_SPACE", (4,))
def depth_to_space(graph: Graph, x: Tensor) -> list[Tensor]:
    """The channels are first cut to a multiple of the block squared."""
    block = graph.draw.choice([b for b in (1, 2, 3) if x.shape[3] >= b**2])
    n, height, width, channels = x.shape
    kept = channels // block**2
    if kept * block**2 != channels:
        cut = [n, height, width, kept * block**2]
        inputs = [x, graph.builder.ints("begin", [0] * 4), graph.builder.ints("size", cut)]
        x = graph.builder.operator("SLICE", inputs, cut, graph.builder.copied(x))
    shape = (n, height * block, width * block, kept)
    return [graph.builder.moved("DEPTH_TO_SPACE", x, shape, block_size=block)]
