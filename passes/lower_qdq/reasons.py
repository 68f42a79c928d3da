"""Reasons to stay in float that the operands of an island show, whatever rules say."""

from __future__ import annotations

from tvm import relax
from tvm.ir import Call, Tuple

from .island import Island
from .quantized import array_of


def seen_reason(island: Island) -> str | None:
    """The first reason among the operands why no rule can lower the island, or None."""
    core = island.value(island.core)
    if not isinstance(core, Call):
        return None
    operands = _operands(island, core)
    return next(filter(None, (_operand_reason(island, arg) for arg in operands)), None)


def _operands(island: Island, call: Call) -> list[relax.Expr]:
    """The tensors that a call reads, those of a tuple operand included."""
    first = island.value(call.args[0]) if call.args else None
    args = first.fields if isinstance(first, Tuple) else call.args
    return [arg for arg in args if isinstance(arg, relax.Expr)]


def _operand_reason(island: Island, expr: relax.Expr) -> str | None:
    value = island.value(expr)
    if not _is_float(expr) or array_of(value) is not None:
        return None
    leaf = island.leaf(expr)
    if leaf is None and isinstance(value, relax.Var):
        return f"its input '{value.name}' is not quantized"
    if leaf is None or leaf.array is not None or leaf.per_tensor:
        return None
    several = leaf.scale.size > 1 or leaf.zero_point.size > 1
    return "an input has a scale for each channel" if several else f"an input of {leaf.dtype}"


def _is_float(expr: relax.Expr) -> bool:
    return isinstance(expr.ty, relax.TensorType) and str(expr.ty.dtype).startswith("float")
