"""Translates statements of a row kernel: loops, guards, addresses, reads and writes stay."""

from __future__ import annotations

from collections.abc import Iterator

from tvm import tirx
from tvm.ir import Expr

from .expressions import linear
from .numbers import Numbers, UnfollowableError
from .reads import Item, Reads
from .shadow import Read, Shadow
from .translation import Translation


class Statements:
    """Translates statements of a kernel that writes to its pointer `output`."""

    def __init__(
        self,
        numbers: Numbers,
        translation: Translation,
        shadow: Shadow,
        reads: Reads,
        output: int,
    ) -> None:
        self._numbers, self._translation = numbers, translation
        self._shadow, self._reads, self._output = shadow, reads, output

    def of(self, stmt: tirx.Stmt) -> list[Item]:
        """The pieces of the checking function that a statement becomes.

        Raises UnfollowableError.
        """
        handler = getattr(self, f"_{type(stmt).__name__.lower()}", None)
        if handler is None:
            raise UnfollowableError(f"a statement of type {type(stmt).__name__}")
        return list(handler(stmt))

    def _seqstmt(self, stmt: tirx.SeqStmt) -> Iterator[Item]:
        for part in stmt.seq:
            yield from self.of(part)

    def _declbuffer(self, stmt: tirx.DeclBuffer) -> Iterator[Item]:
        return iter(())

    def _attrstmt(self, stmt: tirx.AttrStmt) -> Iterator[Item]:
        return iter(self.of(stmt.body))

    def _evaluate(self, stmt: tirx.Evaluate) -> Iterator[Item]:
        if not isinstance(stmt.value, tirx.IntImm):
            raise UnfollowableError("a call")
        return iter(())

    def _allocbuffer(self, stmt: tirx.AllocBuffer) -> Iterator[Item]:
        # A buffer that is never written is never read either.
        if self._numbers.is_written(stmt.buffer) and not self._numbers.is_data(stmt.buffer):
            yield from map(tirx.AllocBuffer, self._translation.copies(stmt.buffer))

    def _for(self, stmt: tirx.For) -> Iterator[Item]:
        items = self.of(stmt.body)
        if not items:
            return
        if stmt.step is not None or not all(map(self._numbers.known, (stmt.min, stmt.extent))):
            raise UnfollowableError("a loop that depends on its data, or has a stride")
        start, count = map(self._translation.slot, (stmt.min, stmt.extent))
        variable = stmt.loop_var
        reads = [item for item in items if isinstance(item, Read) and linear(item.at, variable)]
        if len(reads) == len(items):
            yield from (self._reads.run(read, variable, start, count) for read in reads)
        else:
            body = self._reads.block(items)
            yield tirx.For(variable, start, count, tirx.ForKind.SERIAL, body)

    def _while(self, stmt: tirx.While) -> Iterator[Item]:
        if self._reads.of([stmt.condition]) or self.of(stmt.body):
            raise UnfollowableError("a loop that depends on its data")
        return iter(())

    def _ifthenelse(self, stmt: tirx.IfThenElse) -> Iterator[Item]:
        yield from self._reads.of([stmt.condition])
        yes = self.of(stmt.then_case)
        no = self.of(stmt.else_case) if stmt.else_case is not None else []
        yield from self._reads.choice(stmt.condition, yes, no)

    def _bufferstore(self, stmt: tirx.BufferStore) -> Iterator[Item]:
        (index,) = stmt.indices
        yield from self._reads.of([stmt.value, index])
        if stmt.buffer in self._numbers.places:
            yield self._write(self._numbers.places[stmt.buffer], index)
        elif not self._numbers.is_data(stmt.buffer):
            slots, rows = self._translation.copies(stmt.buffer)
            slot, row = self._translation.slot, self._translation.row
            yield tirx.BufferStore(slots, slot(stmt.value), [slot(index)])
            yield tirx.BufferStore(rows, row(stmt.value), [row(index)])

    def _write(self, operand: int, index: Expr) -> tirx.Stmt:
        if operand != self._output:
            raise UnfollowableError("a write to what is not its output")
        if not self._numbers.known(index):
            raise UnfollowableError("a write whose place depends on its data")
        return self._shadow.write(
            operand, self._translation.slot(index), self._translation.row(index)
        )
