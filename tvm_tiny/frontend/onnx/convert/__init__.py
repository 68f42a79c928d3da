"""Converts a prepared graph to Relax in QDQ form, with one table of converters.

TVM's own ONNX frontend does not serve for these operators: measured on the model zoo's QDQ files,
it converts them in 0.2 s, but every binding is called lvN (tensor names are lost), QuantizeLinear
keeps axis 1 with a scale of shape (1,), biases become dequantize -> reshape -> add of an unknown
scale, dequantizes are shared between users, and Clip, HardSwish, padded pooling and resize turn
into compositions that no longer show which operator they were. It also has no QLinear operators.
The operators with an integer form are therefore converted here; all others go through TVM's
frontend, one node at a time (`tail.py`), and stay in float.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm

from tvm_tiny.errors import UnsupportedError

from ..graph import Graph, Node, Refused
from ..load import first_line
from . import (
    activation,
    binary,
    comparison,
    conv,
    dense,
    movement,
    norms,
    pool,
    qdq,
    reduce,
    resize,
    unary,
)
from .context import Context
from .tail import convert_by_tvm

Converter = Callable[[Context, Node], list[Any]]

TABLE: dict[str, Converter] = {
    **qdq.TABLE,
    **conv.TABLE,
    **dense.TABLE,
    **binary.TABLE,
    **pool.TABLE,
    **reduce.TABLE,
    **norms.TABLE,
    **movement.TABLE,
    **resize.TABLE,
    **activation.TABLE,
    **unary.TABLE,
    **comparison.TABLE,
}


def convert(graph: Graph) -> tvm.IRModule:
    """Convert a prepared graph to a Relax module (NCHW, QDQ form).

    Raises:
        UnsupportedError: lists every operator that cannot be expressed.

    """
    context = Context(graph)
    reasons: list[str] = []
    for node in graph.nodes:
        try:
            results = _convert_node(context, node)
        except Refused as refusal:
            reasons.append(f"{node.where}: {refusal}")
            context.bind_placeholders(node)
            continue
        if results is not None:
            context.bind_results(node, results)
    if reasons:
        raise UnsupportedError(reasons)
    return context.module()


def _convert_node(context: Context, node: Node) -> list[Any] | None:
    """Values of the node's outputs; None where an operator before it was refused."""
    if not context.ready(node):
        context.bind_placeholders(node)
        return None
    if context.fold(node):
        return []
    converter = convert_by_tvm if node.domain else TABLE.get(node.op, convert_by_tvm)
    try:
        results = converter(context, node)
        context.check_sizes(results)
        return results
    except Refused:
        raise
    except Exception as error:
        # Attributes that contradict shapes surface as any kind of error from TVM's inference.
        raise Refused(f"not valid here: {first_line(error)}") from error
