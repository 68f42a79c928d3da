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

from .access_operands import UnknownCodeError, size_of
from .access_sums import FAR, Sum, TooLargeError, iterations
from .access_traces import Trace, any_order
from .access_values import Values
from .access_walk import Statements


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


def analyze(
    func: tirx.PrimFunc, events: int, constants: Mapping[int, np.ndarray]
) -> Access:
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
    sizes = [size_of(buffer) for buffer in buffers]
    found = _events(func, range(events), constants)
    reads = [
        None if k in constants else _span(found[k, 0], found[k, 1], *sizes[k])
        for k in range(len(buffers))
    ]
    own = reads.pop() is not None
    writes = _span(found[-1, 0], found[-1, 1], *sizes[-1])
    return Access(
        tuple(reads),
        writes if writes is not None else Span((0,) * events, (0,) * events),
        tuple(
            None if read is None else tuple(np.maximum(late, NEVER).tolist())
            for read, late in zip(reads, found[:, 2], strict=False)
        ),
        own,
    )


def _events(
    func: tirx.PrimFunc, rows: range, constants: Mapping[int, np.ndarray]
) -> npt.NDArray[np.int64]:
    """Per buffer, and once more for writing the output: lowest byte, end, latest gap, by event."""
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


def _trace(
    func: tirx.PrimFunc, rows: range, constants: Mapping[int, np.ndarray]
) -> Trace:
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
    never = (Sum(FAR), Sum(-FAR))
    rows = [
        (*trace.reads.get(k, never), trace.late.get(k, Sum(-FAR)))
        for k in range(len(func.params) - 1)
    ]
    rows.append((*(trace.writes or never), Sum(-FAR)))
    return np.array([[np.broadcast_to(v.dense().reshape(-1), events) for v in row] for row in rows])


def _span(
    low: npt.NDArray[np.int64], end: npt.NDArray[np.int64], count: int, size: int
) -> Span | None:
    """Bytes to elements, inside the buffer; None where nothing is touched at any event."""
    low, end = np.clip(low // size, 0, count), np.clip(end // size, 0, count)
    low = np.minimum(low, end)
    if bool((low == end).all()):
        return None
    return Span(tuple(low.tolist()), tuple(end.tolist()))
