"""The events of one operator, on the shadow memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from ..graph import Operator
from . import faults
from .kernels import Kernel, address
from .memory import Memory, Value
from .shadow import GIVEN, PLACE, READ_OUTSIDE, REPORT, STALE, WANTED


class Events(Protocol):
    """One operator's events."""

    def run(self, event: int) -> None:
        """One event; raises PlanError for what it does wrong."""


class PushedEvents:
    """The caller writes a row of the input, each time into the next row of its ring."""

    def __init__(self, memory: Memory, value: Value, counts: np.ndarray) -> None:
        self._memory, self._value, self._counts = memory, value, counts

    def run(self, event: int) -> None:
        """One row."""
        storage = self._value.storage
        size = storage.row_bytes
        cell = self._value.cell + event % storage.ring * size
        first = self._value.final + event * size
        self._memory.cells[cell : cell + size] = np.arange(first, first + size, dtype=np.int32)
        self._counts[1] += size // np.dtype(storage.dtype).itemsize
        self._counts[-1] += size


class KernelEvents:
    """A row kernel's events.

    values: of its operands, the output's last, None for constants. constants: those that the
    kernel takes, by position.
    """

    def __init__(
        self,
        memory: Memory,
        operator: Operator,
        kernel: Kernel,
        values: Sequence[Value | None],
        constants: Mapping[int, np.ndarray],
        counts: np.ndarray,
    ) -> None:
        self._memory, self._operator, self._kernel = memory, operator, kernel
        self._values = values
        for position, element in sorted(kernel.rings):
            if constants[position][element] < 1:  # the kernel divides by it
                raise faults.bad_ring(operator.name, int(constants[position][element]))
        self._places = np.array([_place(value) for value in values], dtype=np.int32)
        self._report = np.zeros(REPORT, dtype=np.int32)
        # What they point to must live as long as they do.
        self._passed = [memory.cells, self._places, self._report, counts, *constants.values()]
        self._addresses = [address(array) for array in self._passed]

    def run(self, event: int) -> None:
        """One event; raises PlanError for what it does wrong."""
        if self._kernel.reads_own:
            own = self._values[-1]
            assert own is not None, "an output is no constant"
            self._places[-1, WANTED] = own.version(event)
            self._places[-1, GIVEN] = own.version(event + 1)
        self._kernel.run(*self._addresses, event)
        if self._report[0]:
            self._fail(event)

    def _fail(self, event: int) -> None:
        kind, operand, at, wanted, byte = map(int, self._report)
        who = f"event {event} of {faults.short(self._operator.name)} ({self._operator.stage.op})"
        value = self._values[operand]
        assert value is not None, "constants are not checked"
        size = _itemsize(value)
        if kind == STALE:
            raise faults.stale(self._memory, who, value, wanted * size + byte, at * size + byte)
        does = "reads" if kind == READ_OUTSIDE else "writes"
        raise faults.outside(who, does, value, at, size)


def _place(value: Value | None) -> tuple[int, ...]:
    """A row of the array that describes operands; see `shadow`."""
    if value is None:
        return (0,) * PLACE
    size = _itemsize(value)
    return value.cell, value.room // size, value.size // size, value.final, value.final


def _itemsize(value: Value) -> int:
    return np.dtype(value.storage.dtype).itemsize
