"""Elementwise operators of two or more operands."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from tvm import relax

from ..graph import Node
from .context import Context

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": relax.op.add,
    "Sub": relax.op.subtract,
    "Mul": relax.op.multiply,
    "Div": relax.op.divide,
    "Max": relax.op.maximum,
    "Min": relax.op.minimum,
    "Sum": relax.op.add,
    "Mean": relax.op.add,
}


def binary(context: Context, node: Node) -> list[Any]:
    """A chain of binary operators over all operands.

    Max, Min and Sum take any number of operands; a single one is returned as it is.
    """
    operands = [context.value(name) for name in node.inputs]
    operator = OPERATORS[node.op]
    return [reduce(lambda a, b: context.emit(operator(a, b)), operands)]


def mean(context: Context, node: Node) -> list[Any]:
    """Mean of any number of operands, element by element."""
    (total,) = binary(context, node)
    count = relax.const(float(len(node.inputs)), "float32")
    return [context.emit(relax.op.divide(total, count))]


def power(context: Context, node: Node) -> list[Any]:
    """Pow; the exponent may be a constant of another type."""
    base, exponent = node.inputs
    known = context.graph.constants.get(exponent)
    value = context.value(exponent) if known is None else relax.const(known.astype("float32"))
    return [context.emit(relax.op.power(context.value(base), value))]


TABLE = {**dict.fromkeys(OPERATORS, binary), "Mean": mean, "Pow": power}
