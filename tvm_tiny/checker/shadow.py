"""Statements of checking functions, which work on identities in place of values."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tvm import tirx
from tvm.ir import Expr, PointerType, PrimType

from .expressions import integer

# The int32 array that describes the operands' memory has PLACE elements for each: the cell of
# element 0, the first element that there is memory for and the one behind the last, how many
# elements the tensor has, and the identities of its first byte that reads want and writes give.
PLACE = 6
CELL, FIRST, ROOM, _SIZE, WANTED, GIVEN = range(PLACE)

# The int32 array that describes the first fault has REPORT elements: its kind, the operand, the
# position of the element in memory and in the tensor, and the byte of the element.
REPORT = 5
STALE, READ_OUTSIDE, WRITE_OUTSIDE = 1, 2, 3

# The int64 array of counts: elements read, elements written, and bytes of both.
COUNTS = 3
_READS, _WRITES, _BYTES = range(COUNTS)

# The extent that TIR asks for; no shadow memory has so many cells.
FAR = 1 << 30


@dataclass(frozen=True)
class Read:
    """A read of element `at` of an operand's memory for element `wanted` of its tensor."""

    operand: int
    at: Expr
    wanted: Expr


def sequence(statements: Sequence[tirx.Stmt]) -> tirx.Stmt:
    """Joins statements into one."""
    return statements[0] if len(statements) == 1 else tirx.SeqStmt(list(statements))


class Shadow:
    """Makes statements on the shadow memory; itemsizes: bytes of an element of each operand."""

    def __init__(self, itemsizes: Sequence[int]) -> None:
        self._itemsizes = itemsizes
        self._names = itertools.count()
        kinds = {"shadow": "int32", "places": "int32", "report": "int32", "counts": "int64"}
        self.pointers = [tirx.Var(n, PointerType(PrimType(d))) for n, d in kinds.items()]
        extents = (FAR, PLACE * len(itemsizes), REPORT, COUNTS)
        self._buffers = [
            tirx.decl_buffer((extent,), dtype, f"{name}_")
            for extent, (name, dtype) in zip(extents, kinds.items(), strict=True)
        ]
        self._cells, self._places, self._report, self._counts = self._buffers
        self._counted = tirx.decl_buffer((COUNTS,), "int64", "counted")
        self._known: dict[tuple[int, int], tirx.Var] = {}

    def function(self, body: tirx.Stmt) -> Iterator[tirx.Stmt]:
        """The statements of a checking function: `body` between declarations and counts."""
        for buffer, pointer in zip(self._buffers, self.pointers, strict=True):
            yield tirx.DeclBuffer(buffer, data=pointer)
        yield tirx.AllocBuffer(self._counted)
        zero = tirx.const(0, "int64")
        yield from (tirx.BufferStore(self._counted, zero, [integer(k)]) for k in range(COUNTS))
        for (operand, field), variable in sorted(self._known.items()):
            yield tirx.Bind(variable, self._places[integer(PLACE * operand + field)])
        yield body
        for k in map(integer, range(COUNTS)):
            yield tirx.BufferStore(self._counts, self._counts[k] + self._counted[k], [k])

    def variable(self, name: str) -> tirx.Var:
        """A new int32 variable."""
        return tirx.Var(f"{name}{next(self._names)}", "int32")

    def loop(self, count: int | Expr, body: Callable[[Expr], tirx.Stmt]) -> tirx.Stmt:
        """A loop over `body` of 0, 1, ... count - 1."""
        if isinstance(count, int) and count == 1:
            return body(integer(0))
        counter = self.variable("n")
        return tirx.For(counter, integer(0), count, tirx.ForKind.SERIAL, body(counter))

    def read(self, read: Read) -> tirx.Stmt:
        """Compares the identity of one element."""
        at, wanted = self.variable("at"), self.variable("wanted")

        def compare(byte: Expr) -> tirx.Stmt:
            found, identity = self._compared(read.operand, at, wanted, byte)
            fault = self._fault(STALE, read.operand, at, wanted, byte)
            return tirx.IfThenElse(found != identity, fault, None)

        outside = self._fault(READ_OUTSIDE, read.operand, at, wanted, integer(0))
        compared = self.loop(self._itemsizes[read.operand], compare)
        return tirx.SeqStmt(
            [
                tirx.Bind(at, read.at),
                tirx.Bind(wanted, read.wanted),
                *self._count(_READS, read.operand, integer(1)),
                tirx.IfThenElse(self._has_room(read.operand, at), compared, outside),
            ]
        )

    def reads(self, count: Expr, read: Callable[[Expr], Read]) -> tirx.Stmt:
        """Compares elements whose positions are linear in 0, 1, ... count - 1; count is not 0.

        A loop that compilers can vectorize counts differences; if it finds any, or elements are
        outside the memory, the elements are compared one by one.
        """
        differing = tirx.decl_buffer((1,), "int32", f"differing{next(self._names)}")
        zero = integer(0)
        first, last = read(zero), read(count - 1)
        operand = first.operand
        itemsize = self._itemsizes[operand]

        def add(byte: Expr, element: Read) -> tirx.Stmt:
            found, identity = self._compared(operand, element.at, element.wanted, byte)
            total = differing[zero] + tirx.Cast("int32", found != identity)
            return tirx.BufferStore(differing, total, [zero])

        quick = self.loop(count, lambda n: self.loop(itemsize, lambda b: add(b, read(n))))
        start = tirx.BufferStore(differing, zero, [zero])
        room = tirx.all(self._has_room(operand, first.at), self._has_room(operand, last.at))
        return tirx.SeqStmt(
            [
                tirx.AllocBuffer(differing),
                tirx.BufferStore(differing, integer(1), [zero]),
                tirx.IfThenElse(room, tirx.SeqStmt([start, quick]), None),
                tirx.IfThenElse(
                    differing[zero] != 0,
                    self.loop(count, lambda n: self.read(read(n))),
                    sequence(list(self._count(_READS, operand, count))),
                ),
            ]
        )

    def size(self, operand: int) -> Expr:
        """How many elements the tensor of an operand has."""
        return self._place(operand, _SIZE)

    def write(self, operand: int, at: Expr, given: Expr) -> tirx.Stmt:
        """Gives an element of an operand's memory the identity of an element of the tensor."""
        where, what = self.variable("at"), self.variable("given")
        itemsize = self._itemsizes[operand]

        def store(byte: Expr) -> tirx.Stmt:
            cell, first = self._place(operand, CELL), self._place(operand, GIVEN)
            identity = first + what * itemsize + byte
            return tirx.BufferStore(self._cells, identity, [cell + where * itemsize + byte])

        inside = tirx.all(
            self._has_room(operand, where), what >= 0, what < self._place(operand, _SIZE)
        )
        outside = self._fault(WRITE_OUTSIDE, operand, where, what, integer(0))
        return tirx.SeqStmt(
            [
                tirx.Bind(where, at),
                tirx.Bind(what, given),
                *self._count(_WRITES, operand, integer(1)),
                tirx.IfThenElse(inside, self.loop(itemsize, store), outside),
            ]
        )

    def _place(self, operand: int, field: int) -> Expr:
        key = operand, field
        if key not in self._known:
            self._known[key] = self.variable("place")
        return self._known[key]

    def _compared(self, operand: int, at: Expr, wanted: Expr, byte: Expr) -> tuple[Expr, Expr]:
        """The identity in a cell, and the one that should be there."""
        cell, first = self._place(operand, CELL), self._place(operand, WANTED)
        itemsize = self._itemsizes[operand]
        found = self._cells[cell + at * itemsize + byte]
        return found, first + wanted * itemsize + byte

    def _has_room(self, operand: int, at: Expr) -> Expr:
        return tirx.all(at >= self._place(operand, FIRST), at < self._place(operand, ROOM))

    def _count(self, which: int, operand: int, elements: Expr) -> Iterator[tirx.Stmt]:
        number = tirx.Cast("int64", elements)
        for k, added in ((which, number), (_BYTES, number * self._itemsizes[operand])):
            total = self._counted[integer(k)] + added
            yield tirx.BufferStore(self._counted, total, [integer(k)])

    def _fault(self, kind: int, *numbers: int | Expr) -> tirx.Stmt:
        """Reports a fault, unless there has been one."""
        fields = [integer(n) if isinstance(n, int) else n for n in (kind, *numbers)]
        stores = [tirx.BufferStore(self._report, v, [integer(k)]) for k, v in enumerate(fields)]
        return tirx.IfThenElse(self._report[integer(0)] == 0, tirx.SeqStmt(stores), None)
