"""Blocks of rows and columns as batches, which may lie around a convolution, and mirrors."""

from __future__ import annotations

import numpy as np

from ..tflite_builder import Tensor
from .graph import LARGE, Graph, rule
from .weights import draw_weights


@rule("MIRROR_PAD")
def mirror_pad(graph: Graph, x: Tensor) -> list[Tensor]:
    """REFLECT leaves the element at the border out, SYMMETRIC repeats it."""
    draw, mode = graph.draw, graph.draw.choice(("REFLECT", "SYMMETRIC"))
    most = 2 if x.size < LARGE else 1
    reach = [min(d - (mode == "REFLECT"), most) for d in x.shape]
    widths = np.array([[draw.integer(0, r), draw.integer(0, r)] for r in reach], "int32")
    if x.rank == 4 and draw.chance(0.7):
        widths[[0, 3]] = 0
    shape = [d + int(w.sum()) for d, w in zip(x.shape, widths, strict=True)]
    return [graph.builder.moved("MIRROR_PAD", x, shape, widths, mode=mode)]


@rule("SPACE_TO_BATCH_ND", (3, 4))
def space_to_batch(graph: Graph, x: Tensor) -> list[Tensor]:
    blocks = _blocks(graph, x)
    return [_split(graph, x, blocks, _paddings(graph, x, blocks))]


@rule("BATCH_TO_SPACE_ND", (3, 4))
def batch_to_space(graph: Graph, x: Tensor) -> list[Tensor]:
    """After its reverse; images often with a convolution between, which is a dilated one."""
    draw = graph.draw
    blocks = _blocks(graph, x)
    widths = _paddings(graph, x, blocks)
    parts = _split(graph, x, blocks, widths)
    if x.rank == 4 and draw.chance(0.7):
        kernel = [min(draw.integer(1, 3), extent) for extent in parts.shape[1:3]]
        shape = (draw.channels(), *kernel, x.shape[3])
        weights, scales, bias, out = draw_weights(
            graph, parts, shape, 0, int(np.prod(shape[1:])), per_tensor=0.15
        )
        parts = graph.builder.conv2d(parts, weights, scales, bias, out, padding="VALID")
    sizes = [d * b for d, b in zip(parts.shape[1:], blocks, strict=False)]
    crops = [
        [draw.integer(0, min(int(side), (size - 1) // 2)) for side in pair]
        for pair, size in zip(widths, sizes, strict=True)
    ]
    kept = [size - sum(pair) for size, pair in zip(sizes, crops, strict=True)]
    shape = (x.shape[0], *kept, *parts.shape[1 + len(blocks) :])
    inputs = [parts, graph.builder.ints("blocks", blocks), graph.builder.ints("crops", crops)]
    copied = graph.builder.copied(parts)
    return [graph.builder.operator("BATCH_TO_SPACE_ND", inputs, shape, copied)]


def _blocks(graph: Graph, x: Tensor) -> list[int]:
    return [graph.draw.integer(1, 3) for _ in range(x.rank - 2)]


def _paddings(graph: Graph, x: Tensor, blocks: list[int]) -> list[list[int]]:
    """Some, and what fills the last block."""
    draw, widths = graph.draw, []
    for extent, block in zip(x.shape[1:], blocks, strict=False):
        before = draw.integer(0, 2)
        widths.append([before, -(extent + before) % block + block * draw.integer(0, 1)])
    return widths


def _split(graph: Graph, x: Tensor, blocks: list[int], widths: list[list[int]]) -> Tensor:
    sizes = [(d + sum(pair)) // b for d, b, pair in zip(x.shape[1:], blocks, widths, strict=False)]
    shape = (x.shape[0] * int(np.prod(blocks)), *sizes, *x.shape[1 + len(blocks) :])
    inputs = [x, graph.builder.ints("blocks", blocks), graph.builder.ints("paddings", widths)]
    return graph.builder.operator("SPACE_TO_BATCH_ND", inputs, shape, graph.builder.copied(x))
