"""The accesses of TIR statements."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from tvm import s_tir, tirx

from .operands import Operands, UnknownCodeError, refuse_pointer
from .sums import Sum, iterations
from .traces import NOTHING, Trace, any_order, beside, guarded, repeated, then
from .values import Values

_IN_ORDER = (tirx.ForKind.SERIAL, tirx.ForKind.UNROLLED)


class Statements:
    """The accesses of statements; the arguments are those of `Operands`."""

    def __init__(self, places: Mapping[tirx.Var, int], values: Values) -> None:
        self._operands = Operands(places, values)
        self._values = values

    def of(self, stmt: tirx.Stmt, depth: int) -> Trace:
        """The accesses of a statement inside `depth - 1` loops.

        depth: the level below the event that a loop at this place has. Raises UnknownCodeError or
        sums.TooLargeError.
        """
        handler = getattr(self, f"_{type(stmt).__name__.lower()}", None)
        if handler is None:
            raise UnknownCodeError(type(stmt).__name__)
        found: Trace = handler(stmt, depth)
        return found

    def _seqstmt(self, stmt: tirx.SeqStmt, depth: int) -> Trace:
        return reduce(then, (self.of(part, depth) for part in stmt.seq), NOTHING)

    def _for(self, loop: tirx.For, depth: int) -> Trace:
        asked = self._operands.of(loop.min, loop.extent)
        known = self._iterations(loop, depth)
        if known is None:
            self._values.bind(loop.loop_var, None)
            return then(asked, any_order(self.of(loop.body, depth + 1)))
        start, offset, extent, count = known
        if count <= 0:
            return asked
        self._values.bind(loop.loop_var, start + offset)
        inside = [(offset - extent).dense() < 0] if extent.parts else []
        whole = repeated(guarded(self.of(loop.body, depth + 1), inside), depth, count)
        return then(asked, whole if loop.kind in _IN_ORDER else any_order(whole))

    def _iterations(self, loop: tirx.For, depth: int) -> tuple[Sum, Sum, Sum, int] | None:
        """The loop's start, offsets from it, extent, and largest number of iterations.

        None where one of these is unknown.
        """
        start, extent = self._values.of(loop.min), self._values.of(loop.extent)
        step = Sum(1) if loop.step is None else self._values.of(loop.step)
        if start is None or extent is None or step is None or step.parts or step.constant < 1:
            return None
        count = -(-extent.bounds()[1] // step.constant)
        return start, iterations(max(count, 0), depth).times(step.constant), extent, count

    def _while(self, loop: tirx.While, depth: int) -> Trace:
        return any_order(then(self._operands.of(loop.condition), self.of(loop.body, depth)))

    def _ifthenelse(self, stmt: tirx.IfThenElse, depth: int) -> Trace:
        inside, outside = self._values.branches(stmt.condition)
        taken = guarded(self.of(stmt.then_case, depth), inside)
        if stmt.else_case is not None:
            taken = beside(taken, guarded(self.of(stmt.else_case, depth), outside))
        return then(self._operands.of(stmt.condition), taken)

    def _sblockrealize(self, stmt: s_tir.SBlockRealize, depth: int) -> Trace:
        block = stmt.block
        asked = self._operands.of(*stmt.iter_values, stmt.predicate)
        for axis, value in zip(block.iter_vars, stmt.iter_values, strict=True):
            self._values.bind(axis.var, self._values.of(value))
        for part in block.match_buffers:
            self._operands.name_part(part.buffer, part.source.source, part.source.region)
        inside, _ = self._values.branches(stmt.predicate)
        body = [*([] if block.init is None else [block.init]), block.body]
        run = reduce(then, (self.of(part, depth) for part in body))
        return then(asked, guarded(run, inside))

    def _bufferstore(self, stmt: tirx.BufferStore, depth: int) -> Trace:
        refuse_pointer(stmt.value)
        operands = self._operands.of(*stmt.indices, stmt.value)
        return then(operands, self._operands.stored(stmt.buffer, stmt.indices))

    def _evaluate(self, stmt: tirx.Evaluate, depth: int) -> Trace:
        return self._operands.of(stmt.value)

    def _bind(self, stmt: tirx.Bind, depth: int) -> Trace:
        return self._operands.bound(stmt.var, stmt.value)

    def _assertstmt(self, stmt: tirx.AssertStmt, depth: int) -> Trace:
        return self._operands.of(stmt.condition)

    def _attrstmt(self, stmt: tirx.AttrStmt, depth: int) -> Trace:
        return then(self._operands.of(stmt.value), self.of(stmt.body, depth))

    def _allocbuffer(self, stmt: tirx.AllocBuffer, depth: int) -> Trace:
        return NOTHING
