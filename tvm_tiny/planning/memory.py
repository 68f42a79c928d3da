"""Finds memory plans: a byte offset for every tensor, in one arena."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tvm_tiny.lowering.graph import Graph, Storage
from tvm_tiny.lowering.memory_plan import ALIGNMENT, MemoryPlan, align

from .placement import Block, place, quick_bytes
from .separation import Problem, placement_problem
from .timeline import read_timeline


def planned_tensors(graph: Graph, io_in_arena: bool) -> list[Storage]:
    """The tensors that live in the arena: inputs and outputs only if asked."""
    callers = {*graph.inputs, *graph.outputs} if graph.callers is None else graph.callers
    outside = graph.streamed if io_in_arena else callers
    return [t for t in graph.tensors if t.index not in outside]


def plan(graph: Graph, *, io_in_arena: bool = True) -> MemoryPlan:
    """The smallest plan found; see `placement.place`."""
    tensors, problem = tensors_to_place(graph, io_in_arena)
    blocks = [Block(t.name, t.bytes, ALIGNMENT) for t in tensors]
    found = place(blocks, problem.separations, lower_bound=problem.bound)
    offsets = {t.index: offset for t, offset in zip(tensors, found.offsets, strict=True)}
    # Never empty: C has no arrays of no bytes.
    size = align(max([*found.used, 1]))
    backward = tuple(backward_steps(problem, offsets))
    return MemoryPlan(size, offsets, backward, found.lower_bound, found.optimal)


def quick_size(graph: Graph, *, io_in_arena: bool = True) -> int:
    """The size of a plan made in a moment; a better one may be smaller."""
    tensors, problem = tensors_to_place(graph, io_in_arena)
    blocks = [Block(t.name, t.bytes, ALIGNMENT) for t in tensors]
    return align(quick_bytes(blocks, problem.separations, problem.bound))


def tensors_to_place(graph: Graph, io_in_arena: bool) -> tuple[list[Storage], Problem]:
    """The tensors that need a place, and what their places must keep; see `planned_tensors`."""
    timeline = read_timeline(graph)
    tensors = [t for t in planned_tensors(graph, io_in_arena) if t.index in timeline.live_ranges]
    return tensors, placement_problem(timeline, graph, tensors)


def backward_steps(problem: Problem, offsets: Mapping[int, int]) -> Iterator[int]:
    """Steps whose result would overwrite rows of their input before they are read."""
    for step, (source, target, above, below) in sorted(problem.choices.items()):
        difference = offsets[source] - offsets[target]
        if difference < above and -difference < below:
            yield step
