"""The same values under another shape or order."""

from __future__ import annotations

from .graph import Graph, Value
from .pooling import global_average_pool
from .rules import ints, rule, simple


@rule("Reshape")
def reshape(graph: Graph, x: Value) -> list[Value]:
    request = graph.draw.choice(([0, -1], [x.shape[0], x.size // x.shape[0]], [0, 1, -1]))
    shape = (x.shape[0], x.size // x.shape[0])
    shape = shape if len(request) == 2 else (shape[0], 1, shape[1])
    return simple(graph, "Reshape", x, x.quant, shape, [ints(graph, "shape", request)])


@rule("Flatten")
def flatten(graph: Graph, x: Value) -> list[Value]:
    shape = (x.shape[0], x.size // x.shape[0])
    return simple(graph, "Flatten", x, x.quant, shape, axis=1)


@rule("Squeeze", (4,))
def squeeze(graph: Graph, x: Value) -> list[Value]:
    """After a global pooling, as classifiers have it."""
    (pooled,) = global_average_pool(graph, x)
    return simple(
        graph, "Squeeze", pooled, pooled.quant, pooled.shape[:2], [ints(graph, "axes", [2, 3])]
    )


@rule("Unsqueeze", (2, 3))
def unsqueeze(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(1, len(x.shape))
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    return simple(graph, "Unsqueeze", x, x.quant, shape, [ints(graph, "axes", [axis])])


@rule("Transpose")
def transpose(graph: Graph, x: Value) -> list[Value]:
    order = (0, *(i + 1 for i in graph.draw.permutation(len(x.shape) - 1)))
    return simple(graph, "Transpose", x, x.quant, [x.shape[i] for i in order], perm=order)
