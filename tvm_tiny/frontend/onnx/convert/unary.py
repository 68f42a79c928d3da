"""Elementwise operators of one operand that map to one Relax operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import relax

from ..graph import Node
from .context import Context


def _reciprocal(x: Any) -> Any:
    return relax.op.divide(relax.const(1.0, "float32"), x)


OPERATORS: dict[str, Callable[[Any], Any]] = {
    "Abs": relax.op.abs,
    "Acos": relax.op.acos,
    "Acosh": relax.op.acosh,
    "Asin": relax.op.asin,
    "Asinh": relax.op.asinh,
    "Atan": relax.op.atan,
    "Atanh": relax.op.atanh,
    "Ceil": relax.op.ceil,
    "Cos": relax.op.cos,
    "Cosh": relax.op.cosh,
    "Erf": relax.op.erf,
    "Exp": relax.op.exp,
    "Floor": relax.op.floor,
    "Log": relax.op.log,
    "Neg": relax.op.negative,
    "Reciprocal": _reciprocal,
    "Relu": relax.op.nn.relu,
    "Round": relax.op.round,
    "Sigmoid": relax.op.sigmoid,
    "Sign": relax.op.sign,
    "Sin": relax.op.sin,
    "Sinh": relax.op.sinh,
    "Softplus": relax.op.nn.softplus,
    "Sqrt": relax.op.sqrt,
    "Tan": relax.op.tan,
    "Tanh": relax.op.tanh,
}


def unary(context: Context, node: Node) -> list[Any]:
    """The Relax operator, applied to the operand."""
    return [context.emit(OPERATORS[node.op](context.value(node.inputs[0])))]


TABLE = dict.fromkeys(OPERATORS, unary)
