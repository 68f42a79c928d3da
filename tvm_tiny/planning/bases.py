"""Tensors whose rows do not stay in place: where their memory begins, event by event.

The base of a tensor is the logical byte (as if the tensor were whole) that lies in the first byte
of its memory: byte b is at b - base.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tvm_tiny.lowering.graph import Graph

from .events import Event


@dataclass(frozen=True)
class Bases:
    """The bases of shifting line buffers and of skewed tensors, by storage.

    Each is int64 [indices of the timeline]. While a line buffer shifts, its base is the one after
    it.
    """

    shifting: dict[int, np.ndarray]
    skewed: dict[int, np.ndarray]

    def of(self, storage: int) -> np.ndarray | None:
        """The base of a storage at each index; None where its rows stay in place."""
        return self.skewed.get(storage, self.shifting.get(storage))


def bases_of(graph: Graph, events: Sequence[Event]) -> Bases:
    """The bases of all tensors of a graph whose rows do not stay in place."""
    return Bases(dict(_shifting(graph, events)), dict(_skewed(graph, events)))


def _shifting(graph: Graph, events: Sequence[Event]) -> Iterator[tuple[int, np.ndarray]]:
    for step in graph.steps:
        if step.stage is None:
            continue
        for parameter, k in step.stage.shifts.items():
            storage = graph.storage[step.operators[k].output]
            shifts = [e.step.index == step.index and e.position == k for e in events]
            shifted = np.cumsum([0, *shifts, 0])
            yield storage.index, (shifted - step.stage.lead(parameter)) * storage.row_bytes


def _skewed(graph: Graph, events: Sequence[Event]) -> Iterator[tuple[int, np.ndarray]]:
    """A skewed tensor has one row: the last one written, until the next one is."""
    rows = {s.index: [0] for s in graph.storage if s.skew}
    for event in events:
        written = None if event.operator is None else event.operator.output
        for storage, found in rows.items():
            found.append(event.number if storage == written else found[-1])
    for storage, found in rows.items():
        tensor = graph.storage[storage]
        yield storage, np.array([*found, found[-1]]) * (tensor.row_bytes - tensor.skew)
