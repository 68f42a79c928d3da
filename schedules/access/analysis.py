"""Which elements a row kernel reads and writes, and in which order.

What overlap, rings and streaming need to know of an operator, taken from its kernel and not from
a table of operators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tvm import tirx

from .operands import UnknownCodeError, size_of
from .sums import FAR, Sum, TooLargeError, iterations
from .traces import Trace, any_order
from .values import Values
from .walk import Statements


@dataclass(frozen=True)
class Span:
    """Elements [first[e], end[e]) of a flattened buffer that event e touches; empty: equal."""

    first: tuple[int, ...]
    end: tuple[int, ...]


@dataclass(frozen=True)
class Access:
    """Accesses of a row kernel, event by event.

    reads: per buffer parameter before the output; None where it is never read. writes: of the
    output. within: per buffer parameter and event, in bytes from the start of both tensors: the
    largest (end of a write - start of a later read) within the event; None where never read.
    Where no write precedes a read within an event, the entry is `NEVER`. own: whether the output
    is read too (an accumulator).
    """

    reads: tuple[Span | None, ...]
    writes: Span
    within: tuple[tuple[int, ...] | None, ...]
    own: bool = False

    @property
    def events(self) -> int:
        """How often the kernel runs."""
        return len(self.writes.first)


NEVER = -(1 << 40)


def analyze(func: tirx.PrimFunc, events: int, constants: Mapping[int, np.ndarray]) -> Access:
    """The accesses of a row kernel in buffer form, run for rows 0 .. events - 1.

    func: parameters (buffers..., output, row: int32); it writes to no other parameter. constants:
    parameter position -> elements, of the parameters whose reads do not matter; index
    expressions may depend on them. Local buffers are no accesses.

    Spans and `within` are exact where indices, guards and loop bounds are functions of the row,
    the loops and the constants. An index that depends on anything else may be anywhere in its
    dimension, such a guard true and false at once, the iterations of such a loop, of a `while` and
    of loops not serial in any order. An external function writes all the regions it is given
    before it reads; where a pointer's uses cannot be followed, each event touches everything.
    """
    *buffers, _ = func.params
    found = _events(func, range(events), constants)
    *reads, own = (
        None if k in constants else _span(found[k], buffer) for k, buffer in enumerate(buffers)
    )
    nowhere = Span((0,) * events, (0,) * events)
    return Access(
        tuple(reads),
        _span(found[-1], buffers[-1]) or nowhere,
        tuple(None if read is None else _gaps(found[k]) for k, read in enumerate(reads)),
        own is not None,
    )


def _events(
    func: tirx.PrimFunc, rows: range, constants: Mapping[int, np.ndarray]
) -> npt.NDArray[np.int64]:
    """Per buffer, and once more for writing the output: lowest byte, end, largest gap, by event.

    int64 [buffers + 1, 3, events]; +FAR, -FAR, -FAR where nothing is touched.
    """
    try:
        return _dense(func, _trace(func, rows, constants), len(rows))
    except TooLargeError:
        if len(rows) > 1:
            half = len(rows) // 2
            parts = [_events(func, part, constants) for part in (rows[:half], rows[half:])]
            return np.concatenate(parts, axis=-1)
    except UnknownCodeError:
        pass
    return _dense(func, _anything(func, constants), len(rows))


def _trace(func: tirx.PrimFunc, rows: range, constants: Mapping[int, np.ndarray]) -> Trace:
    """Accesses with the events along the last axis."""
    *buffers, row = func.params
    places = {buffer: k for k, buffer in enumerate(buffers) if k not in constants}
    values = Values({buffers[k]: np.asarray(table) for k, table in constants.items()})
    values.bind(row, iterations(len(rows), 0) + Sum(rows.start))
    return Statements(places, values).of(func.body, 1)


def _anything(func: tirx.PrimFunc, constants: Mapping[int, np.ndarray]) -> Trace:
    """Everything there is, in any order."""
    whole = [(Sum(0), Sum(math.prod(size_of(buffer)))) for buffer in func.params[:-1]]
    reads = {k: span for k, span in enumerate(whole) if k not in constants}
    return any_order(Trace(reads, whole[-1]))


def _dense(func: tirx.PrimFunc, trace: Trace, events: int) -> npt.NDArray[np.int64]:
    """What `_events` answers, [buffers + 1, 3, events], of a trace without loops."""
    never = (Sum(FAR), Sum(-FAR))
    rows = [
        (*trace.reads.get(k, never), trace.late.get(k, Sum(-FAR)))
        for k in range(len(func.params) - 1)
    ]
    rows.append((*(trace.writes or never), Sum(-FAR)))
    flat = [[value.dense().reshape(-1) for value in row] for row in rows]
    return np.array([[np.broadcast_to(value, events) for value in row] for row in flat])


def _span(found: npt.NDArray[np.int64], buffer: tirx.Var) -> Span | None:
    """Bytes to elements, inside the buffer; None where nothing is touched at any event."""
    count, size = size_of(buffer)
    end = np.clip(found[1] // size, 0, count)
    first = np.minimum(np.clip(found[0] // size, 0, count), end)
    if bool((first == end).all()):
        return None
    return Span(tuple(first.tolist()), tuple(end.tolist()))


def _gaps(found: npt.NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(np.maximum(found[2], NEVER).tolist())
