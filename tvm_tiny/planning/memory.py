"""Memory plans: a byte offset for every tensor, in one arena or in the pools of a board."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

from tvm_tiny.lowering.graph import Graph, Storage
from tvm_tiny.pools import PoolUse

from .placement import Block, place, quick_bytes
from .separation import Problem, placement_problem
from .timeline import read_timeline

ATTRIBUTE = "tvm_tiny.memory_plan"

# Of every tensor's offset: kernels may read whole words, and 64-bit elements must be aligned.
ALIGNMENT = 8


@dataclass(frozen=True)
class MemoryPlan:
    """workspace_bytes: size of the arena; offsets: storage index -> byte offset in it.

    backward: steps that run from their last row to their first, because their result lies over
    the end of their input. lower_bound: no plan of the same steps is smaller. optimal: proven
    that none is.

    pools: of the board, if it has several or theirs are named: workspace_bytes is what is used of
    them all. pool_of: storage index -> index of its pool, 0 where it is not in it. A constant
    with an offset is copied there at start. weights_section: of the constants in flash.
    """

    workspace_bytes: int
    offsets: Mapping[int, int]
    backward: tuple[int, ...] = ()
    lower_bound: int = 0
    optimal: bool = False
    pools: tuple[PoolUse, ...] = ()
    pool_of: Mapping[int, int] = field(default_factory=dict)
    weights_section: str | None = None

    def pool(self, storage: int) -> int:
        """Index of the pool that a storage is in."""
        return self.pool_of.get(storage, 0)

    def address(self, storage: int) -> int:
        """Its first byte, if the pools lay one behind the other."""
        return sum(p.bytes for p in self.pools[: self.pool(storage)]) + self.offsets[storage]

    def to_json(self) -> str:
        """As the attribute's text."""
        fields = {
            "workspace_bytes": self.workspace_bytes,
            "offsets": _keyed_by_text(self.offsets),
            "backward": list(self.backward),
            "lower_bound": self.lower_bound,
            "optimal": self.optimal,
        }
        if self.pools:
            fields["pools"] = [asdict(pool) for pool in self.pools]
            fields["pool_of"] = _keyed_by_text(self.pool_of)
            fields["weights_section"] = self.weights_section
        return json.dumps(fields)

    @staticmethod
    def from_json(text: str) -> MemoryPlan:
        """From the attribute's text."""
        fields = json.loads(text)
        for key in ("offsets", "pool_of"):
            fields[key] = {int(k): int(v) for k, v in fields.get(key, {}).items()}
        fields["backward"] = tuple(fields["backward"])
        fields["pools"] = tuple(PoolUse(**pool) for pool in fields.get("pools", ()))
        return MemoryPlan(**fields)


def _keyed_by_text(numbers: Mapping[int, int]) -> dict[str, int]:
    return {str(k): v for k, v in sorted(numbers.items())}


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
    tensors, problem = tensors_to_place(graph, io_in_arena)
    blocks = [Block(t.name, t.bytes, ALIGNMENT) for t in tensors]
    found = place(blocks, problem.distances, lower_bound=problem.bound)
    offsets = {t.index: offset for t, offset in zip(tensors, found.offsets, strict=True)}
    # Never empty: C has no arrays of no bytes.
    size = align(max([*found.used, 1]))
    backward = tuple(backward_steps(problem, offsets))
    return MemoryPlan(size, offsets, backward, found.lower_bound, found.optimal)


def quick_size(graph: Graph, *, io_in_arena: bool = True) -> int:
    """The size of a plan made in a moment; a better one may be smaller."""
    tensors, problem = tensors_to_place(graph, io_in_arena)
    blocks = [Block(t.name, t.bytes, ALIGNMENT) for t in tensors]
    return align(quick_bytes(blocks, problem.distances, problem.bound))


def tensors_to_place(graph: Graph, io_in_arena: bool) -> tuple[list[Storage], Problem]:
    """The tensors that need a place, and what their places must keep; see `planned_tensors`."""
    timeline = read_timeline(graph)
    tensors = [t for t in planned_tensors(graph, io_in_arena) if t.index in timeline.lives]
    return tensors, placement_problem(timeline, graph, tensors)


def backward_steps(problem: Problem, offsets: Mapping[int, int]) -> Iterator[int]:
    """Steps whose result would overwrite rows of their input before they are read."""
    for step, (source, target, above, below) in sorted(problem.choices.items()):
        difference = offsets[source] - offsets[target]
        if difference < above and -difference < below:
            yield step
