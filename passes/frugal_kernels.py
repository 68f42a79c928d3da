"""Kernels that need less scratch, for what has no room for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tvm
from tvm.ir import IRModule

from tvm_tiny.graph import Graph
from tvm_tiny.network import Network, read_network, sketch
from tvm_tiny.partition import Partition, Search
from tvm_tiny.timeline import read_timeline

from .select_kernels import SelectKernels

# A module with kernels selected, and the search over its partitions -> one, if there is one.
Find = Callable[[IRModule, Search], Partition | None]


@dataclass(frozen=True)
class Selected:
    """Integer operators with kernels selected, and a partition of them."""

    module: IRModule
    network: Network
    partition: Partition


def select_for(
    mod: IRModule, select: SelectKernels, io_in_arena: bool, find: Find, *, least: bool
) -> Selected | None:
    """The kernels with which there is a partition: the fast ones, or where they fail frugal ones.

    find: the partition wanted. least: take frugal kernels wherever they make the arena smaller.
    Steps that have room for it keep fast kernels.
    """

    def selected(names: Collection[str], find: Find) -> Selected | None:
        module = tvm.transform.Sequential([SelectKernels(select.isa, select.choices, names)])(mod)
        network = read_network(module)
        found = find(module, Search(network, io_in_arena))
        return None if found is None else Selected(module, network, found)

    fast = selected((), find)
    if fast is not None and not least:
        return fast
    wanted = _scratch(selected((), _by_layers))
    small = selected(wanted, find)
    if small is None or (fast is not None and fast.partition.bytes <= small.partition.bytes):
        return fast
    if _scratch(small) == wanted:
        return small
    ranges = small.partition.ranges
    frugal = set(wanted) - set(_affordable(small, wanted))
    mixed = selected(frugal, lambda _, search: search.of(ranges))
    assert mixed is not None
    return mixed if mixed.partition.bytes <= small.partition.bytes else small


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
    graph = sketch(selected.network, partition.ranges)
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
