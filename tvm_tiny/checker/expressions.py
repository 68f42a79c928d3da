"""Helpers that ask for properties of TIR expressions of integers."""

from __future__ import annotations

from collections.abc import Sequence

import tvm_ffi
from tvm import tirx
from tvm.ir import Expr

Bounds = tuple[int, int]


def integer(value: int) -> Expr:
    """An int32 constant."""
    return tirx.const(value, "int32")


def uses(expr: Expr, variable: tirx.Var) -> bool:
    """Whether a variable occurs in an expression."""
    found: list[tirx.Var] = []

    def note(part: tirx.Var) -> None:
        if part.same_as(variable):
            found.append(part)

    tvm_ffi.structural_walk(expr, [(tirx.Var, note)])
    return bool(found)


def replaced(expr: Expr, variable: tirx.Var, value: Expr) -> Expr:
    """An expression with another one in place of a variable."""

    def put(part: tirx.Var) -> Expr:
        return value if part.same_as(variable) else part

    return tvm_ffi.structural_map(expr, [(tirx.Var, put)])


def linear(expr: Expr, variable: tirx.Var) -> bool:
    """Whether an expression is surely linear in a variable: c * variable + d."""
    if not uses(expr, variable) or variable.same_as(expr):
        return True
    if isinstance(expr, tirx.Add | tirx.Sub):
        return linear(expr.a, variable) and linear(expr.b, variable)
    if isinstance(expr, tirx.Mul):
        factors = [expr.a, expr.b]
        both = all(linear(factor, variable) for factor in factors)
        return both and not all(uses(factor, variable) for factor in factors)
    return False


def bounds(expr: Expr, loops: Sequence[tirx.For]) -> Bounds | None:
    """The bounds of a constant, a loop's variable or a sum of these; else None."""
    if isinstance(expr, tirx.IntImm):
        return int(expr.value), int(expr.value)
    if isinstance(expr, tirx.Add):
        a, b = bounds(expr.a, loops), bounds(expr.b, loops)
        return None if a is None or b is None else (a[0] + b[0], a[1] + b[1])
    for loop in loops:
        if loop.loop_var.same_as(expr):
            start, count = bounds(loop.min, ()), bounds(loop.extent, ())
            return None if start is None or count is None else (start[0], start[0] + count[1] - 1)
    return None


def parts(expr: Expr) -> list[Expr] | None:
    """The expressions that one is computed from; None where that is not known."""
    if isinstance(expr, tirx.IntImm | tirx.FloatImm | tirx.Var):
        return []
    if hasattr(expr, "args"):
        return list(expr.args)
    if hasattr(expr, "value"):
        return [expr.value]
    if hasattr(expr, "a"):
        return [expr.a, *([expr.b] if hasattr(expr, "b") else [])]
    return None
