"""The values of indices and guards of a row kernel, for all iterations at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from tvm import tirx
from tvm.ir import Expr

from .sums import Array, Mask, Sum, combined

Table = npt.NDArray[np.generic]


def _truncated(a: Array, b: Array) -> Array:
    quotient: Array = (a - np.fmod(a, b)) // b
    return quotient


_DIVISIONS: dict[str, Callable[[Array, Array], Array]] = {
    "Div": _truncated,
    "Mod": np.fmod,
    "FloorDiv": np.floor_divide,
    "FloorMod": np.mod,
}
_OPERATIONS: dict[str, Callable[[Array, Array], npt.NDArray[np.generic]]] = {
    "Mul": np.multiply,
    "Min": np.minimum,
    "Max": np.maximum,
    "And": np.logical_and,
    "Or": np.logical_or,
    "EQ": np.equal,
    "NE": np.not_equal,
    "LT": np.less,
    "LE": np.less_equal,
    "GT": np.greater,
    "GE": np.greater_equal,
}
BINARY = {"Add", "Sub", *_DIVISIONS, *_OPERATIONS}


class Values:
    """The values of variables and expressions; None where only the running kernel knows them.

    tables: the elements of constant buffers.
    """

    def __init__(self, tables: Mapping[tirx.Var, Table]) -> None:
        self._tables = tables
        self._variables: dict[tirx.Var, Sum | None] = {}

    def bind(self, variable: tirx.Var, value: Sum | None) -> None:
        """Set the value of a variable."""
        self._variables[variable] = value

    def of(self, expr: Expr) -> Sum | None:
        """The value of an expression, with booleans as 0 and 1."""
        kind = type(expr).__name__
        if kind == "IntImm":
            return Sum(int(expr.value))
        if kind == "Var":
            return self._variables.get(expr)
        if kind in BINARY:
            return _binary(kind, self.of(expr.a), self.of(expr.b))
        special = getattr(self, f"_{kind.lower()}", None)
        return special(expr) if special is not None else None

    def branches(self, condition: Expr) -> tuple[list[Mask], list[Mask]]:
        """Masks that all hold where a condition is true, and others where false."""
        parts = [self.of(part) for part in _conjuncts(condition)]
        known = [part for part in parts if part is not None]
        inside = [part.dense() != 0 for part in known]
        if len(known) < len(parts):
            return inside, []
        outside = combined(lambda *arrays: np.logical_not(_all(arrays)), *known)
        return inside, [outside.dense() != 0]

    def address(self, indices: Sequence[Expr], shape: Sequence[int]) -> tuple[Sum, Sum]:
        """The lowest and the highest flat index that the indices can give.

        An unknown index may have any value in its dimension.
        """
        low, high = Sum(0), Sum(0)
        for index, extent in zip(indices, shape, strict=True):
            value = self.of(index)
            low = low.times(extent) + (Sum(0) if value is None else value)
            high = high.times(extent) + (Sum(extent - 1) if value is None else value)
        return low, high

    def _tensorload(self, load: Expr) -> Sum | None:
        """The element of a table.

        Indices outside are clipped: a guard excludes the iterations that have them.
        """
        table = self._tables.get(load.source)
        if table is None or not np.issubdtype(table.dtype, np.integer):
            return None
        if any(self.of(index) is None for index in load.indices):
            return None
        at, _ = self.address(load.indices, [int(d) for d in load.source.shape])
        elements = table.reshape(-1).astype(np.int64)
        return combined(lambda where: elements[np.clip(where, 0, elements.size - 1)], at)

    def _cast(self, cast: Expr) -> Sum | None:
        """The value of a cast to an integer type that holds it, else None."""
        value, dtype = self.of(cast.value), np.dtype(str(cast.ty.dtype))
        if value is None or not np.issubdtype(dtype, np.integer):
            return None
        low, high = value.bounds()
        return value if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max else None

    def _not(self, negation: Expr) -> Sum | None:
        value = self.of(negation.a)
        return None if value is None else Sum(1) - value

    def _select(self, select: Expr) -> Sum | None:
        return self._choice(select.condition, select.true_value, select.false_value)

    def _call(self, call: Expr) -> Sum | None:
        name = getattr(call.op, "name", "")
        if name == "prim.if_then_else":
            return self._choice(*call.args)
        return self.of(call.args[0]) if name == "prim.likely" else None

    def _choice(self, condition: Expr, yes: Expr, no: Expr) -> Sum | None:
        chosen, a, b = self.of(condition), self.of(yes), self.of(no)
        if chosen is None or a is None or b is None:
            return None
        return combined(np.where, chosen, a, b)


def _all(arrays: Sequence[Array]) -> Mask:
    result: Mask = np.asarray(arrays[0] != 0)
    for array in arrays[1:]:
        result = result & (array != 0)
    return result


def _conjuncts(condition: Expr) -> list[Expr]:
    if isinstance(condition, tirx.And):
        return [*_conjuncts(condition.a), *_conjuncts(condition.b)]
    if getattr(getattr(condition, "op", None), "name", "") == "prim.likely":
        return _conjuncts(condition.args[0])
    return [condition]


def _binary(kind: str, a: Sum | None, b: Sum | None) -> Sum | None:
    if a is None or b is None:
        return None
    if kind in ("Add", "Sub"):
        return a + b if kind == "Add" else a - b
    if kind == "Mul" and not (a.parts and b.parts):
        return a.times(b.constant) if not b.parts else b.times(a.constant)
    if kind in _DIVISIONS:
        return combined(_DIVISIONS[kind], a, b) if b.dense().all() else None
    return combined(_OPERATIONS[kind], a, b)
