"""The search for stages: of least SRAM, or of least overhead within a budget.

Places at which the network can be cut are nodes of a graph, stages its edges: the edge (i, j)
runs operators i to j - 1 as one step. An edge's memory is a bound on what a plan of that step
alone needs, all that must survive it included. The path whose largest edge is smallest bounds
the plan of the whole network from below; plans of the best paths are then made in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from tvm_tiny.lowering.graph import Graph
from tvm_tiny.schedules.stages.stage import STEADY

from .edge_costs import MOVING, EdgeCosts
from .network import Network, Range
from .partition import Edge, Key, Partition, Plans
from .shortest_path import Cost, cheapest_path

_FOREVER = 1 << 60

# How often the range in which the least memory with patch stages may lie is halved.
_HALVINGS = 5

# Percent of memory by which steps may exceed, or must stay below, what is aimed at.
_SLACKS = (1, 2, 4, 7, 11)

# Percent beyond a limit within which a better plan may still fit.
_NEARLY = 4


class Search:
    """Ways to search the partitions of one network; costs and plans are kept between searches.

    splits: into how many rows and columns of tiles a patch stage may be divided, if there may be
    any; the network must have been read for them.
    """

    def __init__(
        self, network: Network, io_in_arena: bool = True, splits: Sequence[Range] = ()
    ) -> None:
        self._network = network
        self._splits = tuple(splits)
        self._costs = EdgeCosts(network, io_in_arena, self._splits)
        self._plans = Plans(network, io_in_arena)
        self._exactly: set[Key] = set()

    def layers(self) -> Partition:
        """Every operator by itself."""
        return self._plans.of((k, k, STEADY) for k in range(len(self._network.nodes)))

    def replan(self, known: Partition) -> Partition:
        """A partition of a network that differs in nothing but kernels."""
        policies = known.policies
        return self._plans.of((*stage, policies.get(stage, STEADY)) for stage in known.ranges)

    def graph(self, partition: Partition) -> Graph:
        """The graph that lowering a partition gives."""
        return self._plans.graph(partition)

    def least(self) -> Partition:
        """The partition of least SRAM that was found."""
        best = self._least_streamed()
        below, above = best.bytes // 2, best.bytes
        for _ in range(_HALVINGS if self._splits else 0):
            limit = (below + above) // 2
            path = self._path(_total, limit, patches=True)
            found = None if path is None else self._plans.of_path(path)
            if found is not None and found.bytes < best.bytes:
                best, above = found, limit
            else:
                below = limit
        return best

    def _least_streamed(self) -> Partition:
        """The partition of least SRAM without patch stages."""
        best = self.layers()
        path = self._refined()
        limit = max(edge.bytes for edge in path)
        best = min(best, self._plans.of_path(path), key=_bytes)
        # A step may need more beside the others than alone: some slack gives other ways.
        for slack in (0, *_SLACKS):
            if best.bytes <= limit:
                break
            other = self._path(_total, limit + limit * slack // 100)
            assert other is not None
            best = min(best, self._plans.of_path(other), key=_bytes)
        cheapest = self._path(_total, best.bytes)
        return best if cheapest is None else min(self._plans.of_path(cheapest), best, key=_bytes)

    def _refined(self) -> list[Edge]:
        """The path whose largest step is smallest, that step planned as well as possible."""
        path, before = self._smallest(), _FOREVER
        while (largest := max(edge.bytes for edge in path)) < before:
            for edge in path:
                if edge.bytes == largest:
                    self._refine(edge)
            path, before = self._smallest(), largest
        return path

    def _refine(self, edge: Edge) -> None:
        """Measure a step by its best plan, under its own policy and under the others."""
        self._exact(edge)
        if edge.last > edge.first and not edge.policy.tiles:
            for policy in MOVING:
                self._exact(self._costs.edge(edge.first, edge.last, policy))

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
            yield self._plans.of_path(path)
        # It may fit where none of these does: a step's bytes are those of a quick plan.
        if not patches:
            yield self._least_streamed()

    def each_within(self, budget: int) -> Partition | None:
        """The partition of least overhead whose steps fit `budget` bytes, each by itself."""
        path = self._path(_total, budget, exact=True)
        return None if path is None else self._plans.of_path(path)

    def _path(
        self, cost: Cost[Edge], limit: int, *, patches: bool = False, exact: bool = False
    ) -> list[Edge] | None:
        """The cheapest path of edges of at most `limit` bytes.

        patches: a stage that takes too much is tried as a patch stage. exact: one that takes a
        little too much is planned with more effort.
        """

        def bounds(place: int) -> Iterable[Edge]:
            return (edge for edge in self._costs.bounds(place) if edge.bytes <= limit)

        def measure(before: int, bound: Edge) -> Iterator[tuple[Edge, bool]]:
            tried = self._costs.edge(*bound.key)
            if exact and 0 < tried.bytes - limit <= limit * _NEARLY // 100:
                tried = self._exact(tried)
            fits = tried.bytes <= limit
            if fits:
                yield tried, True
            for edge in self._others(tried, patches=patches and not fits):
                # Another way of a step that fits must be able to cost less.
                is_better = not fits or cost(before, edge) < cost(before, tried)
                if edge.bytes <= limit and is_better:
                    yield edge, False

        return cheapest_path(len(self._network.nodes), cost, bounds, measure)

    def _others(self, edge: Edge, *, patches: bool) -> list[Edge]:
        """Other ways to run the operators of a STEADY edge, with bounds on their memory."""
        others = list(self._costs.moving_bounds(edge)) if edge.policy == STEADY else []
        if patches and others:
            others += self._costs.patch_bounds(edge)
        return others

    def _exact(self, edge: Edge) -> Edge:
        """The step, its memory measured by the best plan that is found."""
        if edge.key not in self._exactly:
            self._exactly.add(edge.key)
            return self._costs.improve(edge, self._plans.of_path([edge]).bytes)
        return self._costs.edge(*edge.key)


def _largest(so_far: int, edge: Edge) -> int:
    return max(so_far, edge.bytes)


def _total(so_far: int, edge: Edge) -> int:
    return so_far + edge.overhead


def _bytes(partition: Partition) -> int:
    return partition.bytes
