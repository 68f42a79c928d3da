"""ReduceMean, ReduceSum, ReduceMax and ArgMax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import relax

from tvm_tiny.frontend.onnx.graph import Node, Refused

from .context import Context, dims

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceMean": relax.op.mean,
    "ReduceSum": relax.op.sum,
    "ReduceMax": relax.op.max,
    "ReduceMin": relax.op.min,
}


def reduction(context: Context, node: Node) -> list[Any]:
    """A reduction over `axes` (all axes where absent), which is an input since opset 13 or 18."""
    data = context.value(node.inputs[0])
    rank = len(dims(data))
    axes = context.ints(node, 1, "axes")
    if not axes:
        if node.attrs.get("noop_with_empty_axes", 0):
            return [data]
        axes = list(range(rank))
    axes = sorted(axis % rank for axis in axes)
    keep = bool(node.attrs.get("keepdims", 1))
    return [context.emit(REDUCTIONS[node.op](data, axes, keepdims=keep))]


def argmax(context: Context, node: Node) -> list[Any]:
    """ArgMax -> int64 index of the first maximum."""
    if node.attrs.get("select_last_index", 0):
        raise Refused("select_last_index is not supported")
    data = context.value(node.inputs[0])
    axis = int(node.attrs.get("axis", 0)) % len(dims(data))
    keep = bool(node.attrs.get("keepdims", 1))
    return [context.emit(relax.op.argmax(data, axis, keepdims=keep))]


TABLE = {**dict.fromkeys(REDUCTIONS, reduction), "ArgMax": argmax}
