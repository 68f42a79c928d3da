"""Dequantized constants that are only moved: their integers are moved at compile time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ..graph import Array, Graph, Node, QParams

RESHAPES = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity")


def moved_weights(graph: Graph, node: Node, sources: Mapping[str, Node]) -> list[Node] | None:
    """Turn `DQ(constant) -> Transpose | Reshape | Concat` into `DQ(moved constant)`.

    The axis of the scales is remapped. `sources` maps results to the DequantizeLinear of constants
    that make them. Returns None for any other node.
    """
    if node.domain or node.outputs[0] in graph.outputs:
        return None
    if node.op == "Concat":
        return _joined(graph, node, sources)
    source = sources.get(node.input(0))
    if source is None:
        return None
    moved = _moved(graph, node, graph.constants[source.inputs[0]], graph.qparams(source))
    return None if moved is None else [_stored(graph, node, *moved)]


def _joined(graph: Graph, node: Node, sources: Mapping[str, Node]) -> list[Node] | None:
    parts = [sources[name] for name in node.inputs if name in sources]
    if not parts or len(parts) < len(node.inputs):
        return None
    params = [graph.qparams(part) for part in parts]
    if not params[0].per_tensor or not all(params[0].same(other) for other in params):
        return None
    arrays = [graph.constants[part.inputs[0]] for part in parts]
    return [_stored(graph, node, np.concatenate(arrays, int(node.attrs["axis"])), params[0])]


def _stored(graph: Graph, node: Node, value: Array, params: QParams) -> Node:
    stored = graph.constant(f"{node.outputs[0]}_moved", value)
    return graph.dequantize(stored, node.outputs[0], params)


def _moved(graph: Graph, node: Node, raw: Array, params: QParams) -> tuple[Array, QParams] | None:
    if node.op == "Transpose":
        order = list(node.attrs.get("perm", range(raw.ndim)[::-1]))
        if sorted(order) != list(range(raw.ndim)):
            return None
        axis = -1 if params.per_tensor else order.index(params.axis)
        value = np.ascontiguousarray(raw.transpose(order))
        return value, QParams(params.scale, params.zero_point, axis)
    shape = graph.shape(node.outputs[0])
    if node.op not in RESHAPES or shape is None or math.prod(shape) != raw.size:
        return None
    if params.per_tensor:
        return raw.reshape(shape), params
    axes = _axes_of(raw.shape, params.axis, shape)
    if not axes:
        return None
    return raw.reshape(shape), QParams(params.scale, params.zero_point, axes[-1])


def _axes_of(old: tuple[int, ...], axis: int, new: tuple[int, ...]) -> list[int]:
    """The axes of shape `new` over the same elements as `axis` of shape `old`."""
    before = math.prod(old[:axis])
    return [i for i, n in enumerate(new) if n == old[axis] and math.prod(new[:i]) == before]
