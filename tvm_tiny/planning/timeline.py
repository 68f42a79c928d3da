"""Which bytes of which tensor are needed when.

Time is counted in events: runs of one row kernel. Between its first and its last use a tensor
needs an interval of bytes that grows as rows are written and shrinks as rows are read for the
last time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tvm_tiny.lowering.graph import Graph, Operator, Step, Storage
from tvm_tiny.schedules.stages.stage import Rows, Stage, tiled_order

_NEVER = 1 << 40
# Where the bounds of what is read and of what is written are in a list of them.
_READ, _WRITTEN = 0, 2


@dataclass(frozen=True)
class Event:
    """One run of a row kernel, or of one of TVM's own kernels (operator None).

    position: of the operator in its step. tile: of a patch stage, counted from 0.
    """

    step: Step
    operator: Operator | None
    number: int
    position: int = 0
    tile: int = 0


@dataclass
class LiveRange:
    """Bytes [low, high) of a tensor's memory that are needed, event by event.

    during: while the event runs, all it reads and writes included. after: when it has ended.
    Empty where high <= low. Index 0 is before the first event, when inputs are written; the last
    one after the last event, when outputs are read.
    """

    low_during: np.ndarray
    high_during: np.ndarray
    low_after: np.ndarray
    high_after: np.ndarray

    def span(self) -> tuple[int, int]:
        """First and last index at which anything is needed; (0, -1) if never."""
        used = np.flatnonzero(self.high_during > self.low_during)
        return (int(used[0]), int(used[-1])) if len(used) else (0, -1)


# Of two tensors, indices of events that read the one and write the other, and how far the writes
# of each get before its reads (see `Access.within`).
Together = tuple[np.ndarray, np.ndarray]


@dataclass
class Timeline:
    """All events of an inference in order, and the life of each tensor in SRAM.

    together: (tensor read, tensor written) -> the events that do both.
    """

    events: list[Event]
    live_ranges: dict[int, LiveRange]
    together: dict[tuple[int, int], list[Together]] = field(default_factory=dict)

    def live_bytes(self, index: int | None = None) -> np.ndarray:
        """Bytes needed after each event, of all tensors or of one."""
        chosen = self.live_ranges.values() if index is None else [self.live_ranges[index]]
        total = np.zeros(len(self.events) + 2, dtype=np.int64)
        for live_range in chosen:
            total += np.maximum(live_range.high_after - live_range.low_after, 0)
        return total


def read_timeline(graph: Graph, *, backward: bool = False) -> Timeline:
    """The timeline of a graph, from the order in which its stages run their operators.

    backward: with the rows of all layers that are `reversible` from the last to the first.
    """
    events = [event for step in graph.steps for event in _events(step, graph, backward)]
    uses = _Uses(graph, events)
    live_ranges = {index: uses.live_range(index) for index in sorted(uses.touched)}
    return Timeline(events, live_ranges, uses.together)


def reversible(step: Step, graph: Graph) -> bool:
    """Whether a step may run from its last row to its first: one operator of one dying tensor.

    Then its result may lie over the tensor from either side.
    """
    if len(step.operators) != 1 or step.operators[0].row_op.accumulates:
        return False
    if step.stage is None or step.stage.tiles is not None:
        return False
    sources = {s for s in step.operators[0].inputs if not graph.storage[s].is_constant}
    return len(sources) == 1 and not sources & set(graph.outputs)


def _events(step: Step, graph: Graph, backward: bool) -> list[Event]:
    if step.stage is None:
        return [Event(step, None, 0)]
    runs = tiled_order(step.stage)
    events = [Event(step, step.operators[k], event, k, tile) for tile, k, event in runs]
    return events[::-1] if backward and reversible(step, graph) else events


@dataclass(frozen=True)
class _Runs:
    """When an operator ran: indices of the timeline, its events, and their tiles."""

    at: np.ndarray
    events: np.ndarray
    tiles: np.ndarray


class _Uses:
    """Reads and writes of all tensors, in logical bytes (as if no tensor were a ring)."""

    def __init__(self, graph: Graph, events: Sequence[Event]) -> None:
        self._graph = graph
        self._count = len(events) + 2
        # storage -> first and end byte read, first and end byte written, at each index
        self._bounds: dict[int, list[np.ndarray]] = {}
        self.together: dict[tuple[int, int], list[Together]] = {}
        self._scratch: set[int] = set()
        # storage whose rows move or climb -> the byte at which its memory begins, at each index
        self._skewed = dict(_skewed(graph, events))
        self._starts = dict(_starts(graph, events)) | self._skewed
        for storage in graph.inputs:
            self._note(storage, _WRITTEN, 0, 0, self._logical(storage))
        for storage in graph.outputs:
            self._note(storage, _READ, self._count - 1, 0, self._logical(storage))
        self._note_events(events)

    @property
    def touched(self) -> set[int]:
        """The tensors that anything reads or writes."""
        return set(self._bounds)

    def _logical(self, storage: int) -> int:
        tensor = self._graph.storage[storage]
        return tensor.bytes if tensor.buffer_rows >= tensor.rows else tensor.rows * tensor.row_bytes

    def _note(self, storage: int, kind: int, at: Any, first: Any, end: Any) -> None:
        """Bytes [first, end) at indices `at`; nothing where they are empty."""
        if storage not in self._bounds:
            empty = (np.full(self._count, v, dtype=np.int64) for v in (_NEVER, -_NEVER) * 2)
            self._bounds[storage] = list(empty)
        low, high = self._bounds[storage][kind : kind + 2]
        some = np.asarray(end) > np.asarray(first)
        low[at] = np.minimum(low[at], np.where(some, first, _NEVER))
        high[at] = np.maximum(high[at], np.where(some, end, -_NEVER))

    def _note_events(self, events: Sequence[Event]) -> None:
        """All runs of an operator at once."""
        runs: dict[tuple[int, int], list[int]] = {}
        for index, event in enumerate(events, 1):
            position = -1 if event.operator is None else event.position
            runs.setdefault((event.step.index, position), []).append(index)
        numbers = np.array([(event.number, event.tile) for event in events]).reshape(-1, 2)
        for (step, position), indices in runs.items():
            at = np.asarray(indices)
            if position < 0:
                self._note_whole(self._graph.steps[step], at)
            else:
                ran = _Runs(at, *numbers[at - 1].T)
                self._note_operator(self._graph.steps[step], position, ran)

    def _note_whole(self, step: Step, at: np.ndarray) -> None:
        for storage in step.inputs:
            if not self._graph.storage[storage].is_constant:
                self._note(storage, _READ, at, 0, self._logical(storage))
        for storage in step.outputs:
            self._note(storage, _WRITTEN, at, 0, self._logical(storage))

    def _note_operator(self, step: Step, position: int, ran: _Runs) -> None:
        assert step.stage is not None
        operator, at, events = step.operators[position], ran.at, ran.events
        stage = operator.row_op
        if operator.scratch is not None:
            self._scratch.add(operator.scratch)
            self._note(operator.scratch, _WRITTEN, at, 0, self._logical(operator.scratch))
        written = self._span(step.stage, operator.output, stage.result, stage.writes, ran)
        self._note(operator.output, _WRITTEN, at, *written)
        if stage.accumulates:
            later = events > 0
            own = [bound[later] for bound in written]
            self._note(operator.output, _READ, at[later], *own)
        for k, (storage, reads) in enumerate(zip(operator.inputs, stage.reads, strict=True)):
            if reads is None or self._graph.storage[storage].is_constant:
                continue
            read = self._span(step.stage, storage, stage.operands[k], reads, ran)
            self._note(storage, _READ, at, *read)
            within = stage.within[k]
            if within is not None:
                ahead = np.asarray(within)[events]
                self._note_together((storage, operator.output), at, read, written, ahead)

    def _span(
        self, stage: Stage, storage: int, parameter: int, touched: Rows, ran: _Runs
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows as bytes; rows of the parameter's view, which a reshape may have changed.

        Each tile has rows of its own of a tensor inside a stage: as if they came one behind the
        other, in such a way that they find the same places in the tensor's ring.
        """
        rows, buffer_rows = (
            max(stage.rows[parameter], 1),
            max(self._graph.storage[storage].buffer_rows, 1),
        )
        apart = -(-rows // buffer_rows) * buffer_rows if parameter in stage.widths else 0
        size = self._logical(storage) // rows
        first, end = np.asarray(touched.first), np.asarray(touched.end)
        start = ran.tiles * apart
        return (start + first[ran.events]) * size, (start + end[ran.events]) * size

    def _note_together(
        self,
        pair: tuple[int, int],
        at: np.ndarray,
        read: tuple[np.ndarray, np.ndarray],
        written: tuple[np.ndarray, np.ndarray],
        within: np.ndarray,
    ) -> None:
        """How far each event's writes get before its reads, in bytes of both memories."""
        source, target = (max(self._graph.storage[s].bytes, 1) for s in pair)
        read_base, write_base = (
            self._starts[s][at] if s in self._starts else span[0] // size * size
            for s, span, size in ((pair[0], read, source), (pair[1], written, target))
        )
        # Of a read that wraps around in its ring nothing is known but that it is in the memory.
        separation = np.where(
            read[1] > read_base + source,
            written[1] - write_base,
            within - write_base + read_base,
        )
        some = read[1] > read[0]
        self.together.setdefault(pair, []).append((at[some], separation[some]))

    def live_range(self, index: int) -> LiveRange:
        """The needed interval of a tensor at each index."""
        tensor = self._graph.storage[index]
        read_low, read_high, write_low, write_high = self._bounds[index]
        if index in self._scratch:
            # What an event leaves there nobody wants.
            nothing = np.zeros_like(write_high)
            return LiveRange(nothing, np.maximum(write_high, 0), nothing, nothing)
        wanted_low = np.minimum.accumulate(np.append(read_low, _NEVER)[::-1])[::-1]
        wanted_high = np.maximum.accumulate(np.append(read_high, -_NEVER)[::-1])[::-1]
        made_low = np.minimum.accumulate(write_low)
        made_high = np.maximum.accumulate(write_high)
        during = (
            np.minimum(np.maximum(made_low, wanted_low[:-1]), write_low),
            np.maximum(np.minimum(made_high, wanted_high[:-1]), write_high),
        )
        after = np.maximum(made_low, wanted_low[1:]), np.minimum(made_high, wanted_high[1:])
        if index in self._starts:
            start = self._starts[index]
            if index in self._skewed:
                return LiveRange(*_moved(during, start), *_moved(after, start))
            # While rows move they are read where they were.
            return LiveRange(
                *_moved(during, start, np.append(start[:1], start)), *_moved(after, start)
            )
        return LiveRange(*self._memory(tensor, *during), *self._memory(tensor, *after))

    def _memory(
        self, tensor: Storage, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logical intervals as intervals of the tensor's memory: all of it where a ring wraps."""
        size = max(tensor.bytes, 1)
        base = low // size * size
        wraps = high > base + size
        empty = high <= low
        memory_low = np.where(empty, 0, np.where(wraps, 0, low - base))
        memory_high = np.where(empty, 0, np.where(wraps, size, high - base))
        return memory_low, memory_high


def _starts(graph: Graph, events: Sequence[Event]) -> Iterator[tuple[int, np.ndarray]]:
    """Tensors whose rows move, and the byte of them that is the first of their memory.

    At each index; while the rows move, afterwards.
    """
    for step in graph.steps:
        for parameter, k in ({} if step.stage is None else step.stage.shifts).items():
            storage = graph.storage[step.operators[k].output]
            assert step.stage is not None
            moves = [e.step.index == step.index and e.position == k for e in events]
            moved = np.cumsum([0, *moves, 0])
            yield storage.index, (moved - step.stage.lead(parameter)) * storage.row_bytes


def _skewed(graph: Graph, events: Sequence[Event]) -> Iterator[tuple[int, np.ndarray]]:
    """The same of tensors that climb, from the event that writes a row until the next one."""
    writers = {s.index: [0] for s in graph.storage if s.skew}
    for event in events:
        written = None if event.operator is None else event.operator.output
        for storage, rows in writers.items():
            rows.append(event.number if storage == written else rows[-1])
    for storage, rows in writers.items():
        tensor = graph.storage[storage]
        yield storage, np.array([*rows, rows[-1]]) * (tensor.row_bytes - tensor.skew)


def _moved(
    span: tuple[np.ndarray, np.ndarray], start: np.ndarray, before: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Logical intervals as intervals of memory that begins with `start`, and did `before`."""
    low, high = span
    some = high > low
    earlier = start if before is None else before[: len(start)]
    return np.where(some, low - start, 0), np.where(some, high - earlier, 0)
