"""Which bytes of the arena are in use at each event of a planned model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from tvm.ir import IRModule

from tvm_tiny.lowering.graph import Graph, Step, read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan
from tvm_tiny.schedules.stages.stage import Rows

from .events import Event
from .timeline import Timeline, read_timeline


class Span(NamedTuple):
    """Bytes [low, high) of the arena that a tensor needs.

    tensor: an index of the graph's storage. Several pools count as if they lay one behind the
    other.
    """

    tensor: int
    low: int
    high: int


@dataclass(frozen=True)
class ArenaUsage:
    """A graph and its plan, event by event.

    Index 0 is before the first event, when inputs are written; index k is event k - 1; the last
    index is after the last event, when outputs are read.
    """

    graph: Graph
    plan: MemoryPlan

    @cached_property
    def run(self) -> Graph:
        """The graph with the rows of backward layers in the order in which they run."""
        backward = set(self.plan.backward)
        steps = [_reversed(s) if s.index in backward else s for s in self.graph.steps]
        return replace(self.graph, steps=steps)

    @cached_property
    def timeline(self) -> Timeline:
        """Events in the order in which they run."""
        return read_timeline(self.run)

    @property
    def events(self) -> Sequence[Event]:
        """Index k is the event k - 1."""
        return self.timeline.events

    def spans(self, index: int) -> list[Span]:
        """The bytes that are needed while the event at an index runs, by address.

        Spans overlap where a row is written over one that is read for the last time.
        """
        found = []
        for tensor in self.plan.offsets:
            offset, live_range = self.plan.address(tensor), self.timeline.live_ranges.get(tensor)
            if (
                live_range is not None
                and live_range.high_during[index] > live_range.low_during[index]
            ):
                low, high = int(live_range.low_during[index]), int(live_range.high_during[index])
                found.append(Span(tensor, offset + low, offset + high))
        return sorted(found, key=lambda span: (span.low, span.high, span.tensor))

    @cached_property
    def used(self) -> np.ndarray:
        """Bytes in use at each index, int64; those that two tensors share count once."""
        count = len(self.events) + 2
        return np.array([_covered(self.spans(index)) for index in range(count)], dtype=np.int64)

    @property
    def peak(self) -> int:
        """The first index at which most bytes are in use."""
        return int(np.argmax(self.used))


def read_arena_usage(mod: IRModule) -> ArenaUsage:
    """The occupancy of a module that PlanMemory has planned."""
    plan = MemoryPlan.from_json(str(mod["main"].attrs[ATTRIBUTE]))
    return ArenaUsage(read_graph(mod), plan)


def row(event: Event) -> int | None:
    """The first row that an event writes; None for kernels that have no rows."""
    return None if event.operator is None else event.operator.row_op.writes.first[event.number]


def most_by_operator(arena_usage: ArenaUsage) -> list[int]:
    """The most bytes in use while each operator runs, in order.

    A step without operators counts as one.
    """
    most: Counter[int] = Counter()
    for index, event in enumerate(arena_usage.events, 1):
        key = id(event.operator or event.step)
        most[key] = max(most[key], int(arena_usage.used[index]))
    return [most[id(item)] for s in arena_usage.run.steps for item in s.operators or (s,)]


def _covered(spans: Sequence[Span]) -> int:
    """Bytes in any of the spans, which come by address."""
    total = end = 0
    for _, low, high in spans:
        total += max(0, high - max(low, end))
        end = max(end, high)
    return total


def _reversed(step: Step) -> Step:
    operators = tuple(
        replace(
            operator,
            row_op=replace(
                operator.row_op,
                reads=tuple(None if r is None else _backward(r) for r in operator.row_op.reads),
                writes=_backward(operator.row_op.writes),
                within=tuple(None if w is None else w[::-1] for w in operator.row_op.within),
            ),
        )
        for operator in step.operators
    )
    return replace(step, operators=operators)


def _backward(rows: Rows) -> Rows:
    return Rows(rows.first[::-1], rows.end[::-1])
