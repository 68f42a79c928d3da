"""Why an island stays in float, where no rule has said so: what its operands show."""

from __future__ import annotations

from tvm import relax
from tvm.ir import Call

from .island import Island
from .quantized import array_of


def seen_reason(island: Island) -> str | None:
    """The first thing about the operands that no rule can take; None if there is none."""
    core = island.value(island.core)
    if not isinstance(core, Call):
        return None
    operands = (arg for arg in core.args if isinstance(arg, relax.Expr))
    return next(filter(None, (_operand_reason(island, arg) for arg in operands)), None)


def _operand_reason(island: Island, expr: relax.Expr) -> str | None:
    value = island.value(expr)
    if not _is_float(expr) or array_of(value) is not None:
        return None
    leaf = island.leaf(expr)
    if leaf is None and isinstance(value, relax.Var):
        return f"its input '{value.name}' is not quantized"
    if leaf is not None and leaf.array is None and not leaf.per_tensor:
        return "an input has a scale for each channel"
    return None


def _is_float(expr: relax.Expr) -> bool:
    return isinstance(expr.ty, relax.TensorType) and str(expr.ty.dtype).startswith("float")
