"""Binary operators on two tensors of broadcastable shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph
from ..model import Operator, Tensor
from ..validate import label
from .fused import activated

Read = Callable[[Graph, Operator, Tensor], Any]


def binary(
    function: Callable[[Any, Any], Any], read: Read = Graph.real
) -> Callable[[Graph, Operator], None]:
    """A converter to one binary Relax operator, with NumPy's rules of broadcasting."""

    def convert(graph: Graph, operator: Operator) -> None:
        left, right = graph.operand(operator, 0), graph.operand(operator, 1)
        try:
            shape = np.broadcast_shapes(left.shape, right.shape)
        except ValueError as error:
            raise ModelError(
                f"{label(operator)}: operands of shapes {left.shape} and {right.shape} "
                "cannot be broadcast to one shape"
            ) from error
        graph.expect_shape(operator, shape)
        expr = function(read(graph, operator, left), read(graph, operator, right))
        if "fused_activation_function" in operator.options:
            expr = activated(graph, operator, expr)
        graph.store(operator, expr)

    return convert


def convert_add_n(graph: Graph, operator: Operator) -> None:
    """ADD_N sums any number of tensors of one shape."""
    tensors = [graph.operand(operator, k) for k in range(len(operator.inputs))]
    for tensor in tensors:
        graph.expect_shape(operator, tensor.shape)
    total, *rest = (graph.real(operator, tensor) for tensor in tensors)
    for position, term in enumerate(rest):
        total = graph.emit(total) if position else total
        total = relax.op.add(total, term)
    graph.store(operator, total)


def convert_squared_difference(graph: Graph, operator: Operator) -> None:
    """SQUARED_DIFFERENCE as (a - b) * (a - b), a form that LowerQDQ recognizes."""

    def function(a: Any, b: Any) -> Any:
        difference = graph.emit(relax.op.subtract(a, b))
        return relax.op.multiply(difference, difference)

    binary(function)(graph, operator)


CONVERTERS = {
    "ADD": binary(relax.op.add),
    "ADD_N": convert_add_n,
    "DIV": binary(relax.op.divide),
    "SUB": binary(relax.op.subtract),
    "MUL": binary(relax.op.multiply),
    "MAXIMUM": binary(relax.op.maximum, Graph.copied),
    "MINIMUM": binary(relax.op.minimum, Graph.copied),
    "SQUARED_DIFFERENCE": convert_squared_difference,
}
