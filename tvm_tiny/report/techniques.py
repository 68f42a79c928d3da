"""Plans one model in several ways, to show the savings of each technique."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from tvm.ir import IRModule

from tvm_tiny.build import CompiledModel
from tvm_tiny.lowering.graph import Graph, Storage
from tvm_tiny.lowering.memory_plan import ALIGNMENT, MemoryPlan, align
from tvm_tiny.lowering.streamed_state import state_bytes
from tvm_tiny.pipeline import pipeline
from tvm_tiny.planning.arena_usage import ArenaUsage, read_arena_usage
from tvm_tiny.planning.live_ranges import LiveRange
from tvm_tiny.planning.memory import plan, planned_tensors
from tvm_tiny.planning.placement import Block, place
from tvm_tiny.planning.timeline import Timeline, read_timeline


@dataclass(frozen=True)
class Technique:
    """A plan that uses one technique more than the plan before it.

    state: offset and size of the progress of a model whose input is streamed.
    """

    key: str
    title: str
    arena_usage: ArenaUsage
    state: tuple[int, int] = (0, 0)

    @property
    def kept_bytes(self) -> int:
        """Bytes in use all the time: the progress, and weights that are copied at start."""
        return self.state[1] + sum(pool.constants for pool in self.arena_usage.plan.pools)


def techniques(
    mod: IRModule, compiled: CompiledModel, options: Mapping[str, Any]
) -> Iterator[Technique]:
    """Plans of a QDQ Relax module, of which the last is the compiled one.

    options: options of `build` with which it was compiled.
    """
    chosen = _in_one_arena(read_arena_usage(compiled.module), options)
    layers = chosen
    if compiled.program.streamed is not None or stage_count(chosen.graph):
        kept = {key: options[key] for key in _LAYER_OPTIONS if key in options}
        layers = read_arena_usage(pipeline(**kept)(mod))
    yield Technique("apart", "every tensor apart", _apart(layers.graph, options))
    yield Technique("overlap", "results over dying inputs", layers)
    if compiled.program.streamed is not None:
        if not options.get("stages") and not compiled.pools:
            yield from _staged(read_arena_usage(_whole_input(mod, options)))
        yield _streamed(chosen)
    elif chosen is not layers:
        yield from _staged(chosen)
    if compiled.pools:
        yield _pooled(compiled)


_LAYER_OPTIONS = ("fold_edges", "io_in_arena")


def stage_count(graph: Graph) -> int:
    """Number of steps that run several operators."""
    return sum(len(step.operators) > 1 for step in graph.steps)


def _staged(arena_usage: ArenaUsage) -> Iterator[Technique]:
    count = stage_count(arena_usage.graph)
    if count:
        stages = [step.stage for step in arena_usage.graph.steps if step.stage is not None]
        tiled = sum(stage.tiles is not None for stage in stages)
        some = f", {tiled} of them in tiles" if tiled else ""
        title = f"streamed in {count} stage{'' if count == 1 else 's'}{some}"
        yield Technique("stages", title, arena_usage)


def _in_one_arena(arena_usage: ArenaUsage, options: Mapping[str, Any]) -> ArenaUsage:
    """The plan of the given steps in one arena, without pools."""
    if not arena_usage.plan.pools:
        return arena_usage
    io_in_arena = bool(options.get("io_in_arena", True))
    return ArenaUsage(arena_usage.graph, plan(arena_usage.graph, io_in_arena=io_in_arena))


def _streamed(arena_usage: ArenaUsage) -> Technique:
    offset = arena_usage.plan.workspace_bytes
    size = state_bytes(arena_usage.graph)
    title = "input pushed row by row"
    whole = replace(arena_usage.plan, workspace_bytes=offset + size)
    return Technique("pushed", title, ArenaUsage(arena_usage.graph, whole), (offset, size))


def _pooled(compiled: CompiledModel) -> Technique:
    program, arena_usage = compiled.program, read_arena_usage(compiled.module)
    size = program.workspace_bytes - arena_usage.plan.workspace_bytes
    whole = replace(arena_usage.plan, pools=program.pools, workspace_bytes=program.workspace_bytes)
    state = (program.state_offset or 0, size)
    return Technique("pools", "in memory pools", ArenaUsage(arena_usage.graph, whole), state)


def _whole_input(mod: IRModule, options: Mapping[str, Any]) -> IRModule:
    """The module compiled with a whole input instead of a streamed one."""
    kept = {key: options[key] for key in (*_LAYER_OPTIONS, "sram") if key in options}
    minimize = options.get("minimize", False) or options.get("sram") is None
    return pipeline(**kept, minimize=minimize)(mod)


class _Whole(ArenaUsage):
    """A plan without overlaps: tensors are whole from first write to last read."""

    @cached_property
    def timeline(self) -> Timeline:
        """The timeline in which whole tensors are live during all of their steps."""
        exact = read_timeline(self.graph)
        # Steps count from 1: inputs are written before the first, outputs read after the last.
        numbers = np.array([0, *(e.step.index + 1 for e in exact.events), len(exact.events) + 1])
        live_ranges = {
            index: _whole_live_range(live_range, numbers, self.graph.storage[index])
            for index, live_range in exact.live_ranges.items()
        }
        return Timeline(exact.events, live_ranges)


def _whole_live_range(live_range: LiveRange, numbers: np.ndarray, storage: Storage) -> LiveRange:
    first, last = numbers[list(live_range.span())]
    low = np.zeros(len(numbers), dtype=np.int64)
    high = np.where((first <= numbers) & (numbers <= last), storage.bytes, 0)
    return LiveRange(low, high, low, high)


def _apart(graph: Graph, options: Mapping[str, Any]) -> ArenaUsage:
    """Tensors that share no byte as long as any step needs both."""
    tensors = planned_tensors(graph, bool(options.get("io_in_arena", True)))
    live_ranges = _Whole(graph, MemoryPlan(0, {})).timeline.live_ranges
    spans = [(t, live_ranges[t.index].span()) for t in tensors if t.index in live_ranges]
    separations = {
        (a, b): one.bytes
        for (a, (one, early)), (b, (_, late)) in itertools.permutations(enumerate(spans), 2)
        if early[0] <= late[1] and late[0] <= early[1]
    }
    found = place([Block(t.name, t.bytes, ALIGNMENT) for t, _ in spans], separations)
    offsets = {t.index: offset for (t, _), offset in zip(spans, found.offsets, strict=True)}
    size = align(max([*found.used, 1]))
    bound = min(align(found.lower_bound), size)
    return _Whole(graph, MemoryPlan(size, offsets, (), bound, found.optimal))
