"""Kernels that need less scratch, for what has no room for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tvm
from tvm.ir import IRModule

from tvm_tiny.graph import Graph
from tvm_tiny.network import Network, read_network, sketch
from tvm_tiny.partition import Partition, Search
from tvm_tiny.schedules.packed.isa import ISAS
from tvm_tiny.timeline import read_timeline

from .rebuild import bindings_of
from .select_kernels import PORTABLE, SelectKernels

# A module with kernels selected, and the search over its partitions -> one, if there is one.
Find = Callable[[IRModule, Search], Partition | None]


# Operators, by name -> how far to save memory, see `SelectKernels`.
Levels = dict[str, int]


@dataclass(frozen=True)
class Selected:
    """Integer operators with kernels selected, and a partition of them."""

    module: IRModule
    network: Network
    partition: Partition
    levels: Levels


def select_for(
    mod: IRModule, select: SelectKernels, io_in_arena: bool, find: Find, *, least: bool
) -> Selected | None:
    """The kernels with which there is a partition: the fast ones, or where they fail frugal ones.

    find: the partition wanted. least: take frugal kernels wherever they make the arena smaller.
    Operators whose faster kernel does not make it larger keep that.
    """

    def selected(levels: Levels, find: Find) -> Selected | None:
        module = tvm.transform.Sequential([SelectKernels(select.isa, select.choices, levels)])(mod)
        network = read_network(module)
        found = find(module, Search(network, io_in_arena))
        return None if found is None else Selected(module, network, found, levels)

    fast = selected({}, find)
    if select.isa == PORTABLE or (fast is not None and not least):
        return fast
    wanted = _scratch(selected({}, _by_layers))
    small = selected(_most_frugal(mod, select), find)
    if small is None or (fast is not None and fast.partition.bytes <= small.partition.bytes):
        return fast

    def faster(known: Selected, levels: Levels) -> Selected:
        """The same partition with these kernels, if that is no larger."""
        other = selected(known.levels | levels, lambda _, search: search.again(known.partition))
        assert other is not None
        return other if other.partition.bytes <= known.partition.bytes else known

    small = faster(small, dict.fromkeys(_affordable(small, wanted), 0))
    for level in range(len(ISAS[select.isa].frugal) - 1, 0, -1):
        small = _bisected(small, [k for k, of in small.levels.items() if of > level], level, faster)
    return small


def frugal_network(mod: IRModule, select: SelectKernels) -> Network:
    """Of a module whose kernels need as little memory as they can."""
    frugal = SelectKernels(select.isa, select.choices, _most_frugal(mod, select))
    return read_network(tvm.transform.Sequential([frugal])(mod))


def _most_frugal(mod: IRModule, select: SelectKernels) -> Levels:
    if select.isa == PORTABLE:
        return {}
    return {b.var.name: len(ISAS[select.isa].frugal) for b in bindings_of(mod["main"])}


def _bisected(
    known: Selected,
    names: Sequence[str],
    level: int,
    faster: Callable[[Selected, Levels], Selected],
) -> Selected:
    """As many of these operators as can be with the kernels of another level."""
    other = faster(known, dict.fromkeys(names, level)) if names else known
    if other is not known or len(names) < 2:
        return other
    half = len(names) // 2
    return _bisected(_bisected(known, names[:half], level, faster), names[half:], level, faster)


def _by_layers(_: IRModule, search: Search) -> Partition:
    return search.layers()


def _scratch(selected: Selected | None) -> dict[str, int]:
    """Bytes that each operator needs while it runs, by its name."""
    assert selected is not None
    nodes = selected.network.nodes
    return {node.name: node.operator.scratch for node in nodes if node.operator is not None}


def _affordable(selected: Selected, wanted: Mapping[str, int]) -> Iterator[str]:
    """Operators for whose scratch there is room in the step that runs them."""
    partition = selected.partition
    graph = sketch(selected.network, partition.ranges, partition.forms)
    needed = _needed(graph)
    for step in graph.steps:
        own = {o.scratch for o in step.operators if o.scratch is not None}
        free = partition.bytes - needed[step.index] + sum(graph.storage[k].bytes for k in own)
        yield from (o.name for o in step.operators if wanted[o.name] <= free)


def _needed(graph: Graph) -> dict[int, int]:
    """The most bytes that are needed while each step runs."""
    timeline = read_timeline(graph)
    lives = timeline.lives.values()
    during = sum(np.maximum(life.high_during - life.low_during, 0) for life in lives)
    steps = np.array([event.step.index for event in timeline.events])
    return {int(k): int(np.asarray(during)[1:-1][steps == k].max()) for k in np.unique(steps)}
