"""Costs of steps: the memory that each needs alone, and its driver's work."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from tvm_tiny.schedules.stages.stage import STEADY, BufferPolicy

from .memory import quick_size
from .network import Network, Range, sketch
from .partition import Edge, Key, moving
from .patches import around, can_divide, extra_macs

# The least memory that a step is expected to need, in percent of what it needs if STEADY.
MOVING = {
    BufferPolicy(skews=True): 90,
    BufferPolicy(shifts=True): 75,
    BufferPolicy(shifts=True, skews=True): 75,
}


@dataclass
class EdgeCosts:
    """Costs of the steps of one network; each is measured once, when first asked for.

    splits: into how many rows and columns of tiles a patch stage may be divided, if there may be
    any.
    """

    network: Network
    io_in_arena: bool
    splits: Sequence[Range]
    _edges: dict[Key, Edge] = field(default_factory=dict)
    _extra_macs: dict[Key, int] = field(default_factory=dict)

    def edge(self, first: int, last: int, policy: BufferPolicy = STEADY) -> Edge:
        """The step that runs these operators, its memory measured by a quick plan."""
        key = first, last, policy
        if key not in self._edges:
            graph = sketch(self.network, [(first, last)], moving([key]))
            size = quick_size(graph, io_in_arena=self.io_in_arena)
            self._edges[key] = Edge(first, last, size, self.overhead(key), policy)
        return self._edges[key]

    def improve(self, edge: Edge, size: int) -> Edge:
        """The step after a better plan of it has needed `size` bytes."""
        self._edges[edge.key] = replace(edge, bytes=min(edge.bytes, size))
        return self._edges[edge.key]

    def overhead(self, key: Key) -> int:
        """The work of a step's driver, in rows whose turn it has to find.

        A layer is a plain loop, which has no such work.
        A multiply-accumulate that tiles compute twice counts as much, and so does a row that is
        shifted.
        """
        first, last, policy = key
        rows = self._rows_before[last + 1] - self._rows_before[first] if last > first else 0
        if not policy.tiles:
            return rows + rows * policy.shifts
        if key not in self._extra_macs:
            self._extra_macs[key] = extra_macs(self.network, (first, last), policy.tiles)
        return rows * policy.tiles[1] + self._extra_macs[key]

    def bounds(self, start: int) -> Iterator[Edge]:
        """All steps that begin at `start`, with bounds on their memory, without a plan."""
        for stop in self._stops(start):
            least = max(self._crossing[start], self._crossing[stop])
            yield Edge(start, stop - 1, least, self.overhead((start, stop - 1, STEADY)))

    def moving_bounds(self, edge: Edge) -> Iterator[Edge]:
        """The operators of an edge under other policies, with bounds on their memory."""
        if edge.last == edge.first:
            return
        crossing = max(self._crossing[edge.first], self._crossing[edge.stop])
        for policy, percent in MOVING.items():
            least = max(crossing, edge.bytes * percent // 100)
            overhead = self.overhead((edge.first, edge.last, policy))
            yield Edge(edge.first, edge.last, least, overhead, policy)

    def patch_bounds(self, edge: Edge) -> Iterator[Edge]:
        """The operators of an edge as patch stages, where possible, with bounds on memory."""
        stage = edge.first, edge.last
        # In a row of tiles the last one reads all that the first one has read.
        whole = around(self.network, stage, self.io_in_arena)
        for split in self.splits:
            if can_divide(self.network, stage, split):
                policy = BufferPolicy(split)
                least = whole if split[0] == 1 < split[1] else 0
                yield Edge(*stage, least, self.overhead((*stage, policy)), policy)

    def _stops(self, start: int) -> Iterator[int]:
        """Ends of steps that begin at `start`: any place before what has no row kernel."""
        nodes = self.network.nodes
        yield start + 1
        for stop in range(start + 1, len(nodes)):
            if nodes[start].operator is None or nodes[stop].operator is None:
                return
            yield stop + 1

    @cached_property
    def _crossing(self) -> list[int]:
        """Bytes of the tensors that are needed on both sides of each place."""
        places = range(len(self.network.nodes) + 1)
        return [around(self.network, (k, k - 1), self.io_in_arena) for k in places]

    @cached_property
    def _rows_before(self) -> list[int]:
        """Rows that all operators before each place compute."""
        operators = (node.operator for node in self.network.nodes)
        return [0, *itertools.accumulate(o.events if o is not None else 0 for o in operators)]
