"""Memory plan of one arena: a byte offset for every tensor."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .graph import Graph, Storage
from .placement import Block, place, quick_bytes
from .timeline import Problem, placement_problem, read_timeline

ATTRIBUTE = "tvm_tiny.memory_plan"

# Of every tensor's offset: kernels may read whole words, and 64-bit elements must be aligned.
ALIGNMENT = 8


@dataclass(frozen=True)
class MemoryPlan:
    """workspace_bytes: size of the arena; offsets: storage index -> byte offset in it.

    backward: steps that run from their last row to their first, because their result lies over
    the end of their input. lower_bound: no plan of the same steps is smaller. optimal: proven
    that none is.
    """

    workspace_bytes: int
    offsets: Mapping[int, int]
    backward: tuple[int, ...] = ()
    lower_bound: int = 0
    optimal: bool = False

    def to_json(self) -> str:
        """As the attribute's text."""
        offsets = {str(k): v for k, v in sorted(self.offsets.items())}
        return json.dumps(
            {
                "workspace_bytes": self.workspace_bytes,
                "offsets": offsets,
                "backward": list(self.backward),
                "lower_bound": self.lower_bound,
                "optimal": self.optimal,
            }
        )

    @staticmethod
    def from_json(text: str) -> MemoryPlan:
        """From the attribute's text."""
        fields = json.loads(text)
        fields["offsets"] = {int(k): int(v) for k, v in fields["offsets"].items()}
        return MemoryPlan(**{**fields, "backward": tuple(fields["backward"])})


def align(value: int, alignment: int = ALIGNMENT) -> int:
    """`value` rounded up to a multiple of `alignment`."""
    return -(-value // alignment) * alignment


def planned_tensors(graph: Graph, io_in_arena: bool) -> list[Storage]:
    """The tensors that live in the arena: inputs and outputs only if asked."""
    callers = {*graph.inputs, *graph.outputs} if graph.callers is None else graph.callers
    outside = graph.pushed if io_in_arena else callers
    return [t for t in graph.tensors if t.index not in outside]


def plan(graph: Graph, *, io_in_arena: bool = True) -> MemoryPlan:
    """The smallest plan found; see `placement.place`."""
    tensors, problem = _problem(graph, io_in_arena)
    blocks = [Block(t.name, t.bytes, ALIGNMENT) for t in tensors]
    found = place(blocks, problem.distances, lower_bound=problem.bound)
    offsets = {t.index: offset for t, offset in zip(tensors, found.offsets, strict=True)}
    # Never empty: C has no arrays of no bytes.
    size = align(max([*found.used, 1]))
    backward = tuple(_backward(problem, offsets))
    return MemoryPlan(size, offsets, backward, found.lower_bound, found.optimal)


def quick_size(graph: Graph, *, io_in_arena: bool = True) -> int:
    """The size of a plan made in a moment; a better one may be smaller."""
    tensors, problem = _problem(graph, io_in_arena)
    blocks = [Block(t.name, t.bytes, ALIGNMENT) for t in tensors]
    return align(quick_bytes(blocks, problem.distances, problem.bound))


def _problem(graph: Graph, io_in_arena: bool) -> tuple[list[Storage], Problem]:
    timeline = read_timeline(graph)
    tensors = [t for t in planned_tensors(graph, io_in_arena) if t.index in timeline.lives]
    return tensors, placement_problem(timeline, graph, tensors)


def _backward(problem: Problem, offsets: Mapping[int, int]) -> Iterator[int]:
    """Steps whose result would overwrite rows of their input before they are read."""
    for step, (source, target, above, below) in sorted(problem.choices.items()):
        difference = offsets[source] - offsets[target]
        if difference < above and -difference < below:
            yield step
