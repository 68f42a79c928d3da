"""Which runs of operators become stages: the search for the least SRAM, or the least cost.

Places at which the network can be cut are nodes of a graph, stages its edges: the edge (i, j)
runs operators i to j - 1 as one step. An edge's memory is a bound on what a plan of that step
alone needs, all that must survive it included. The path whose largest edge is smallest bounds
the plan of the whole network from below; plans of the best paths are then made in full.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .graph import Graph
from .memory import MemoryPlan, plan, quick_size
from .network import SLIDING, Network, Range, sketch
from .patches import around, can_divide, extra_macs

# Rows and columns of tiles; nothing for a step without.
Split = Range | tuple[()]

_FOREVER = 1 << 60
# How often the range in which the least memory with patch stages may lie is halved.
_HALVINGS = 5


@dataclass(frozen=True)
class Edge:
    """Running operators [first, last] as one step. bytes: at least needed meanwhile.

    split: rows and columns of tiles of a patch stage, SLIDING where the rows of rings move,
    nothing of any other step.
    """

    first: int
    last: int
    bytes: int
    overhead: int
    split: Split = ()


@dataclass(frozen=True)
class Partition:
    """Ranges of nodes in order, and the plan that they give. splits: see `Edge`."""

    ranges: tuple[Range, ...]
    plan: MemoryPlan
    splits: Mapping[Range, Range] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """The arena."""
        return self.plan.workspace_bytes


class Search:
    """Partitions of one network; edges are measured once, when first asked for.

    splits: into how many rows and columns of tiles a patch stage may be divided, if there may be
    any; the network must have been read for them.
    """

    def __init__(
        self, network: Network, io_in_arena: bool = True, splits: Sequence[Range] = ()
    ) -> None:
        self._network = network
        self._io_in_arena = io_in_arena
        self._splits = tuple(splits)
        self._edges: dict[tuple[int, int, Split], Edge] = {}
        self._extra_macs: dict[tuple[int, int, Split], int] = {}
        self._plans: dict[tuple[tuple[int, int, Split], ...], Partition] = {}
        self._crossing = [
            around(network, (k, k - 1), io_in_arena) for k in range(len(network.nodes) + 1)
        ]
        rows = (n.operator.events if n.operator is not None else 0 for n in network.nodes)
        self._rows_before = [0, *itertools.accumulate(rows)]

    def layers(self) -> Partition:
        """Every operator by itself."""
        return self._realized([Edge(k, k, 0, 0) for k in range(len(self._network.nodes))])

    def again(self, known: Partition) -> Partition:
        """A partition of a network that differs in nothing but kernels."""
        splits = known.splits
        return self._realized([Edge(*stage, 0, 0, splits.get(stage, ())) for stage in known.ranges])

    def least(self) -> Partition:
        """The partition of least SRAM that was found."""
        best = self._least_streamed()
        below, above = best.bytes // 2, best.bytes
        for _ in range(_HALVINGS if self._splits else 0):
            limit = (below + above) // 2
            path = self._path(_total, limit, patches=True)
            found = None if path is None else self._realized(path)
            if found is not None and found.bytes < best.bytes:
                best, above = found, limit
            else:
                below = limit
        return best

    def _least_streamed(self) -> Partition:
        best = self.layers()
        path = self._path(_largest, _FOREVER)
        assert path is not None
        limit = max(edge.bytes for edge in path)
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
        self, budget: int, accepts: Callable[[Partition], bool] = lambda partition: True
    ) -> Partition | None:
        """The partition of least overhead whose plan fits `budget` bytes; None if none does.

        accepts: what else must be true of it.
        """
        for candidate in self._tightening(budget):
            if candidate.bytes <= budget and accepts(candidate):
                return candidate
        return None

    def _tightening(self, budget: int) -> Iterator[Partition]:
        """Partitions whose steps need less and less of a budget by themselves, the best first."""
        patches = bool(self._splits)
        for slack in (0, *_SLACKS):
            path = self._path(_total, budget - budget * slack // 100, patches=patches)
            if path is None:
                break
            yield self._realized(path)
        # It may fit where none of these does: a step's bytes are those of a quick plan.
        if not patches:
            yield self._least_streamed()

    def graph(self, partition: Partition) -> Graph:
        """What lowering a partition gives."""
        return sketch(self._network, partition.ranges, partition.splits)

    def edge(self, first: int, last: int, split: Split = ()) -> Edge:
        """The step that runs these operators."""
        key = first, last, split
        if key not in self._edges:
            self._edges[key] = self._measure(*key)
        return self._edges[key]

    def _measure(self, first: int, last: int, split: Split) -> Edge:
        graph = sketch(self._network, [(first, last)], _splits([(first, last, split)]))
        size = quick_size(graph, io_in_arena=self._io_in_arena)
        return Edge(first, last, size, self._overhead(first, last, split), split)

    def _overhead(self, first: int, last: int, split: Split) -> int:
        """Rows whose turn a stage's driver has to find; a layer's loop finds them for nothing.

        A multiply-accumulate that tiles compute again counts as much, and a row that moves.
        """
        rows = self._rows_before[last + 1] - self._rows_before[first] if last > first else 0
        key = first, last, split
        if split == SLIDING:
            return 2 * rows
        if split and key not in self._extra_macs:
            self._extra_macs[key] = extra_macs(self._network, (first, last), split)
        return rows * (split[1] if split else 1) + self._extra_macs.get(key, 0)

    def _realized(self, edges: Sequence[Edge]) -> Partition:
        key = tuple((edge.first, edge.last, edge.split) for edge in edges)
        if key not in self._plans:
            ranges, splits = tuple(k[:2] for k in key), _splits(key)
            graph = sketch(self._network, ranges, splits)
            found = plan(graph, io_in_arena=self._io_in_arena)
            self._plans[key] = Partition(ranges, found, splits)
        return self._plans[key]

    def _path(self, cost: Cost, limit: int, *, patches: bool = False) -> list[Edge] | None:
        """The cheapest path of edges of at most `limit` bytes; Dijkstra's algorithm.

        An edge first goes into the queue with a bound on its cost, and is measured only when
        that makes it the next: most never are. patches: a stage that takes too much is tried as a
        patch stage.
        """
        end = len(self._network.nodes)
        arrived: dict[int, Edge | None] = {}
        # Cost, the place arrived at (of equal cost the last first), where from, is it measured,
        # its tiles, cost before.
        queue: list[tuple[int, int, int, bool, Split, int]] = [(0, 0, -1, True, (), 0)]
        while queue:
            so_far, negative, first, measured, split, before = heapq.heappop(queue)
            place = -negative
            if place in arrived:
                continue
            if not measured:
                tried = self.edge(first, place - 1, split)
                fits = tried.bytes <= limit
                others = [] if split else list(self._sliding_bound(tried))
                others += self._patch_bounds(tried) if patches and not fits and not split else ()
                for edge in (tried, *others):
                    # Another way of a step that fits must be able to cost less.
                    is_better = (
                        edge is tried or not fits or cost(before, edge) < cost(before, tried)
                    )
                    if edge.bytes <= limit and is_better:
                        entry = (cost(before, edge), negative, first, edge is tried, edge.split)
                        heapq.heappush(queue, (*entry, before))
                continue
            arrived[place] = self.edge(first, place - 1, split) if first >= 0 else None
            if place == end:
                return _walk_back(arrived, end)
            for bound in self._bounds(place):
                stop = bound.last + 1
                if stop not in arrived and bound.bytes <= limit:
                    entry = (cost(so_far, bound), -stop, place, False, bound.split)
                    heapq.heappush(queue, (*entry, so_far))
        return None

    def _sliding_bound(self, edge: Edge) -> Iterator[Edge]:
        """What the operators of an edge need at least with rings whose rows move."""
        if edge.last > edge.first:
            least = max(self._crossing[edge.first], self._crossing[edge.last + 1])
            least = max(least, edge.bytes * _SLIDING_PERCENT // 100)
            overhead = self._overhead(edge.first, edge.last, SLIDING)
            yield Edge(edge.first, edge.last, least, overhead, SLIDING)

    def _patch_bounds(self, edge: Edge) -> Iterator[Edge]:
        """What the operators of an edge need at least as patch stages, if they can be one."""
        stage = edge.first, edge.last
        # In a row of tiles the last one reads all that the first one has read.
        whole = around(self._network, stage, self._io_in_arena)
        for split in self._splits:
            if can_divide(self._network, stage, split):
                yield Edge(
                    *stage,
                    whole if split[0] == 1 < split[1] else 0,
                    self._overhead(*stage, split),
                    split,
                )

    def _bounds(self, start: int) -> Iterator[Edge]:
        """What steps from `start` need at least, without a plan of them."""
        for stop in self._stops(start):
            least = max(self._crossing[start], self._crossing[stop])
            yield Edge(start, stop - 1, least, self._overhead(start, stop - 1, ()))

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


# Of what a step needs with rings that go round, the least that is expected where their rows move.
_SLIDING_PERCENT = 75


def _largest(so_far: int, edge: Edge) -> int:
    return max(so_far, edge.bytes)


def _total(so_far: int, edge: Edge) -> int:
    return so_far + edge.overhead


def _bytes(partition: Partition) -> int:
    return partition.bytes


def _splits(edges: Iterable[tuple[int, int, Split]]) -> dict[Range, Range]:
    return {(first, last): split for first, last, split in edges if split}


def _walk_back(arrived: Mapping[int, Edge | None], end: int) -> list[Edge]:
    path: list[Edge] = []
    edge = arrived[end]
    while edge is not None:
        path.append(edge)
        edge = arrived[edge.first]
    return path[::-1]
