"""Comparisons, logic on bool, the choice between two tensors, and casts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, unsupported
from ..model import Operator, Tensor
from ..validate import label

_INTEGERS = frozenset({"int32", "int64", "bool"})


def _value(graph: Graph, operator: Operator, tensor: Tensor) -> Any:
    """The real values of an int8 or float32 tensor; integers and bool as stored."""
    if tensor.dtype in _INTEGERS:
        return graph.plain(operator, tensor)
    return graph.real(operator, tensor)


def _check_broadcast(graph: Graph, operator: Operator, *shapes: tuple[int, ...]) -> None:
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ModelError(
            f"{label(operator)}: operands of shapes {', '.join(map(str, shapes))} "
            "cannot be broadcast to one shape"
        ) from error
    graph.expect_shape(operator, shape)


def _to_bool(function: Callable[..., Any]) -> Callable[[Graph, Operator], None]:
    """A converter for an operator on tensors of one type whose result is bool."""

    def convert(graph: Graph, operator: Operator) -> None:
        operands = [graph.operand(operator, k) for k in range(len(operator.inputs))]
        if graph.output(operator).dtype != "bool":
            raise ModelError(f"{label(operator)}: output is not bool")
        _check_broadcast(graph, operator, *(tensor.shape for tensor in operands))
        values = [_value(graph, operator, tensor) for tensor in operands]
        graph.store_plain(operator, function(*values))

    return convert


def convert_select(graph: Graph, operator: Operator) -> None:
    """SELECT and SELECT_V2 choose between two tensors by a tensor of bool.

    The integers that are chosen are copied, whatever their quantization.
    """
    condition, *choices = (graph.operand(operator, k) for k in range(3))
    if condition.dtype != "bool" or choices[0].dtype != choices[1].dtype:
        raise ModelError(f"{label(operator)}: expected bool, and two tensors of one type")
    shape = condition.shape
    if operator.kind == "SELECT" and len(shape) == 1 < len(choices[0].shape):
        shape = (*shape, *[1] * (len(choices[0].shape) - 1))  # a choice for each row
    _check_broadcast(graph, operator, shape, *(tensor.shape for tensor in choices))
    which = graph.plain(operator, condition)
    if shape != condition.shape:
        which = graph.emit(relax.op.reshape(which, shape))
    if choices[0].dtype in _INTEGERS:
        plain = (graph.plain(operator, tensor) for tensor in choices)
        graph.store_plain(operator, relax.op.where(which, *plain))
        return
    copied = (graph.copied(operator, tensor) for tensor in choices)
    graph.store(operator, relax.op.where(which, *copied))


_CAST_TYPES = ("bool", "float32", "int32", "int64", "int8", "uint8")


def convert_cast(graph: Graph, operator: Operator) -> None:
    """CAST converts the stored values as C does; scales have no influence."""
    data, result = graph.operand(operator, 0), graph.output(operator)
    graph.expect_shape(operator, data.shape)
    for tensor in (data, result):
        if tensor.dtype not in _CAST_TYPES:
            raise unsupported(operator, tensor, f"a cast of {tensor.dtype.lower()}")
    graph.store_plain(operator, relax.op.astype(graph.plain(operator, data), result.dtype))


CONVERTERS = {
    "EQUAL": _to_bool(relax.op.equal),
    "GREATER": _to_bool(relax.op.greater),
    "GREATER_EQUAL": _to_bool(relax.op.greater_equal),
    "LESS": _to_bool(relax.op.less),
    "LESS_EQUAL": _to_bool(relax.op.less_equal),
    "NOT_EQUAL": _to_bool(relax.op.not_equal),
    "LOGICAL_AND": _to_bool(relax.op.logical_and),
    "LOGICAL_NOT": _to_bool(relax.op.logical_not),
    "LOGICAL_OR": _to_bool(relax.op.logical_or),
    "SELECT": convert_select,
    "SELECT_V2": convert_select,
    "CAST": convert_cast,
}
