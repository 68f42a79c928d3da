"""Which runs of operators become stages: the search for the least SRAM, or the least cost.

Places at which the network can be cut are nodes of a graph, stages its edges: the edge (i, j)
runs operators i to j - 1 as one step. An edge's memory is a bound on what a plan of that step
alone needs, all that must survive it included. The path whose largest edge is smallest bounds
the plan of the whole network from below; plans of the best paths are then made in full.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .graph import Graph
from .memory import MemoryPlan, plan, quick_size
from .network import Network, Range, sketch

_FOREVER = 1 << 60


@dataclass(frozen=True)
class Edge:
    """Running operators [first, last] as one step. bytes: at least needed meanwhile."""

    first: int
    last: int
    bytes: int
    overhead: int


@dataclass(frozen=True)
class Partition:
    """Ranges of nodes in order, and the plan that they give."""

    ranges: tuple[Range, ...]
    plan: MemoryPlan

    @property
    def bytes(self) -> int:
        """The arena."""
        return self.plan.workspace_bytes


class Search:
    """Partitions of one network; edges are measured once, when first asked for."""

    def __init__(self, network: Network, io_in_arena: bool = True) -> None:
        self._network = network
        self._io_in_arena = io_in_arena
        self._edges: dict[Range, Edge] = {}
        self._plans: dict[tuple[Range, ...], Partition] = {}
        self._crossing = _crossing_bytes(network, io_in_arena)
        rows = (n.operator.events if n.operator is not None else 0 for n in network.nodes)
        self._rows_before = [0, *itertools.accumulate(rows)]

    def layers(self) -> Partition:
        """Every operator by itself."""
        return self._realized([(k, k) for k in range(len(self._network.nodes))])

    def least(self) -> Partition:
        """The partition of least SRAM that was found."""
        best = self.layers()
        path = self._path(_largest, _FOREVER)
        assert path is not None
        limit = max(self.edge(*edge).bytes for edge in path)
        best = min(best, self._realized(path), key=_bytes)
        # A step may need more beside the others than alone: some slack gives other ways.
        for slack in (0, *_SLACKS):
            if best.bytes <= limit:
                break
            path = self._path(_total, limit + limit * slack // 100)
            assert path is not None
            best = min(best, self._realized(path), key=_bytes)
        return best

    def within(
        self, budget: int, accepts: Callable[[Graph], bool] = lambda graph: True
    ) -> Partition | None:
        """The partition of least overhead whose plan fits `budget` bytes; None if none does.

        accepts: what else must be true of it.
        """
        for slack in (0, *_SLACKS):
            path = self._path(_total, budget - budget * slack // 100)
            if path is None:
                return None
            candidate = self._realized(path)
            if candidate.bytes <= budget and accepts(self.graph(candidate)):
                return candidate
        return None

    def graph(self, partition: Partition) -> Graph:
        """What lowering a partition gives."""
        return sketch(self._network, partition.ranges)

    def edge(self, first: int, last: int) -> Edge:
        """The step that runs these operators."""
        if (first, last) not in self._edges:
            self._edges[first, last] = self._measure(first, last)
        return self._edges[first, last]

    def _measure(self, first: int, last: int) -> Edge:
        graph = sketch(self._network, [(first, last)])
        tensors = enumerate(self._network.tensors)
        io = [t for t, tensor in tensors if tensor.is_input or tensor.is_output]
        size = quick_size(graph, io_in_arena=self._io_in_arena, io=io)
        return Edge(first, last, size, self._overhead(first, last))

    def _overhead(self, first: int, last: int) -> int:
        """Rows whose turn a stage's driver has to find; a layer's loop finds them for nothing."""
        return self._rows_before[last + 1] - self._rows_before[first] if last > first else 0

    def _realized(self, ranges: Sequence[Range]) -> Partition:
        key = tuple(ranges)
        if key not in self._plans:
            graph = sketch(self._network, key)
            self._plans[key] = Partition(key, plan(graph, io_in_arena=self._io_in_arena))
        return self._plans[key]

    def _path(self, cost: Cost, limit: int) -> list[Range] | None:
        """The cheapest path of edges of at most `limit` bytes; Dijkstra's algorithm.

        An edge first goes into the queue with a bound on its cost, and is measured only when
        that makes it the next: most never are.
        """
        end = len(self._network.nodes)
        arrived: dict[int, Range | None] = {}
        # Cost, the place arrived at (of equal cost the last first), where from, is it measured,
        # cost before.
        queue: list[tuple[int, int, int, bool, int]] = [(0, 0, -1, True, 0)]
        while queue:
            so_far, negative, first, measured, before = heapq.heappop(queue)
            place = -negative
            if place in arrived:
                continue
            if not measured:
                edge = self.edge(first, place - 1)
                if edge.bytes <= limit:
                    total = cost(before, edge)
                    heapq.heappush(queue, (total, negative, first, True, total))
                continue
            arrived[place] = (first, place - 1) if first >= 0 else None
            if place == end:
                return _walk_back(arrived, end)
            for bound in self._bounds(place):
                stop = bound.last + 1
                if stop not in arrived and bound.bytes <= limit:
                    entry = (cost(so_far, bound), -stop, place, False, so_far)
                    heapq.heappush(queue, entry)
        return None

    def _bounds(self, start: int) -> Iterator[Edge]:
        """What steps from `start` need at least, without a plan of them."""
        for stop in self._stops(start):
            least = max(self._crossing[start], self._crossing[stop])
            yield Edge(start, stop - 1, least, self._overhead(start, stop - 1))

    def _stops(self, start: int) -> Iterator[int]:
        """Where a step that starts at `start` may end: anywhere before what has no row kernel."""
        nodes = self._network.nodes
        yield start + 1
        for stop in range(start + 1, len(nodes)):
            if nodes[start].operator is None or nodes[stop].operator is None:
                return
            yield stop + 1


Cost = Callable[[int, Edge], int]

# Percent of memory by which steps may exceed, or must stay below, what is aimed at.
_SLACKS = (1, 2, 4, 7, 11)


def _largest(so_far: int, edge: Edge) -> int:
    return max(so_far, edge.bytes)


def _total(so_far: int, edge: Edge) -> int:
    return so_far + edge.overhead


def _bytes(partition: Partition) -> int:
    return partition.bytes


def _walk_back(arrived: dict[int, Range | None], end: int) -> list[Range]:
    path: list[Range] = []
    edge = arrived[end]
    while edge is not None:
        path.append(edge)
        edge = arrived[edge[0]]
    return path[::-1]


def _crossing_bytes(network: Network, io_in_arena: bool) -> list[int]:
    """Per place between nodes: the bytes of all tensors that are needed on both sides of it."""
    nodes = network.nodes
    callers = {t for t, tensor in enumerate(network.tensors) if tensor.is_input or tensor.is_output}
    made = {t: k for k, node in enumerate(nodes) if not node.view for t in node.outputs}
    used = {t: k for k, node in enumerate(nodes) if not node.pushes for t in node.inputs}
    used |= {t: len(nodes) for t, tensor in enumerate(network.tensors) if tensor.is_output}
    inside = used.keys() if io_in_arena else used.keys() - callers
    return [
        sum(network.tensors[t].bytes for t in inside if made.get(t, -1) < place <= used[t])
        for place in range(len(nodes) + 1)
    ]
