"""Finds the elements that the expressions of a row kernel read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import tvm_ffi
from tvm import tirx
from tvm.ir import Expr
from tvm.ir.expr import TensorLoad

from .expressions import integer, linear, parts, replaced
from .numbers import Numbers, UnfollowableError
from .shadow import Read, Shadow, sequence
from .translation import Translation

# A piece of the checking function: a read, or a statement that is finished.
Item: TypeAlias = tirx.Stmt | Read


class Reads:
    """Collects the reads of expressions, in the order of C.

    operands: positions of the pointers that are read. whole: those of them where data says which
    elements are read; all elements are taken to be.
    """

    def __init__(self, numbers: Numbers, translation: Translation, shadow: Shadow) -> None:
        self._numbers, self._translation, self._shadow = numbers, translation, shadow
        self.operands: set[int] = set()
        self.whole: set[int] = set()

    def of(self, exprs: Sequence[Expr], before: Sequence[Item] = ()) -> list[Item]:
        """The reads of expressions without those in `before`, which have been checked already.

        Raises UnfollowableError.
        """
        found: list[Item] = []
        for expr in exprs:
            found += self._of(expr, [*before, *found])
        return found

    def block(self, items: Sequence[Item]) -> tirx.Stmt:
        """Makes one statement of items."""
        statements = [self._shadow.read(i) if isinstance(i, Read) else i for i in items]
        return sequence(statements) if statements else tirx.Evaluate(integer(0))

    def choice(self, condition: Expr, yes: list[Item], no: list[Item]) -> list[Item]:
        """One of two lists of items; the reads of both where data decides."""
        if not yes and not no:
            return []
        if self._numbers.known(condition):
            other = self.block(no) if no else None
            chosen = self._translation.slot(condition)
            return [tirx.IfThenElse(chosen, self.block(yes), other)]
        if not all(isinstance(item, Read) for item in (*yes, *no)):
            raise UnfollowableError("a write, or a choice of reads, that depends on its data")
        return [*yes, *no]

    def run(self, read: Read, variable: tirx.Var, start: Expr, count: Expr) -> tirx.Stmt:
        """A read for all values of a variable, on which its place depends linearly."""

        def element(n: Expr) -> Read:
            at, wanted = (replaced(e, variable, start + n) for e in (read.at, read.wanted))
            return Read(read.operand, at, wanted)

        return self._shadow.reads(count, element)

    def _of(self, expr: Expr, before: Sequence[Item]) -> list[Item]:
        if isinstance(expr, TensorLoad):
            return self._load(expr, before)
        if isinstance(expr, tirx.Select):
            return self._chosen(expr.condition, expr.true_value, expr.false_value, before)
        if getattr(getattr(expr, "op", None), "name", "") == "prim.if_then_else":
            condition, yes, no = expr.args
            return self._chosen(condition, yes, no, before)
        if isinstance(expr, tirx.And):
            return self._chosen(expr.a, expr.b, integer(0), before)
        if isinstance(expr, tirx.Or):
            return self._chosen(expr.a, integer(0), expr.b, before)
        computed_from = parts(expr)
        if computed_from is None:
            raise UnfollowableError(f"an expression of type {type(expr).__name__}")
        return self.of(computed_from, before)

    def _chosen(self, condition: Expr, yes: Expr, no: Expr, before: Sequence[Item]) -> list[Item]:
        """The reads of a choice: only the chosen value is computed, as in C."""
        asked = self.of([condition], before)
        known = [*before, *asked]
        return [*asked, *self.choice(condition, self.of([yes], known), self.of([no], known))]

    def _load(self, load: Expr, before: Sequence[Item]) -> list[Item]:
        (index,) = load.indices
        found = self.of([index], before)
        operand = self._numbers.places.get(load.source)
        if operand is None or not self._numbers.is_data(load.source):
            return found
        self.operands.add(operand)
        if not self._numbers.known(index):
            return [*found, self._any_of(operand, index)]
        read = Read(operand, self._translation.slot(index), self._translation.row(index))
        known = any(isinstance(b, Read) and _same(b, read) for b in (*before, *found))
        return found if known else [*found, read]

    def _any_of(self, operand: int, index: Expr) -> tirx.Stmt:
        """Reads of all elements that an index may mean where data decides it."""
        loads = self._numbers.unknown_loads(index)
        span = self._numbers.bounds(loads[0].source) if len(loads) == 1 else None
        if span is None:
            self.whole.add(operand)
            return self._shadow.reads(self._shadow.size(operand), lambda n: Read(operand, n, n))
        variable = self._shadow.variable("any")

        def put(load: Expr) -> Expr:
            return variable if load.same_as(loads[0]) else load

        chosen = tvm_ffi.structural_map(index, [(TensorLoad, put)])
        read = Read(operand, self._translation.slot(chosen), self._translation.row(chosen))
        if not linear(read.at, variable):
            raise UnfollowableError("an address that is not linear in its data")
        return self.run(read, variable, integer(span[0]), integer(span[1] - span[0] + 1))


def _same(a: Read, b: Read) -> bool:
    return a.operand == b.operand and tvm_ffi.structural_equal((a.at, a.wanted), (b.at, b.wanted))
