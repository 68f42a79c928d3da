"""Stages: several operators run row by row, in an order that keeps few rows.

A stage's operators are in topological order. As long as anything can run, one event of the last
operator that is ready runs: what is furthest down consumes rows before more of them are made.
Only a patch stage computes anything twice: it does all this for one tile of its results after the
other (see `tiles`). A layer is a stage of one operator.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

Numbers = tuple[int, ...]
Range = tuple[int, int]

# The operator that takes a row of a streamed input from the caller.
STREAM_ROW = "push"

# The operator that shifts the rows of a line buffer: see `with_shifts`.
SHIFT = "slide"


class BufferPolicy(NamedTuple):
    """The ways in which a stage saves memory.

    tiles: rows and columns of tiles of a patch stage; empty in any other stage. shifts:
    its line buffers shift, see `with_shifts`. skews: some of its tensors are skewed, see
    `with_skews`. A patch stage does neither.
    """

    tiles: Range | tuple[()] = ()
    shifts: bool = False
    skews: bool = False


# Every row stays where it is written.
STEADY = BufferPolicy()


@dataclass(frozen=True)
class Rows:
    """Rows [first[e], end[e]) of a tensor that event e of an operator touches."""

    first: Numbers
    end: Numbers


@dataclass(frozen=True)
class Columns:
    """How the columns of an operator's tensors belong together.

    count: columns of the result. reads: like `Operator.reads`, the columns of each operand that
    are read for each column of the result; only there until the tiles are chosen.
    """

    count: int
    reads: tuple[Rows | None, ...] = ()


@dataclass(frozen=True)
class Tiles:
    """The tiles of a patch stage, in rows and columns.

    The tiles of one row share their events, those of one column the columns of results.

    events: per operator and row of tiles, the first event and the one behind the last. columns:
    per operator and column of tiles, the same of the columns of its result.
    """

    events: tuple[tuple[Range, ...], ...]
    columns: tuple[tuple[Range, ...], ...]

    @property
    def split(self) -> Range:
        """Rows and columns of tiles."""
        return len(self.events[0]), len(self.columns[0])

    def width(self, operator: int) -> int:
        """Columns of the widest tile of an operator's result."""
        return max(end - first for first, end in self.columns[operator])

    def computed(self, operator: int) -> int:
        """Events times columns that an operator computes in all tiles together."""
        spans = self.events[operator], self.columns[operator]
        rows, columns = (sum(end - first for first, end in span) for span in spans)
        return rows * columns


@dataclass(frozen=True)
class Operator:
    """One operator of a stage.

    kernel: name of its row kernel. op, tensor: the operator and its result, for people. operands:
    parameters of the stage's function that the kernel takes, in order; result: the one it
    writes. reads: rows of each operand that is a tensor, None for a constant. within: see
    `Access.within`. accumulates: every event adds to the one row of the result. extra_macs:
    multiply-accumulates of what several tiles compute, beyond `macs`. columns: None where the
    kernel computes whole rows only. scratch: bytes of memory that it needs while it runs;
    scratch_type: of its elements.
    """

    kernel: str
    op: str
    tensor: str
    macs: int
    operands: tuple[int, ...]
    result: int
    reads: tuple[Rows | None, ...]
    writes: Rows
    within: tuple[Numbers | None, ...]
    accumulates: bool = False
    extra_macs: int = 0
    columns: Columns | None = None
    scratch: int = 0
    scratch_type: str = "int8"

    @property
    def events(self) -> int:
        """How often its row kernel runs."""
        return len(self.writes.first)

    @property
    def in_step(self) -> bool:
        """Whether each event writes the next row."""
        return self.writes.first == tuple(range(self.events)) and not self.accumulates

    def part(self, span: Range) -> Operator:
        """The operator with some of its events only."""
        events = slice(*span)
        reads = (
            None if rows is None else Rows(rows.first[events], rows.end[events])
            for rows in self.reads
        )
        writes = Rows(self.writes.first[events], self.writes.end[events])
        return replace(self, reads=tuple(reads), writes=writes)


@dataclass(frozen=True)
class Stage:
    """Operators that one step of main runs, and how much of each tensor is kept.

    rows: per parameter that is a tensor, all its rows. line_buffers: per parameter, the rows it has
    memory for where those are fewer: row r is at r modulo that number. delays: operators that
    wait although they could run: operator -> (another, its events that must be done before each
    event), so that their results need not be kept until that other's are there. tiles: of a patch
    stage. widths: per tensor inside one, the columns of a row that it has memory for. scratch:
    the parameter that is memory for the kernels that need some, one after the other. Where an
    operator shifts a line buffer they are elsewhere: see `with_shifts`. skews: tensors of which
    there is one row at a time -> bytes by which each of their rows is further up: see `with_skews`.
    """

    operators: tuple[Operator, ...]
    rows: dict[int, int]
    line_buffers: dict[int, int]
    delays: dict[int, tuple[int, Numbers]] = field(default_factory=dict)
    tiles: Tiles | None = None
    widths: dict[int, int] = field(default_factory=dict)
    scratch: int | None = None
    skews: dict[int, int] = field(default_factory=dict)

    def producer(self, parameter: int, before: int) -> int | None:
        """The last operator before `before` that writes a parameter; None for inputs.

        Two write the same one where the second works in place.
        """
        writers = (k for k in reversed(range(before)) if self.operators[k].result == parameter)
        return next((k for k in writers if self.operators[k].op != SHIFT), None)

    @functools.cached_property
    def shifts(self) -> dict[int, int]:
        """Tensors whose rows move -> the operator that moves them; see `with_shifts`."""
        return {o.result: k for k, o in enumerate(self.operators) if o.op == SHIFT}

    def needs(self, index: int) -> list[tuple[int, Numbers]]:
        """The operators that one waits for, with their events needed before each event."""
        operator = self.operators[index]
        if operator.op == SHIFT:
            return self._shift_needs(index)
        waits = []
        for parameter, reads in zip(operator.operands, operator.reads, strict=True):
            producer = None if reads is None else self.producer(parameter, index)
            if reads is not None and producer is not None:
                waits.append((producer, _events_for(self.operators[producer].writes, reads)))
        if self.shifts.get(operator.result) == index + 1:
            before = self.line_buffers[operator.result] - self.lead(operator.result)
            moves = tuple(max(e + 1 - before, 0) for e in range(operator.events))
            waits.append((index + 1, moves))
        return [*waits, self.delays[index]] if index in self.delays else waits

    def _shift_needs(self, index: int) -> list[tuple[int, Numbers]]:
        """Before rows move, the newest one is there, and nobody wants the oldest any more."""
        moved = self.operators[index]
        events = np.arange(moved.events)
        readers = readers_of(self, [moved.result])[moved.result]
        lead, buffer_rows = self.lead(moved.result), self.line_buffers[moved.result]
        done = {k: np.searchsorted(low, events + 1 - lead, side="left") for k, low in readers}
        waits = {index - 1: events + buffer_rows - lead, **done}
        return [(k, tuple(n.tolist())) for k, n in waits.items()]

    def producer_of(self, parameter: int) -> int:
        """The first operator that writes a parameter."""
        return next(k for k, o in enumerate(self.operators) if o.result == parameter)

    def can_shift(self, parameter: int) -> bool:
        """Whether a tensor has several rows in a line buffer, written one after the other."""
        writer = self.operators[self.producer_of(parameter)]
        in_step = writer.in_step and writer.events == self.rows[parameter]
        return in_step and 1 < self.line_buffers.get(parameter, 1) and self.tiles is None

    def lead(self, parameter: int) -> int:
        """The place of row 0 in a shifting line buffer before any shift; see `with_shifts`."""
        unmoved = self.rows[parameter] - self.operators[self.shifts[parameter]].events
        return self.line_buffers[parameter] - unmoved

    @property
    def extra_macs(self) -> int:
        """Multiply-accumulates beyond the model's."""
        return sum(operator.extra_macs for operator in self.operators)

    def parts(self) -> list[Stage]:
        """A stage for each row of tiles, with the events of that row only."""
        if self.tiles is None:
            return [self]
        return [self._part(spans) for spans in zip(*self.tiles.events, strict=True)]

    def _part(self, spans: Sequence[Range]) -> Stage:
        operators = tuple(o.part(span) for o, span in zip(self.operators, spans, strict=True))
        delays = {
            k: (other, tuple(max(n - spans[other][0], 0) for n in numbers[slice(*spans[k])]))
            for k, (other, numbers) in self.delays.items()
        }
        return replace(self, operators=operators, delays=delays, tiles=None)


def order(stage: Stage) -> list[tuple[int, int]]:
    """(operator, event) in the order in which the stage's driver runs them."""
    return [(operator, event) for _, operator, event in tiled_order(stage)]


def tiled_order(stage: Stage) -> list[tuple[int, int, int]]:
    """(tile, operator, event) in that order."""
    if stage.tiles is None:
        return [(0, operator, event) for operator, event in plain_order(stage)]
    rows, columns = stage.tiles.split
    firsts = [[first for first, _ in spans] for spans in zip(*stage.tiles.events, strict=True)]
    orders = [plain_order(part) for part in stage.parts()]
    return [
        (row * columns + column, k, firsts[row][k] + event)
        for row in range(rows)
        for column in range(columns)
        for k, event in orders[row]
    ]


def plain_order(stage: Stage) -> list[tuple[int, int]]:
    """The order in a stage without tiles."""
    operators = stage.operators
    needs = [stage.needs(k) for k in range(len(operators))]
    # After operator k has run, nothing behind it is ready but, perhaps, what reads its result.
    deepest = list(range(len(operators)))
    for k, waits in enumerate(needs):
        for producer, _ in waits:
            deepest[producer] = max(deepest[producer], k)
    done = [0] * len(operators)
    sequence = []
    k = len(operators) - 1
    while k >= 0:
        event = done[k]
        if event < operators[k].events and all(done[p] >= n[event] for p, n in needs[k]):
            sequence.append((k, event))
            done[k] += 1
            k = deepest[k]
        else:
            k -= 1
    assert all(d == o.events for d, o in zip(done, operators, strict=True)), "a stage got stuck"
    return sequence


def readers_of(stage: Stage, parameters: Sequence[int]) -> dict[int, list[tuple[int, list[int]]]]:
    """The readers of each tensor: (operator, lowest row wanted from each event on)."""
    readers: dict[int, list[tuple[int, list[int]]]] = {p: [] for p in parameters}
    for k, operator in enumerate(stage.operators):
        for parameter, span in zip(operator.operands, operator.reads, strict=True):
            if span is not None and parameter in readers:
                readers[parameter].append((k, _lowest_from(span)))
    return readers


# After its last event an operator wants nothing of a tensor any more.
NOTHING = 1 << 40


@functools.lru_cache(maxsize=4096)
def _lowest_from(span: Rows) -> list[int]:
    """For each event, and the end: the lowest row read from there on."""
    lowest = NOTHING
    result = [lowest]
    for first, end in zip(reversed(span.first), reversed(span.end), strict=True):
        lowest = min(lowest, first) if end > first else lowest
        result.append(lowest)
    return result[::-1]


@functools.lru_cache(maxsize=4096)
def _events_for(writes: Rows, reads: Rows) -> Numbers:
    """The number of writing events that must be done before each reading event.

    All up to the last that touches a row that is wanted: a row may take several.
    """
    firsts = np.minimum.accumulate(np.asarray(writes.first)[::-1])[::-1]
    some = np.asarray(reads.end) > np.asarray(reads.first)
    events = np.searchsorted(firsts, np.where(some, reads.end, 0), side="left")
    return tuple(int(n) for n in events)
