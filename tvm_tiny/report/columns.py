"""Columns of a picture: events by step, each step as wide as its work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import numpy as np

from tvm_tiny.lowering.graph import Graph, Step
from tvm_tiny.planning.arena_usage import ArenaUsage
from tvm_tiny.planning.events import Event

# The least number of columns of a step, so that a short step can be seen.
_LEAST = 4

# Indices of events, one array for each column.
Part = list[np.ndarray]


@dataclass(frozen=True)
class Columns:
    """The columns of a picture.

    steps  the steps that run anything
    parts  columns before all steps, of each step, and after all
    shown  for each column the event that stands for it: the one with most bytes in use
    """

    steps: tuple[Step, ...]
    parts: tuple[Part, ...]
    shown: np.ndarray

    @property
    def starts(self) -> list[int]:
        """The first column of each part, and the end."""
        return list(accumulate(map(len, self.parts), initial=0))


def columns_of(arena_usage: ArenaUsage, count: int) -> Columns:
    """Divides the events of a plan into about `count` columns."""
    steps = [next(group).step for _, group in groupby(arena_usage.events, lambda e: e.step.index)]
    work = _work(arena_usage)
    numbers = np.array([event.step.index for event in arena_usage.events])
    indices = [np.flatnonzero(numbers == step.index) for step in steps]
    share = count / max(float(work.sum()), 1.0)
    middle = [_split(k + 1, work[k], round(float(work[k].sum()) * share)) for k in indices]
    once = np.ones(1)
    last = np.array([len(arena_usage.events) + 1])
    parts = (_split(np.zeros(1, int), once, 0), *middle, _split(last, once, 0))
    shown = np.array([_fullest(arena_usage, column) for part in parts for column in part])
    return Columns(tuple(steps), parts, shown)


def _work(arena_usage: ArenaUsage) -> np.ndarray:
    """Multiply-accumulates plus bytes written of each event, a rough measure of its time."""
    # At least 1, or an event could be in no column.
    return np.array([max(_event_work(e, arena_usage.run), 1.0) for e in arena_usage.events])


def _event_work(event: Event, graph: Graph) -> float:
    operator = event.operator
    if operator is None:
        return sum(graph.storage[k].bytes for k in event.step.outputs)
    result = graph.storage[operator.output]
    written = max(result.rows, 1) * result.row_bytes
    return (operator.row_op.macs + written) / operator.row_op.events


def _split(indices: np.ndarray, work: np.ndarray, columns: int) -> Part:
    """Divides events into at least `_LEAST` columns of equal work; one may be in several."""
    count = max(columns, _LEAST)
    ends = np.cumsum(work) * count / max(float(work.sum()), 1.0)
    ends[-1] = count
    first = np.searchsorted(ends, np.arange(count), side="right")
    last = np.searchsorted(ends, np.arange(1, count + 1), side="left")
    return [indices[a : b + 1] for a, b in zip(first, last, strict=True)]


def _fullest(arena_usage: ArenaUsage, column: Sequence[int] | np.ndarray) -> int:
    return int(column[int(np.argmax(arena_usage.used[column]))])
