"""ReduceMean, ReduceSum, ReduceMax, ReduceMin, ArgMax and ArgMin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import relax

from ..graph import Node
from .context import Context, dims

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceMean": relax.op.mean,
    "ReduceSum": relax.op.sum,
    "ReduceMax": relax.op.max,
    "ReduceMin": relax.op.min,
}


def reduction(context: Context, node: Node) -> list[Any]:
    """A reduction over `axes`, or over all axes where they are absent.

    `axes` is an input since opset 13 or 18, before it is an attribute.
    """
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


def arg_extreme(context: Context, node: Node) -> list[Any]:
    """ArgMax and ArgMin: the int64 index of the first extreme element, or of the last."""
    data = context.value(node.inputs[0])
    axis = int(node.attrs.get("axis", 0)) % len(dims(data))
    size, last = dims(data)[axis], bool(node.attrs.get("select_last_index", 0))
    if last:
        # The last extreme element is the first one of the reversed axis.
        data = context.emit(relax.op.strided_slice(data, [axis], [size - 1], [-size - 1], [-1]))
    find = relax.op.argmax if node.op == "ArgMax" else relax.op.argmin
    index = context.emit(find(data, axis, keepdims=bool(node.attrs.get("keepdims", 1))))
    if not last:
        return [index]
    return [context.emit(relax.op.subtract(relax.const(size - 1, "int64"), index))]


TABLE = {
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("ArgMax", "ArgMin"), arg_extreme),
}
