"""One model planned in several ways: what each technique saves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from tvm.ir import IRModule

from tvm_tiny.build import CompiledModel
from tvm_tiny.graph import Graph, Storage
from tvm_tiny.memory import ALIGNMENT, MemoryPlan, align, planned_tensors
from tvm_tiny.occupancy import Occupancy, read_occupancy
from tvm_tiny.pipeline import pipeline
from tvm_tiny.placement import Block, place
from tvm_tiny.timeline import Life, Timeline, read_timeline


@dataclass(frozen=True)
class Technique:
    """A plan that uses one technique more than the one before it.

    state_bytes: behind the plan, for the progress of a model whose input is pushed.
    """

    key: str
    title: str
    occupancy: Occupancy
    state_bytes: int = 0


def techniques(
    mod: IRModule, compiled: CompiledModel, options: Mapping[str, Any]
) -> Iterator[Technique]:
    """The plans of a QDQ Relax module that lead to the compiled one, which is the last.

    options: those of `build` with which it was compiled.
    """
    chosen = read_occupancy(compiled.module)
    layers = chosen
    if compiled.program.pushed is not None or stage_count(chosen.graph):
        kept = {key: options[key] for key in _LAYER_OPTIONS if key in options}
        layers = read_occupancy(pipeline(**kept)(mod))
    yield Technique("apart", "every tensor apart", _apart(layers.graph, options))
    yield Technique("overlap", "results over dying inputs", layers)
    if compiled.program.pushed is not None:
        if not options.get("stages"):
            yield from _staged(read_occupancy(_whole_input(mod, options)))
        state = compiled.program.workspace_bytes - chosen.plan.workspace_bytes
        yield Technique("pushed", "input pushed row by row", chosen, state)
    elif chosen is not layers:
        yield from _staged(chosen)


_LAYER_OPTIONS = ("fold_edges", "io_in_arena")


def stage_count(graph: Graph) -> int:
    """How many steps run several operators."""
    return sum(len(step.operators) > 1 for step in graph.steps)


def _staged(occupancy: Occupancy) -> Iterator[Technique]:
    count = stage_count(occupancy.graph)
    if count:
        title = f"streamed in {count} stage{'' if count == 1 else 's'}"
        yield Technique("stages", title, occupancy)


def _whole_input(mod: IRModule, options: Mapping[str, Any]) -> IRModule:
    """The same, had the input to be whole."""
    kept = {key: options[key] for key in (*_LAYER_OPTIONS, "sram") if key in options}
    minimize = options.get("minimize", False) or options.get("sram") is None
    return pipeline(**kept, minimize=minimize)(mod)


class _Whole(Occupancy):
    """Tensors that are needed whole from the step that makes them to the last that reads them."""

    @cached_property
    def timeline(self) -> Timeline:
        """With such lives."""
        exact = read_timeline(self.graph)
        # Steps count from 1; before and after them inputs are written and outputs read.
        numbers = np.array([0, *(e.step.index + 1 for e in exact.events), len(exact.events) + 1])
        lives = {
            index: _whole_life(life, numbers, self.graph.storage[index])
            for index, life in exact.lives.items()
        }
        return Timeline(exact.events, lives)


def _whole_life(life: Life, numbers: np.ndarray, storage: Storage) -> Life:
    first, last = numbers[list(life.span())]
    low = np.zeros(len(numbers), dtype=np.int64)
    high = np.where((first <= numbers) & (numbers <= last), storage.bytes, 0)
    return Life(low, high, low, high)


def _apart(graph: Graph, options: Mapping[str, Any]) -> Occupancy:
    """Tensors that share no byte as long as any step needs both."""
    tensors = planned_tensors(graph, bool(options.get("io_in_arena", True)))
    lives = _Whole(graph, MemoryPlan(0, {})).timeline.lives
    spans = [(t, lives[t.index].span()) for t in tensors if t.index in lives]
    distances = {
        (a, b): one.bytes
        for (a, (one, early)), (b, (_, late)) in itertools.permutations(enumerate(spans), 2)
        if early[0] <= late[1] and late[0] <= early[1]
    }
    found = place([Block(t.name, t.bytes, ALIGNMENT) for t, _ in spans], distances)
    offsets = {t.index: offset for (t, _), offset in zip(spans, found.offsets, strict=True)}
    size = align(max([*found.used, 1]))
    bound = min(align(found.lower_bound), size)
    return _Whole(graph, MemoryPlan(size, offsets, (), bound, found.optimal))
