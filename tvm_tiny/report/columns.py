"""Columns of a picture: events by step, each step as wide as its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import numpy as np

from tvm_tiny.graph import Graph, Step
from tvm_tiny.occupancy import Occupancy

# Columns of a step even if it hardly takes time, so that it can be seen.
_LEAST = 4

# Indices of events, one array a column.
Part = list[np.ndarray]


@dataclass(frozen=True)
class Columns:
    """parts: before all steps, of each step that runs anything, and after all.

    shown: per column, which of its indices stands for it: the one with most bytes in use.
    """

    steps: tuple[Step, ...]
    parts: tuple[Part, ...]
    shown: np.ndarray

    @property
    def starts(self) -> list[int]:
        """The first column of each part, and the end."""
        return list(accumulate(map(len, self.parts), initial=0))


def columns_of(occupancy: Occupancy, count: int) -> Columns:
    """About `count` columns."""
    steps = [next(group).step for _, group in groupby(occupancy.events, lambda e: e.step.index)]
    lengths = Counter(event.step.index for event in occupancy.events)
    starts = accumulate((lengths[step.index] for step in steps), initial=1)
    work = [_work(step, occupancy.run) for step in steps]
    share = count / max(sum(work), 1)
    middle = [
        _split(start, lengths[step.index], round(part * share))
        for step, start, part in zip(steps, starts, work, strict=False)
    ]
    last = len(occupancy.events) + 1
    parts = (_split(0, 1, _LEAST), *middle, _split(last, 1, _LEAST))
    shown = np.array([_fullest(occupancy, column) for part in parts for column in part])
    return Columns(tuple(steps), parts, shown)


def _work(step: Step, graph: Graph) -> int:
    """Multiply-accumulates and bytes written: roughly how long a step takes."""
    results = [graph.storage[o.output] for o in step.operators]
    written = results or [graph.storage[k] for k in step.outputs]
    return step.macs + sum(storage.rows * storage.row_bytes for storage in written)


def _split(start: int, length: int, columns: int) -> Part:
    """`length` indices in that many columns, or `_LEAST`; few are shown several times."""
    count = max(columns, _LEAST)
    wide = np.repeat(np.arange(start, start + length), -(-count // length))
    return np.array_split(wide, count)


def _fullest(occupancy: Occupancy, column: Sequence[int] | np.ndarray) -> int:
    return int(column[int(np.argmax(occupancy.used[column]))])
