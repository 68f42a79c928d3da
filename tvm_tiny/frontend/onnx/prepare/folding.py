"""Constant folding by ONNX's own evaluator, from constants and static shapes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from ..graph import Array, Graph, Node
from .normalize import quantized
from .weights import moved_weights

# Enough for any weight tensor; keeps a hostile Expand or Tile from exhausting memory.
MAX_FOLDED_ELEMENTS = 1 << 26
# Quantized weights stay quantized, and random nodes must not be frozen.
NOT_FOLDED = ("DequantizeLinear", "RandomNormal", "RandomUniform", "Multinomial", "Bernoulli")
# Operators with results that can be much larger than their operands: folded only where shape
# inference knows the size.
GROWING = ("ConstantOfShape", "Expand", "EyeLike", "OneHot", "Pad", "Range", "Resize", "Tile")

Values = Callable[[str], Array | None]
Shapes = Callable[[str], tuple[int, ...] | None]


def fold_constants(graph: Graph) -> None:
    """Evaluate nodes that depend on constants and static shapes only.

    Dequantized constants stay quantized.
    """
    kept: list[Node] = []
    for node in graph.nodes:
        values = known_results(graph, node, graph.constants.get, graph.shape)
        if values is None:
            kept.append(node)
        else:
            graph.constants.update(values)
    graph.nodes = kept


def fold_dequantized(graph: Graph) -> None:
    """Evaluate nodes that depend on dequantized constants only.

    Where such a constant is only moved, its integers are moved: weights stay quantized behind
    Transpose and Reshape. A bound or a statistic computed from quantized constants becomes a real
    number.
    """
    kept: list[Node] = []
    sources: dict[str, Node] = {}

    def real(name: str) -> Array | None:
        if name in graph.constants or name not in sources:
            return graph.constants.get(name)
        raw, params = graph.constants[sources[name].inputs[0]], graph.qparams(sources[name])
        return params.real(raw)

    for node in graph.nodes:
        moved = moved_weights(graph, node, sources)
        if moved is not None:
            kept += moved
            sources.update((made.outputs[0], made) for made in moved)
            continue
        value = real(node.input(0))
        if node.op == "DequantizeLinear" and node.inputs[0] in graph.constants:
            sources[node.outputs[0]] = node
        elif node.op == "QuantizeLinear" and value is not None:
            graph.constants[node.outputs[0]] = quantized(value, graph.qparams(node))
            continue
        values = known_results(graph, node, real, graph.shape)
        if values is None:
            kept.append(node)
        else:
            graph.constants.update(values)
    graph.nodes = kept


def known_results(
    graph: Graph, node: Node, value: Values, shape: Shapes
) -> dict[str, Array] | None:
    """A node's results by name, if its operands' values or shapes determine them."""
    extents = shape(node.input(0))
    if node.op == "Shape" and extents is not None:
        start, end = node.attrs.get("start", 0), node.attrs.get("end", len(extents))
        return {node.outputs[0]: np.asarray(extents[start:end], np.int64)}
    if node.op == "Size" and extents is not None:
        return {node.outputs[0]: np.asarray(math.prod(extents), np.int64)}
    if node.domain or node.op in NOT_FOLDED or not any(node.inputs):
        return None
    feeds = {name: value(name) for name in node.inputs if name}
    known = {name: array for name, array in feeds.items() if array is not None}
    if len(known) < len(feeds) or not _is_bounded(graph, node):
        return None
    return _evaluate(graph, node, known)


def _is_bounded(graph: Graph, node: Node) -> bool:
    """Whether evaluating `node` allocates no more than a weight tensor may have."""
    known = [graph.shape(name) for name in node.outputs if name]
    if any(extents is None for extents in known):
        return node.op not in GROWING
    return all(math.prod(extents or ()) <= MAX_FOLDED_ELEMENTS for extents in known)


def _evaluate(graph: Graph, node: Node, feeds: dict[str, Array]) -> dict[str, Array] | None:
    """Run one node in ONNX's reference evaluator; None for a node that it cannot run."""
    outputs = [name for name in node.outputs if name]
    try:
        proto = onnx.helper.make_node(node.op, node.inputs, node.outputs, **_plain_attributes(node))
        infos = [onnx.helper.make_empty_tensor_value_info(name) for name in feeds]
        results = [onnx.helper.make_empty_tensor_value_info(name) for name in outputs]
        model = onnx.helper.make_model(
            onnx.helper.make_graph([proto], "fold", infos, results),
            opset_imports=[onnx.helper.make_opsetid("", graph.opset)],
        )
        values = ReferenceEvaluator(model).run(None, feeds)
        return {name: np.asarray(item) for name, item in zip(outputs, values, strict=True)}
    except Exception:
        # The evaluator raises any type of exception; the converters refuse the node by name.
        return None


def _plain_attributes(node: Node) -> dict[str, object]:
    return {
        name: onnx.numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attrs.items()
    }
