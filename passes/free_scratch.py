"""Scratch memory that costs nothing: what the arena has room for while a layer runs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import tvm
from tvm.ir import Call, IRModule

from tvm_tiny.graph import Graph
from tvm_tiny.network import Network, read_network, sketch
from tvm_tiny.partition import Partition, Search
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.geometry import Geometry, geometry
from tvm_tiny.timeline import read_timeline

from .rebuild import bindings_of
from .select_kernels import SelectKernels, workload

# Instructions that widened filters save for each multiply-accumulate, of DSP instruction sets: 11
# in place of 14 for 16 of them.
_SAVED = 3 / 16
# A kernel of its own must save so much of the model's multiply-accumulates to be worth its code.
_WORTH = 0.02
# Fewer tiles than this do not pay for the widening.
_FEWEST = 4


def use_free_scratch(mod: IRModule, select: SelectKernels, io_in_arena: bool) -> IRModule:
    """`mod` with kernels selected, of layers those that are faster with scratch that is free.

    mod: integer operators in main that are to run layer by layer. The arena does not grow.
    """
    selected = _run(mod, select)
    if not any(_widens(b.value) for b in bindings_of(selected["main"])):
        return selected
    network = read_network(selected)
    layers = Search(network, io_in_arena).layers()
    choices = dict(_choices(mod, selected, network, layers))
    if not choices:
        return selected
    other = _run(mod, SelectKernels(select.isa, {**choices, **select.choices}))
    found = Search(read_network(other), io_in_arena).layers()
    return other if found.bytes <= layers.bytes else selected


def _choices(
    mod: IRModule, selected: IRModule, network: Network, layers: Partition
) -> Iterator[tuple[str, Choice]]:
    """By workload, the choice that uses what all layers of that workload have free."""
    before = {b.var.name: b.value for b in bindings_of(mod["main"])}
    after = {b.var.name: b.value for b in bindings_of(selected["main"])}
    total = sum(node.operator.macs for node in network.nodes if node.operator is not None)
    free: dict[str, int] = {}
    of: dict[str, Geometry] = {}
    for name, size in _free(network, layers):
        if _widens(after[name]):
            key = workload(str(after[name].attrs["isa"]), before[name])
            free[key] = min(size, free.get(key, size))
            of[key] = geometry(after[name])
    for key, size in free.items():
        chunk = _chunk(of[key], size)
        rows, columns, outputs = of[key].out
        macs = rows * columns * outputs * of[key].size
        if chunk >= _FEWEST and macs * _SAVED > _WORTH * total:
            yield key, Choice(of[key].pixels, of[key].filters, chunk)


def _widens(call: Call) -> bool:
    """Whether a kernel has a form with widened filters, and does not use it."""
    if getattr(getattr(call, "op", None), "name", "") != "tvm_tiny.packed.qconv2d":
        return False
    found = geometry(call)
    return found.isa.widens == (found.pixels, found.filters) and not found.wide


def _chunk(found: Geometry, size: int) -> int:
    """How many tiles can be gathered in so many bytes, beside the widened filters."""
    tile = math.prod(found.isa.columns(found.pixels, found.size))
    fits = size // (tile * np.dtype(found.isa.dtype).itemsize) - 1
    return min(fits, found.tiles)


def _free(network: Network, layers: Partition) -> Iterator[tuple[str, int]]:
    """Layers by name, and the bytes that nothing else needs while they run."""
    graph = sketch(network, layers.ranges)
    needed = _needed(graph)
    for step in graph.steps:
        own = {o.scratch for o in step.operators if o.scratch is not None}
        scratch = sum(graph.storage[k].bytes for k in own)
        yield step.name, layers.bytes - needed[step.index] + scratch


def _needed(graph: Graph) -> dict[int, int]:
    """The most bytes that are needed while each step runs."""
    timeline = read_timeline(graph)
    lives = timeline.lives.values()
    during = sum(np.maximum(life.high_during - life.low_during, 0) for life in lives)
    steps = np.array([event.step.index for event in timeline.events])
    return {int(k): int(np.asarray(during)[1:-1][steps == k].max()) for k in np.unique(steps)}


def _run(mod: IRModule, select: SelectKernels) -> IRModule:
    return tvm.transform.Sequential([select])(mod)
