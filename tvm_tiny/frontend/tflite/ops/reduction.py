"""Reductions over constant axes, ARG_MAX and ARG_MIN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, axis_of, unsupported
from ..model import Operator
from ..validate import label


def _reduce(function: Callable[..., Any]) -> Callable[[Graph, Operator], None]:
    def convert(graph: Graph, operator: Operator) -> None:
        data = graph.operand(operator, 0)
        axes = graph.axes(operator, 1, len(data.shape))
        keep = operator.flag("keep_dims")
        shape = [
            1 if axis in axes else size
            for axis, size in enumerate(data.shape)
            if keep or axis not in axes
        ]
        graph.expect_shape(operator, shape)
        expr = function(graph.real(operator, data), axis=list(axes), keepdims=keep)
        graph.store(operator, expr)

    return convert


def convert_arg_extreme(graph: Graph, operator: Operator) -> None:
    """ARG_MAX and ARG_MIN: the index of the extreme element along one axis.

    The result is int32 or int64 and is not quantized.
    """
    data, result = graph.operand(operator, 0), graph.output(operator)
    axes = graph.integers(operator, 1)
    if len(axes) != 1:
        raise ModelError(f"{label(operator)}: {len(axes)} axes; expected one")
    axis = axis_of(operator, axes[0], len(data.shape))
    graph.expect_shape(operator, data.shape[:axis] + data.shape[axis + 1 :])
    if result.dtype not in {"int32", "int64"}:
        raise unsupported(operator, result, f"{result.dtype.lower()} indices; expected int32")
    find = relax.op.argmax if operator.kind == "ARG_MAX" else relax.op.argmin
    expr = find(graph.real(operator, data), axis=axis, keepdims=False)
    if result.dtype == "int32":
        expr = relax.op.astype(graph.emit(expr), "int32")
    graph.store_plain(operator, expr)


CONVERTERS = {
    "MEAN": _reduce(relax.op.mean),
    "SUM": _reduce(relax.op.sum),
    "REDUCE_MAX": _reduce(relax.op.max),
    "REDUCE_MIN": _reduce(relax.op.min),
    "ARG_MAX": convert_arg_extreme,
    "ARG_MIN": convert_arg_extreme,
}
