"""Which bytes of which tensor are needed when, and how close two tensors may come.

Time is counted in events: runs of one row kernel. Between its first and its last use a tensor
needs an interval of bytes that grows as rows are written and shrinks as rows are read for the
last time. Two tensors may share bytes as long as these intervals, put at their offsets, never
meet; so for each order of the two there is one smallest distance.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .graph import Graph, Operator, Step, Storage
from .schedules.stage import Rows, order

_NEVER = 1 << 40


@dataclass(frozen=True)
class Event:
    """One run of a row kernel, or of one of TVM's own kernels (operator None)."""

    step: Step
    operator: Operator | None
    number: int


@dataclass
class Life:
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


@dataclass
class Timeline:
    """All events of an inference in order, and the life of each tensor in SRAM."""

    events: list[Event]
    lives: dict[int, Life]
    # (reader's tensor, writer's tensor) -> indices and distances at which one event does both.
    together: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)

    def live_bytes(self, index: int | None = None) -> np.ndarray:
        """Bytes needed after each event, of all tensors or of one."""
        chosen = self.lives.values() if index is None else [self.lives[index]]
        total = np.zeros(len(self.events) + 2, dtype=np.int64)
        for life in chosen:
            total += np.maximum(life.high_after - life.low_after, 0)
        return total


def read_timeline(graph: Graph, *, backward: bool = False) -> Timeline:
    """The timeline of a graph, from the order in which its stages run their operators.

    backward: with the rows of all layers that are `reversible` from the last to the first.
    """
    events = [event for step in graph.steps for event in _events(step, graph, backward)]
    uses = _Uses(graph, events)
    lives = {t.index: uses.life(t) for t in graph.tensors if uses.any_of(t)}
    return Timeline(events, lives, uses.together)


def reversible(step: Step, graph: Graph) -> bool:
    """Whether a step may run from its last row to its first: one operator of one dying tensor.

    Then its result may lie over the tensor from either side.
    """
    if len(step.operators) != 1 or step.operators[0].stage.accumulates:
        return False
    sources = {s for s in step.operators[0].inputs if not graph.storage[s].is_constant}
    return len(sources) == 1 and not sources & set(graph.outputs)


def _events(step: Step, graph: Graph, backward: bool) -> list[Event]:
    if step.stage is None:
        return [Event(step, None, 0)]
    events = [Event(step, step.operators[k], event) for k, event in order(step.stage)]
    return events[::-1] if backward and reversible(step, graph) else events


class _Uses:
    """Reads and writes of all tensors, in logical bytes (as if no tensor were a ring)."""

    def __init__(self, graph: Graph, events: Sequence[Event]) -> None:
        self._graph = graph
        self._count = len(events) + 2
        # storage -> (index, first byte, end byte)
        self._reads: dict[int, list[tuple[int, int, int]]] = {}
        self._writes: dict[int, list[tuple[int, int, int]]] = {}
        self.together: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for storage in graph.inputs:
            self._note(self._writes, storage, 0, (0, self._logical(storage)))
        for index, event in enumerate(events, 1):
            self._event(index, event)
        for storage in graph.outputs:
            self._note(self._reads, storage, self._count - 1, (0, self._logical(storage)))

    def _logical(self, storage: int) -> int:
        tensor = self._graph.storage[storage]
        return tensor.bytes if tensor.ring >= tensor.rows else tensor.rows * tensor.row_bytes

    def _note(
        self,
        uses: dict[int, list[tuple[int, int, int]]],
        storage: int,
        index: int,
        span: tuple[int, int],
    ) -> None:
        if span[1] > span[0]:
            uses.setdefault(storage, []).append((index, *span))

    def _event(self, index: int, event: Event) -> None:
        if event.operator is None:
            for storage in event.step.inputs:
                self._note(self._reads, storage, index, (0, self._logical(storage)))
            for storage in event.step.outputs:
                self._note(self._writes, storage, index, (0, self._logical(storage)))
            return
        operator, stage = event.operator, event.operator.stage
        assert event.step.stage is not None
        rows = event.step.stage.rows
        written = self._span(operator.output, rows[stage.result], stage.writes, event.number)
        self._note(self._writes, operator.output, index, written)
        if stage.accumulates and event.number > 0:
            self._note(self._reads, operator.output, index, written)
        for position, (storage, reads) in enumerate(
            zip(operator.inputs, stage.reads, strict=True)
        ):
            if reads is None or self._graph.storage[storage].is_constant:
                continue
            span = self._span(storage, rows[stage.operands[position]], reads, event.number)
            self._note(self._reads, storage, index, span)
            self._note_together(index, event, position, span, written)

    def _span(self, storage: int, rows: int, touched: Rows, event: int) -> tuple[int, int]:
        """Rows as bytes; `rows` of the operand's view, which a reshape may have changed."""
        size = self._logical(storage) // max(rows, 1)
        return touched.first[event] * size, touched.end[event] * size

    def _note_together(
        self,
        index: int,
        event: Event,
        position: int,
        read: tuple[int, int],
        written: tuple[int, int],
    ) -> None:
        """How far the event's writes get before its reads, in bytes of both memories."""
        operator = event.operator
        assert operator is not None
        within = operator.stage.within[position]
        source, target = operator.inputs[position], operator.output
        if within is None or read[1] <= read[0]:
            return
        read_wraps, read_base = self._wrap(source, read)
        _, write_base = self._wrap(target, written)
        if read_wraps:
            distance = written[1] - write_base
        else:
            distance = within[event.number] - write_base + read_base
        self.together.setdefault((source, target), []).append((index, distance))

    def _wrap(self, storage: int, span: tuple[int, int]) -> tuple[bool, int]:
        """Whether logical bytes wrap around in a ring, and what to subtract where they do not."""
        size = max(self._graph.storage[storage].bytes, 1)
        base = span[0] // size * size
        return span[1] > base + size, base

    def any_of(self, tensor: Storage) -> bool:
        """Whether anything touches the tensor."""
        return tensor.index in self._reads or tensor.index in self._writes

    def life(self, tensor: Storage) -> Life:
        """The needed interval at each index."""
        count = self._count
        read_low = np.full(count + 1, _NEVER, dtype=np.int64)
        read_high = np.full(count + 1, -_NEVER, dtype=np.int64)
        for index, low, high in self._reads.get(tensor.index, []):
            read_low[index] = min(read_low[index], low)
            read_high[index] = max(read_high[index], high)
        write_low = np.full(count, _NEVER, dtype=np.int64)
        write_high = np.full(count, -_NEVER, dtype=np.int64)
        for index, low, high in self._writes.get(tensor.index, []):
            write_low[index] = min(write_low[index], low)
            write_high[index] = max(write_high[index], high)
        wanted_low = np.minimum.accumulate(read_low[::-1])[::-1]
        wanted_high = np.maximum.accumulate(read_high[::-1])[::-1]
        made_low = np.minimum.accumulate(write_low)
        made_high = np.maximum.accumulate(write_high)
        return Life(
            *self._memory(
                tensor,
                np.minimum(np.maximum(made_low, wanted_low[:-1]), write_low),
                np.maximum(np.minimum(made_high, wanted_high[:-1]), write_high),
            ),
            *self._memory(
                tensor,
                np.maximum(made_low, wanted_low[1:]),
                np.minimum(made_high, wanted_high[1:]),
            ),
        )

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


def distances(timeline: Timeline, tensors: Sequence[int]) -> dict[tuple[int, int], int]:
    """For tensors that are needed at one time: (below, above) -> the least offset between them."""
    result: dict[tuple[int, int], int] = {}
    spans = {t: timeline.lives[t].span() for t in tensors}
    for a, b in itertools.combinations(tensors, 2):
        first = max(spans[a][0], spans[b][0])
        last = min(spans[a][1], spans[b][1])
        if first > last:
            continue
        window = slice(first, last + 1)
        for below, above in ((a, b), (b, a)):
            distance = _distance(timeline, below, above, window)
            if distance is not None:
                result[below, above] = distance
    return result


def _distance(timeline: Timeline, below: int, above: int, window: slice) -> int | None:
    """The largest (end of what is needed of `below` - start of what is needed of `above`)."""
    lower, upper = timeline.lives[below], timeline.lives[above]
    high, low = lower.high_during[window], upper.low_during[window]
    both = (high > lower.low_during[window]) & (upper.high_during[window] > low)
    gaps = np.where(both, high - low, -_NEVER)
    shared = timeline.together.get((above, below), [])
    found = [_shared_distance(lower, upper, index, within) for index, within in shared]
    for index, _ in shared:
        gaps[index - window.start] = -_NEVER
    most = max([int(gaps.max()), *found])
    return None if most <= -_NEVER // 2 else most


def _shared_distance(lower: Life, upper: Life, index: int, within: int) -> int:
    """At an event that reads `upper` and writes `lower`.

    What it writes must keep clear of what is read later; what was there before, of what it reads;
    and its own writes of its own later reads.
    """
    distance = within
    if upper.high_after[index] > upper.low_after[index]:
        distance = max(distance, int(lower.high_during[index] - upper.low_after[index]))
    if lower.high_after[index - 1] > lower.low_after[index - 1]:
        distance = max(distance, int(lower.high_after[index - 1] - upper.low_during[index]))
    return distance


@dataclass(frozen=True)
class Problem:
    """What a placement must keep.

    distances: between positions in the tensors given; bound: bytes that no placement can beat.
    choices: step -> (its input, its output, least offset between them in forward order, if the
    input is above and if it is below), for steps that may run backward.
    """

    distances: Mapping[tuple[int, int], int]
    bound: int
    choices: Mapping[int, tuple[int, int, int, int]]


def placement_problem(timeline: Timeline, graph: Graph, tensors: Sequence[Storage]) -> Problem:
    """The problem of a graph whose steps may run backward where they are `reversible`."""
    position = {t.index: k for k, t in enumerate(tensors)}
    indices = [t.index for t in tensors]
    forward = distances(timeline, indices)
    choices = {
        step.index: pair
        for step in graph.steps
        if reversible(step, graph) and (pair := _overlapping(step, graph, timeline)) is not None
    }
    result = dict(forward)
    if choices:
        result = distances(read_timeline(graph, backward=True), indices)
        over = {(target, source) for source, target in choices.values()}
        under = {(source, target) for source, target in choices.values()}
        for pair, distance in forward.items():
            if pair in over:
                result[pair] = distance
            elif pair not in under:
                result[pair] = max(distance, result.get(pair, distance))
    bound = sum((timeline.live_bytes(i) for i in indices), np.zeros(1, dtype=np.int64))
    return Problem(
        {(position[a], position[b]): d for (a, b), d in result.items()},
        int(bound.max()),
        {
            step: (source, target, forward[target, source], forward[source, target])
            for step, (source, target) in choices.items()
            if source in position and target in position
        },
    )


def _overlapping(step: Step, graph: Graph, timeline: Timeline) -> tuple[int, int] | None:
    """Input and output of a step in which the one dies and the other begins."""
    operator = step.operators[0]
    source = next(s for s in operator.inputs if not graph.storage[s].is_constant)
    lives = timeline.lives
    if lives[source].span()[1] != lives[operator.output].span()[0] + operator.stage.events - 1:
        return None
    return source, operator.output
