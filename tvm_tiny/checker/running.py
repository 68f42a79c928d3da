"""Runs the events of one operator on the shadow memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tvm_tiny.lowering.graph import Graph, Operator
from tvm_tiny.schedules.portable.shift import block_bytes

from . import faults
from .kernels import Kernel, address
from .memory import Memory, Value
from .shadow import CELL, FIRST, GIVEN, PLACE, READ_OUTSIDE, REPORT, ROOM, STALE, WANTED


class Events(Protocol):
    """The events of one operator: each is placed, then run."""

    def place(self, event: int) -> Sequence[int | None]:
        """Cells of the kernel's arguments but scratch for an event; None for constants."""

    def run(self, event: int) -> None:
        """The event placed last; raises PlanError for what it does wrong."""


class StreamedEvents:
    """The caller writes rows of the input into a line buffer, one after the other."""

    def __init__(
        self, memory: Memory, value: Value, counts: np.ndarray, starts: Mapping[int, int]
    ) -> None:
        self._memory, self._value, self._counts, self._starts = memory, value, counts, starts
        self._cell = value.cell

    def place(self, event: int) -> Sequence[int | None]:
        """The place of the row; raises PlanError where it is outside the memory."""
        storage = self._value.storage
        start = self._starts.get(storage.index)
        slot = event % storage.buffer_rows if start is None else event - start
        self._cell = self._value.cell + slot * storage.row_bytes
        if not 0 <= slot < storage.buffer_rows:
            itemsize = np.dtype(storage.dtype).itemsize
            element = slot * storage.row_bytes // itemsize
            raise faults.outside("the caller", "writes", self._value, element, itemsize)
        return [self._cell]

    def run(self, event: int) -> None:
        """The caller writes the row."""
        storage, cell = self._value.storage, self._cell
        size = storage.row_bytes
        first = self._value.final + event * size
        self._memory.cells[cell : cell + size] = np.arange(first, first + size, dtype=np.int32)
        self._counts[1] += size // np.dtype(storage.dtype).itemsize
        self._counts[-1] += size


class ShiftEvents:
    """The rows of a line buffer shift by one, from a place that `shift_table` has."""

    def __init__(
        self, memory: Memory, graph: Graph, operator: Operator, starts: dict[int, int]
    ) -> None:
        self._memory, self._starts = memory, starts
        self._storage = graph.storage[operator.output]
        table = graph.storage[operator.inputs[0]].array
        assert table is not None, "which rows move is a constant"
        self._places = (table * block_bytes(self._storage.row_bytes)).tolist()

    def place(self, event: int) -> Sequence[int | None]:
        """The cells of the table, a constant, and of the rows."""
        return [None, self._memory.cell(self._storage.index)]

    def run(self, event: int) -> None:
        """The rows move."""
        size, end, *first = self._places
        kept = self._memory.of(self._storage.index)
        kept[first[event] : end] = kept[first[event] + size : end + size].copy()
        self._starts[self._storage.index] += 1


class KernelEvents:
    """The events of a row kernel.

    values: tensors of the operands and, last, of the output; None for constants. constants: arrays
    that the kernel takes, by position. starts: storage whose rows shift -> the row that its memory
    begins with. skewed_rows: skewed storage -> the row that is there.
    """

    def __init__(
        self,
        memory: Memory,
        operator: Operator,
        kernel: Kernel,
        values: Sequence[Value | None],
        constants: Mapping[int, np.ndarray],
        counts: np.ndarray,
        starts: Mapping[int, int],
        skewed_rows: Mapping[int, int],
    ) -> None:
        self._memory, self._operator, self._kernel = memory, operator, kernel
        self._values = values
        operands = enumerate((*operator.inputs, operator.output))
        self._moving = {k: storage for k, storage in operands if storage in starts}
        self._starts, self._skewed_rows = starts, skewed_rows
        skewed = {k: v for k, v in enumerate(values) if v is not None and v.storage.skew}
        self._skewed = {k: value.storage.index for k, value in skewed.items()}
        for position, element in sorted(kernel.line_buffers):
            if constants[position][element] < 1:  # the kernel divides by it
                raise faults.bad_line_buffer(operator.name, int(constants[position][element]))
        self._places = np.array([_place(value) for value in values], dtype=np.int32)
        self._report = np.zeros(REPORT, dtype=np.int32)
        # The arrays must live as long as their addresses are used.
        self._passed = [memory.cells, self._places, self._report, counts, *constants.values()]
        self._addresses = [address(array) for array in self._passed]

    def place(self, event: int) -> Sequence[int | None]:
        """The cells where row 0 of each operand would be."""
        for operand in self._moving:
            self._place_row_0(operand)
        for operand in self._skewed:
            self._place_skewed(operand)
        cells = self._places[:, CELL].tolist()
        return [None if v is None else c for v, c in zip(self._values, cells, strict=True)]

    def run(self, event: int) -> None:
        """The event placed last; raises PlanError for what it does wrong."""
        if self._kernel.reads_own:
            own = self._values[-1]
            assert own is not None, "an output is no constant"
            self._places[-1, WANTED] = own.version(event)
            self._places[-1, GIVEN] = own.version(event + 1)
        self._kernel.run(*self._addresses, event)
        if self._report[0]:
            self._fail(event)

    def _place_row_0(self, operand: int) -> None:
        """Places an operand whose rows shift: rows count from where row 0 would be."""
        value = self._values[operand]
        assert value is not None, "constants do not shift"
        storage, start = value.storage, self._starts[self._moving[operand]]
        self._places[operand, CELL] = value.cell - start * storage.row_bytes
        rows = np.array([start, start + storage.buffer_rows])
        first_and_end = rows * storage.row_bytes // _itemsize(value)
        self._places[operand, [FIRST, ROOM]] = first_and_end

    def _place_skewed(self, operand: int) -> None:
        """Places a skewed operand: its memory is one row, further up with each."""
        value = self._values[operand]
        assert value is not None, "constants are not skewed"
        # A row that is read too early has no place yet: the reader will not find it in row 0's.
        storage, row = value.storage, self._skewed_rows.get(self._skewed[operand], 0)
        self._places[operand, CELL] = value.cell + row * storage.skew
        self._places[operand, ROOM] = storage.row_bytes // _itemsize(value)

    def _fail(self, event: int) -> None:
        kind, operand, at, wanted, byte = map(int, self._report)
        who = f"event {event} of {faults.short(self._operator.name)} ({self._operator.row_op.op})"
        value = self._values[operand]
        assert value is not None, "constants are not checked"
        size = _itemsize(value)
        if operand in self._moving or operand in self._skewed:
            at += (int(self._places[operand, CELL]) - value.cell) // size
        if kind == STALE:
            raise faults.stale(self._memory, who, value, wanted * size + byte, at * size + byte)
        does = "reads" if kind == READ_OUTSIDE else "writes"
        raise faults.outside(who, does, value, at, size)


def _place(value: Value | None) -> tuple[int, ...]:
    """The row for one tensor of the array that describes operands; see `shadow.PLACE`."""
    if value is None:
        return (0,) * PLACE
    size = _itemsize(value)
    return value.cell, 0, value.room // size, value.size // size, value.final, value.final


def _itemsize(value: Value) -> int:
    return np.dtype(value.storage.dtype).itemsize
