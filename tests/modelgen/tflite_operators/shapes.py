"""The same values under another shape or order."""

from __future__ import annotations

from ..tflite_builder import Tensor
from .graph import Graph, rule


@rule("RESHAPE")
def reshape(graph: Graph, x: Tensor) -> list[Tensor]:
    """To one to four random factors of the size; or only the batch kept; sometimes with a -1."""
    draw = graph.draw
    shape = [x.shape[0], x.size // x.shape[0]]
    if draw.chance(0.5):
        shape, rest = [], x.size
        for _ in range(draw.integer(0, 3)):
            shape.append(draw.choice([d for d in range(1, 13) if rest % d == 0]))
            rest //= shape[-1]
        shape.append(rest)
    request = list(shape)
    if draw.chance(0.3):
        request[draw.integer(0, len(request) - 1)] = -1
    return [graph.builder.reshape(x, request, as_tensor=draw.chance(0.8))]


@rule("SQUEEZE")
def squeeze(graph: Graph, x: Tensor) -> list[Tensor]:
    """Only where an axis of extent one exists; otherwise one is made first."""
    draw = graph.draw
    if 1 not in x.shape or x.size == 1:
        shape = (1, *x.shape) if x.rank < 4 else (1, x.shape[0] * x.shape[1], *x.shape[2:])
        x = graph.builder.reshape(x, (1, 1, 1, x.size) if x.size == 1 else shape)
    ones = [i for i, d in enumerate(x.shape) if d == 1]
    if x.size == 1 or draw.chance(0.6):
        axis = draw.choice(ones)
        return [graph.builder.squeeze(x, [axis - x.rank if draw.chance(0.3) else axis])]
    return [graph.builder.squeeze(x)]


@rule("EXPAND_DIMS", (1, 2, 3))
def expand_dims(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.expand_dims(x, graph.draw.integer(-x.rank - 1, x.rank))]


@rule("TRANSPOSE")
def transpose(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.transpose(x, graph.draw.permutation(x.rank))]
