"""The timeline of an inference: its events, and the live ranges of its tensors.

Time is counted in events, each a run of one row kernel. Between its first and its last use a
tensor needs an interval of bytes that grows as rows are written and shrinks as rows are read for
the last time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tvm_tiny.lowering.graph import Graph

from .accesses import Together, accesses_of
from .bases import bases_of
from .events import Event, events_of
from .live_ranges import LiveRange, live_range


@dataclass
class Timeline:
    """The events of an inference in order, and the live range of each tensor.

    together: (tensor read, tensor written) -> the events that do both.
    """

    events: list[Event]
    live_ranges: dict[int, LiveRange]
    together: dict[tuple[int, int], list[Together]] = field(default_factory=dict)

    def live_bytes(self, index: int | None = None) -> np.ndarray:
        """Bytes needed after each event, of all tensors or of one."""
        chosen = self.live_ranges.values() if index is None else [self.live_ranges[index]]
        total = np.zeros(len(self.events) + 2, dtype=np.int64)
        for each in chosen:
            total += np.maximum(each.high_after - each.low_after, 0)
        return total


def read_timeline(graph: Graph, *, backward: bool = False) -> Timeline:
    """The timeline of a graph, from the order in which its stages run their operators.

    backward: with the rows of all layers that are `reversible` from the last to the first.
    """
    events = events_of(graph, backward=backward)
    accesses = accesses_of(graph, events, bases_of(graph, events))
    live_ranges = {index: live_range(accesses, index) for index in accesses.tensors}
    return Timeline(events, live_ranges, accesses.together)
