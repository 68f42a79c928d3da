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
from dataclasses import dataclass, field, replace

from tvm_tiny.lowering.graph import Graph
from tvm_tiny.lowering.memory_plan import MemoryPlan
from tvm_tiny.schedules.stages.stage import STEADY, BufferPolicy

from .memory import plan, quick_size
from .network import Network, Range, sketch
from .patches import around, can_divide, extra_macs

_FOREVER = 1 << 60
# A range of operators as one step: the first, the last, and how they run.
_Key = tuple[int, int, BufferPolicy]

# How often the range in which the least memory with patch stages may lie is halved.
_HALVINGS = 5


@dataclass(frozen=True)
class Edge:
    """Running operators [first, last] as one step. bytes: at least needed meanwhile."""

    first: int
    last: int
    bytes: int
    overhead: int
    policy: BufferPolicy = STEADY


@dataclass(frozen=True)
class Partition:
    """Ranges of nodes in order, and the plan that they give; policies: of those not STEADY."""

    ranges: tuple[Range, ...]
    plan: MemoryPlan
    policies: Mapping[Range, BufferPolicy] = field(default_factory=dict)

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
        self._edges: dict[_Key, Edge] = {}
        self._exactly: set[_Key] = set()
        self._extra_macs: dict[_Key, int] = {}
        self._plans: dict[tuple[_Key, ...], Partition] = {}
        self._crossing = [
            around(network, (k, k - 1), io_in_arena) for k in range(len(network.nodes) + 1)
        ]
        rows = (n.operator.events if n.operator is not None else 0 for n in network.nodes)
        self._rows_before = [0, *itertools.accumulate(rows)]

    def layers(self) -> Partition:
        """Every operator by itself."""
        return self._realized([Edge(k, k, 0, 0) for k in range(len(self._network.nodes))])

    def replan(self, known: Partition) -> Partition:
        """A partition of a network that differs in nothing but kernels."""
        policies = known.policies
        return self._realized(
            [Edge(*stage, 0, 0, policies.get(stage, STEADY)) for stage in known.ranges]
        )

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
        path = self._refined()
        limit = max(edge.bytes for edge in path)
        best = min(best, self._realized(path), key=_bytes)
        # A step may need more beside the others than alone: some slack gives other ways.
        for slack in (0, *_SLACKS):
            if best.bytes <= limit:
                break
            other = self._path(_total, limit + limit * slack // 100)
            assert other is not None
            best = min(best, self._realized(other), key=_bytes)
        cheapest = self._path(_total, best.bytes)
        return best if cheapest is None else min(self._realized(cheapest), best, key=_bytes)

    def _refined(self) -> list[Edge]:
        """The path whose largest step is smallest, where that one has the best plan of any form."""
        path, before = self._smallest(), _FOREVER
        while (largest := max(edge.bytes for edge in path)) < before:
            for edge in path:
                if edge.bytes == largest:
                    self._exact(edge)
                    for policy in (
                        _MOVING if edge.last > edge.first and not edge.policy.tiles else ()
                    ):
                        self._exact(self.edge(edge.first, edge.last, policy))
            path, before = self._smallest(), largest
        return path

    def _smallest(self) -> list[Edge]:
        path = self._path(_largest, _FOREVER)
        assert path is not None, "without a limit there is one"
        return path

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

    def each_within(self, budget: int) -> Partition | None:
        """The partition of least overhead whose steps fit `budget` bytes, each by itself."""
        path = self._path(_total, budget, exact=True)
        return None if path is None else self._realized(path)

    def graph(self, partition: Partition) -> Graph:
        """What lowering a partition gives."""
        return sketch(self._network, partition.ranges, partition.policies)

    def edge(self, first: int, last: int, policy: BufferPolicy = STEADY) -> Edge:
        """The step that runs these operators."""
        key = first, last, policy
        if key not in self._edges:
            self._edges[key] = self._measure(*key)
        return self._edges[key]

    def _exact(self, edge: Edge) -> Edge:
        """The same step by the best plan that is found."""
        key = edge.first, edge.last, edge.policy
        if key not in self._exactly:
            self._exactly.add(key)
            found = self._realized([edge]).bytes
            self._edges[key] = replace(edge, bytes=min(edge.bytes, found))
        return self._edges[key]

    def _measure(self, first: int, last: int, policy: BufferPolicy) -> Edge:
        graph = sketch(self._network, [(first, last)], _moving([(first, last, policy)]))
        size = quick_size(graph, io_in_arena=self._io_in_arena)
        return Edge(first, last, size, self._overhead(first, last, policy), policy)

    def _overhead(self, first: int, last: int, policy: BufferPolicy) -> int:
        """Rows whose turn a stage's driver has to find; a layer's loop finds them for nothing.

        A multiply-accumulate that tiles compute again counts as much, and a row that moves.
        """
        rows = self._rows_before[last + 1] - self._rows_before[first] if last > first else 0
        key = first, last, policy
        if not policy.tiles:
            return rows + rows * policy.shifts
        if key not in self._extra_macs:
            self._extra_macs[key] = extra_macs(self._network, (first, last), policy.tiles)
        return rows * policy.tiles[1] + self._extra_macs[key]

    def _realized(self, edges: Sequence[Edge]) -> Partition:
        key = tuple((edge.first, edge.last, edge.policy) for edge in edges)
        if key not in self._plans:
            ranges, policies = tuple(k[:2] for k in key), _moving(key)
            graph = sketch(self._network, ranges, policies)
            found = plan(graph, io_in_arena=self._io_in_arena)
            self._plans[key] = Partition(ranges, found, policies)
        return self._plans[key]

    def _path(
        self, cost: Cost, limit: int, *, patches: bool = False, exact: bool = False
    ) -> list[Edge] | None:
        """The cheapest path of edges of at most `limit` bytes; Dijkstra's algorithm.

        An edge first goes into the queue with a bound on its cost, and is measured only when
        that makes it the next: most never are. patches: a stage that takes too much is tried as a
        patch stage. exact: one that takes a little too much is planned with more effort.
        """
        end = len(self._network.nodes)
        arrived: dict[int, Edge | None] = {}
        # Cost, the place arrived at (of equal cost the last first), where from, is it measured,
        # its form, cost before.
        queue: list[tuple[int, int, int, bool, BufferPolicy, int]] = [(0, 0, -1, True, STEADY, 0)]
        while queue:
            so_far, negative, first, measured, policy, before = heapq.heappop(queue)
            place = -negative
            if place in arrived:
                continue
            if not measured:
                tried = self.edge(first, place - 1, policy)
                if exact and 0 < tried.bytes - limit <= limit * _NEARLY // 100:
                    tried = self._exact(tried)
                fits = tried.bytes <= limit
                others = list(self._moving_bounds(tried)) if policy == STEADY else []
                others += self._patch_bounds(tried) if patches and not fits and others else ()
                for edge in (tried, *others):
                    # Another way of a step that fits must be able to cost less.
                    is_better = (
                        edge is tried or not fits or cost(before, edge) < cost(before, tried)
                    )
                    if edge.bytes <= limit and is_better:
                        entry = (cost(before, edge), negative, first, edge is tried, edge.policy)
                        heapq.heappush(queue, (*entry, before))
                continue
            arrived[place] = self.edge(first, place - 1, policy) if first >= 0 else None
            if place == end:
                return _walk_back(arrived, end)
            for bound in self._bounds(place):
                stop = bound.last + 1
                if stop not in arrived and bound.bytes <= limit:
                    entry = (cost(so_far, bound), -stop, place, False, bound.policy)
                    heapq.heappush(queue, (*entry, so_far))
        return None

    def _moving_bounds(self, edge: Edge) -> Iterator[Edge]:
        """What the operators of an edge need at least if not all stays where it is."""
        if edge.last == edge.first:
            return
        crossing = max(self._crossing[edge.first], self._crossing[edge.last + 1])
        for policy, percent in _MOVING.items():
            least = max(crossing, edge.bytes * percent // 100)
            overhead = self._overhead(edge.first, edge.last, policy)
            yield Edge(edge.first, edge.last, least, overhead, policy)

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
                    self._overhead(*stage, BufferPolicy(split)),
                    BufferPolicy(split),
                )

    def _bounds(self, start: int) -> Iterator[Edge]:
        """What steps from `start` need at least, without a plan of them."""
        for stop in self._stops(start):
            least = max(self._crossing[start], self._crossing[stop])
            yield Edge(start, stop - 1, least, self._overhead(start, stop - 1, STEADY))

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


# Percent beyond a limit within which a better plan may still fit.
_NEARLY = 4

# Of what a step needs if all stays where it is, the least percentage that is expected otherwise.
_MOVING = {
    BufferPolicy(skews=True): 90,
    BufferPolicy(shifts=True): 75,
    BufferPolicy(shifts=True, skews=True): 75,
}


def _largest(so_far: int, edge: Edge) -> int:
    return max(so_far, edge.bytes)


def _total(so_far: int, edge: Edge) -> int:
    return so_far + edge.overhead


def _bytes(partition: Partition) -> int:
    return partition.bytes


def _moving(edges: Iterable[_Key]) -> dict[Range, BufferPolicy]:
    return {(first, last): policy for first, last, policy in edges if policy != STEADY}


def _walk_back(arrived: Mapping[int, Edge | None], end: int) -> list[Edge]:
    path: list[Edge] = []
    edge = arrived[end]
    while edge is not None:
        path.append(edge)
        edge = arrived[edge.first]
    return path[::-1]
