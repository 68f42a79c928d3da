"""Selects kernels that need less scratch where a partition has no room for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tvm
from tvm.ir import IRModule

from tvm_tiny.lowering.graph import Graph
from tvm_tiny.planning.network import Network, read_network, sketch
from tvm_tiny.planning.partition import Partition
from tvm_tiny.planning.partition_search import Search
from tvm_tiny.planning.timeline import read_timeline
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.schedules.packed.isa import ISAS

from ..select_kernels import PORTABLE, SelectKernels

# Function of a module with kernels selected and the search over its partitions to a partition.
Find = Callable[[IRModule, Search], Partition | None]
# Function of the same to a test whether a partition is acceptable.
Accepts = Callable[[IRModule, Search], Callable[[Partition], bool]]

# Name of an operator -> its scratch level, see `SelectKernels`.
Levels = dict[str, int]


@dataclass(frozen=True)
class Selected:
    """Integer operators with kernels selected, and a partition of them."""

    module: IRModule
    network: Network
    partition: Partition
    levels: Levels


def select_for(
    mod: IRModule,
    select: SelectKernels,
    io_in_arena: bool,
    find: Find,
    accepts: Accepts | None = None,
    *,
    least: bool,
) -> Selected | None:
    """The fastest kernels with which `find` finds a partition, or None.

    It is tried with the fastest kernels, then with those of minimal scratch, then with portable
    ones. After that single operators get faster kernels as long as `accepts` allows the same
    partition with them, or, without it, as long as the arena does not grow. least: take slower
    kernels wherever they make the arena smaller.
    """
    kernels = _Kernels(mod, select, io_in_arena)
    best = kernels.found(0, find)
    if select.isa == PORTABLE:
        return best
    for level in (kernels.portable - 1, kernels.portable):
        if best is not None and not least:
            break
        small = kernels.found(level, find)
        if small is not None and (best is None or small.partition.bytes < best.partition.bytes):
            best = small
    if best is None or not any(best.levels.values()):
        return best
    return _Faster(kernels, best, accepts).selected()


def select_beside(
    mod: IRModule,
    select: SelectKernels,
    io_in_arena: bool,
    partition: Partition,
    accepts: Accepts,
) -> Selected:
    """The kernels for a partition that was found for portable ones.

    Operators outside of its patch stages get faster kernels as long as `accepts` allows it.
    """
    kernels = _Kernels(mod, select, io_in_arena, patches=True)
    levels = kernels.levels(kernels.portable)
    small = Selected(kernels.module(levels), kernels.network(levels), partition, levels)
    return _Faster(kernels, small, accepts).selected()


def minimal_scratch_network(mod: IRModule, select: SelectKernels) -> Network:
    """The network of `mod` with the kernels that need the least scratch."""
    kernels = _Kernels(mod, select, io_in_arena=True)
    return kernels.network(kernels.levels(kernels.portable))


class _Kernels:
    """The module and the network of integer operators at each scratch level.

    patches: see `read_network`.
    """

    def __init__(
        self, mod: IRModule, select: SelectKernels, io_in_arena: bool, *, patches: bool = False
    ) -> None:
        self._mod, self._select, self._io_in_arena = mod, select, io_in_arena
        self._patches = patches
        self._networks: dict[int, Network] = {}
        # The level of portable kernels, which is the last.
        self.portable = 0 if select.isa == PORTABLE else len(ISAS[select.isa].scratch_levels) + 1

    def levels(self, level: int) -> Levels:
        """The levels with all operators at one level."""
        return {binding.var.name: level for binding in bindings_of(self._mod["main"])}

    def module(self, levels: Levels) -> IRModule:
        """The module with kernels of these levels."""
        select = SelectKernels(self._select.isa, self._select.choices, levels)
        return tvm.transform.Sequential([select])(self._mod)

    def network(self, levels: Levels) -> Network:
        """The network of the module with kernels of these levels.

        It is put together from networks of one level, since nodes do not depend on each other.
        """
        networks = {level: self._at(level) for level in {0, *levels.values()}}
        columns = zip(*(network.nodes for network in networks.values()), strict=True)
        nodes = (dict(zip(networks, column, strict=True)) for column in columns)
        mixed = [of[levels.get(of[0].name, 0)] for of in nodes]
        return replace(self._at(max(networks)), nodes=mixed)

    def _at(self, level: int) -> Network:
        if level not in self._networks:
            module = self.module(self.levels(level))
            self._networks[level] = read_network(module, patches=self._patches)
        return self._networks[level]

    def search(self, levels: Levels) -> Search:
        """The search over partitions with kernels of these levels."""
        return Search(self.network(levels), self._io_in_arena)

    def found(self, level: int, find: Find) -> Selected | None:
        """The partition that `find` finds with all kernels at a level, or None."""
        levels = self.levels(level)
        module, network = self.module(levels), self.network(levels)
        found = find(module, Search(network, self._io_in_arena))
        return None if found is None else Selected(module, network, found, levels)


class _Faster:
    """A greedy search that gives operators of a partition faster kernels.

    The partition stays the same, and has to stay acceptable.
    """

    def __init__(self, kernels: _Kernels, small: Selected, accepts: Accepts | None) -> None:
        self._kernels, self._small, self._accepts = kernels, small, accepts
        self._levels, self._partition = small.levels, small.partition
        tiled = [stage for stage, policy in small.partition.policies.items() if policy.tiles]
        nodes = small.network.nodes
        # Only portable kernels can compute parts of rows.
        self._fixed = {n.name for first, last in tiled for n in nodes[first : last + 1]}

    def selected(self) -> Selected:
        """The partition with the fastest kernels found; tries the fastest level first."""
        for level in range(max(self._levels.values(), default=0)):
            for names in self._groups(level):
                self._raise([name for name in names if self._levels[name] > level], level)
        module, network = self._kernels.module(self._levels), self._kernels.network(self._levels)
        found = Selected(module, network, self._partition, self._levels)
        return found if self._will_do(module, self._kernels.search(self._levels)) else self._small

    def _groups(self, level: int) -> Iterator[list[str]]:
        """Operators to try together: those with room for their scratch, then the others."""
        wanted = _scratch(self._kernels.network(self._kernels.levels(level)))
        affordable = set(_affordable(self._small, wanted))
        names = [name for name in wanted if name not in self._fixed]
        yield [name for name in names if name in affordable]
        yield [name for name in names if name not in affordable]

    def _raise(self, names: Sequence[str], level: int) -> None:
        """Set as many of these operators as possible to a level, by bisection."""
        if not names or self._try(self._levels | dict.fromkeys(names, level)) or len(names) == 1:
            return
        half = len(names) // 2
        self._raise(names[:half], level)
        self._raise(names[half:], level)

    def _try(self, levels: Levels) -> bool:
        search = self._kernels.search(levels)
        before, self._partition = self._partition, search.replan(self._small.partition)
        if self._will_do(self._small.module, search):
            self._levels = levels
            return True
        self._partition = before
        return False

    def _will_do(self, module: IRModule, search: Search) -> bool:
        if self._accepts is not None:
            return self._accepts(module, search)(self._partition)
        return self._partition.bytes <= self._small.partition.bytes


def _scratch(network: Network) -> dict[str, int]:
    """Operator -> bytes of its scratch."""
    return {n.name: n.operator.scratch for n in network.nodes if n.operator is not None}


def _affordable(selected: Selected, wanted: Mapping[str, int]) -> Iterator[str]:
    """The operators for whose scratch there is room in the step that runs them."""
    partition = selected.partition
    graph = sketch(selected.network, partition.ranges, partition.policies)
    needed = _needed(graph)
    for step in graph.steps:
        own = {o.scratch for o in step.operators if o.scratch is not None}
        free = partition.bytes - needed[step.index] + sum(graph.storage[k].bytes for k in own)
        yield from (o.name for o in step.operators if wanted[o.name] <= free)


def _needed(graph: Graph) -> dict[int, int]:
    """Step -> the most bytes that are needed at any of its events."""
    timeline = read_timeline(graph)
    live_ranges = timeline.live_ranges.values()
    during = sum(
        np.maximum(live_range.high_during - live_range.low_during, 0) for live_range in live_ranges
    )
    steps = np.array([event.step.index for event in timeline.events])
    return {int(k): int(np.asarray(during)[1:-1][steps == k].max()) for k in np.unique(steps)}
