"""Softmax of opsets before 13, which joins all axes from `axis` on."""

from __future__ import annotations

import math

import numpy as np

from ..graph import Graph, Node, Refused

FLATTENING = ("Softmax", "LogSoftmax")
# From this opset on softmax works along one axis, by default the last.
ONE_AXIS_OPSET = 13


def flatten_softmax(graph: Graph) -> None:
    """Make every softmax work along one axis, `axis`.

    A softmax over several axes is computed on a matrix, between two reshapes.
    """
    changes: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if node.op not in FLATTENING or node.domain:
            continue
        if not node.attrs.pop("flattens", graph.opset < ONE_AXIS_OPSET):
            node.attrs.setdefault("axis", -1)
            continue
        changes[id(node)] = _along_one_axis(graph, node)
    graph.replace(changes)


def _along_one_axis(graph: Graph, node: Node) -> list[Node]:
    shape = _shape(graph, node.inputs[0])
    if shape is None:
        raise Refused(f"{node.where}: the shape of its input is not known")
    axis = int(node.attrs.get("axis", 1))
    axis += len(shape) if axis < 0 else 0
    wide = [k for k in range(axis, len(shape)) if shape[k] > 1]
    if len(wide) < 2:
        node.attrs["axis"] = wide[0] if wide else len(shape) - 1
        return [node]
    base, result = node.outputs[0], list(node.outputs)
    flat = [math.prod(shape[:axis]), math.prod(shape[axis:])]
    names = [graph.fresh(f"{base}_{part}") for part in ("matrix", "softmax")]
    sizes = [
        graph.constant(f"{base}_{part}_shape", np.array(extents, "int64"))
        for part, extents in (("matrix", flat), ("whole", shape))
    ]
    before = Node("Reshape", [node.inputs[0], sizes[0]], [names[0]])
    after = Node("Reshape", [names[1], sizes[1]], result)
    node.inputs, node.outputs, node.attrs = [names[0]], [names[1]], {"axis": -1}
    return [before, node, after]


def _shape(graph: Graph, name: str) -> tuple[int, ...] | None:
    """A tensor's shape; for a DequantizeLinear that a rule inserted, the shape of its integers."""
    known = graph.types.get(name) or graph.inputs.get(name)
    source = graph.producers().get(name)
    if known is None and source is not None and source.op == "DequantizeLinear":
        return _shape(graph, source.inputs[0])
    return None if known is None else known.shape
