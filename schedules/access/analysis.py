"""The analysis of which elements a row kernel reads and writes, and in which order.

Overlap, line buffers and streaming need these facts. They are read off the kernel's TIR, so that
no operator has to declare them.
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
    """The elements [first[e], end[e]) of a flattened buffer that each event e touches.

    first[e] == end[e] where event e touches none.
    """

    first: tuple[int, ...]
    end: tuple[int, ...]


@dataclass(frozen=True)
class Access:
    """The accesses of a row kernel, event by event.

    reads: the span of each buffer parameter before the output; None for one that is never read.
    writes: the span of the output. within: for each buffer parameter and event the largest (end
    of a write - start of a later read) within the event, in bytes from the start of either
    tensor; `NEVER` where no write precedes a read, None for a parameter that is never read.
    own: whether the kernel reads the output, too (an accumulator).
    """

    reads: tuple[Span | None, ...]
    writes: Span
    within: tuple[tuple[int, ...] | None, ...]
    own: bool = False

    @property
    def events(self) -> int:
        """The number of events: how often the kernel runs."""
        return len(self.writes.first)


NEVER = -(1 << 40)


def analyze(func: tirx.PrimFunc, events: int, constants: Mapping[int, np.ndarray]) -> Access:
    """The accesses of a row kernel in buffer form, run for rows 0 .. events - 1.

    func: parameters (buffers..., output, row: int32); only the output is written. constants:
    position of a parameter -> its elements, for parameters whose reads do not matter; indices may
    depend on these elements. Local buffers do not count.

    Spans and `within` are exact where indices, guards and loop bounds depend on the row, the loops
    and the constants only. Everything else is overestimated: an unknown index may be anywhere in
    its dimension; both branches of an unknown guard are taken; the iterations of a loop with
    unknown bounds, of a `while` and of a loop that is not serial run in any order. An external
    function writes all regions it is given before it reads. Where the uses of a pointer cannot be
    followed, each event touches everything.
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
    """The accesses by event as int64 [buffers + 1, 3, events].

    For each buffer's reads, then for the output's writes: lowest byte, end, and largest (end of a
    write - start of a later read); +FAR, -FAR, -FAR where nothing is touched.
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
    """The accesses of the kernel's body, with the events `rows` along the last axis."""
    *buffers, row = func.params
    places = {buffer: k for k, buffer in enumerate(buffers) if k not in constants}
    values = Values({buffers[k]: np.asarray(table) for k, table in constants.items()})
    values.bind(row, iterations(len(rows), 0) + Sum(rows.start))
    return Statements(places, values).of(func.body, 1)


def _anything(func: tirx.PrimFunc, constants: Mapping[int, np.ndarray]) -> Trace:
    """The trace that reads and writes all elements of all buffers, in any order."""
    whole = [(Sum(0), Sum(math.prod(size_of(buffer)))) for buffer in func.params[:-1]]
    reads = {k: span for k, span in enumerate(whole) if k not in constants}
    return any_order(Trace(reads, whole[-1]))


def _dense(func: tirx.PrimFunc, trace: Trace, events: int) -> npt.NDArray[np.int64]:
    """A trace without loops as the array that `_events` returns."""
    never = (Sum(FAR), Sum(-FAR))
    rows = [
        (*trace.reads.get(k, never), trace.late.get(k, Sum(-FAR)))
        for k in range(len(func.params) - 1)
    ]
    rows.append((*(trace.writes or never), Sum(-FAR)))
    flat = [[value.dense().reshape(-1) for value in row] for row in rows]
    return np.array([[np.broadcast_to(value, events) for value in row] for row in flat])


def _span(found: npt.NDArray[np.int64], buffer: tirx.Var) -> Span | None:
    """The span in elements, limited to the buffer; None where no event touches any.

    found: rows of `_events`: lowest byte, end, gap.
    """
    count, size = size_of(buffer)
    end = np.clip(found[1] // size, 0, count)
    first = np.minimum(np.clip(found[0] // size, 0, count), end)
    if bool((first == end).all()):
        return None
    return Span(tuple(first.tolist()), tuple(end.tolist()))


def _gaps(found: npt.NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(np.maximum(found[2], NEVER).tolist())
