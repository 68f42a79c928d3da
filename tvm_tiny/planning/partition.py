"""Partitions of a network into steps, and the plans that they give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tvm_tiny.lowering.graph import Graph
from tvm_tiny.lowering.memory_plan import MemoryPlan
from tvm_tiny.schedules.stages.stage import STEADY, BufferPolicy

from .memory import plan
from .network import Network, Range, sketch

# A range of operators as one step: the first, the last, and how they run.
Key = tuple[int, int, BufferPolicy]


@dataclass(frozen=True)
class Edge:
    """A step that runs operators [first, last].

    bytes: a bound on the memory needed meanwhile, with all that must survive the step. overhead:
    see `EdgeCosts.overhead`.
    """

    first: int
    last: int
    bytes: int
    overhead: int
    policy: BufferPolicy = STEADY

    @property
    def stop(self) -> int:
        """The operator behind the last."""
        return self.last + 1

    @property
    def rank(self) -> BufferPolicy:
        """The order of edges of equal cost."""
        return self.policy

    @property
    def key(self) -> Key:
        """The operators and how they run."""
        return self.first, self.last, self.policy


@dataclass(frozen=True)
class Partition:
    """Ranges of nodes in order, and the plan that they give.

    policies: how ranges run, for those that are not STEADY.
    """

    ranges: tuple[Range, ...]
    plan: MemoryPlan
    policies: Mapping[Range, BufferPolicy] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of the arena."""
        return self.plan.workspace_bytes


@dataclass
class Plans:
    """Plans of partitions of one network, each made once."""

    network: Network
    io_in_arena: bool
    _known: dict[tuple[Key, ...], Partition] = field(default_factory=dict)

    def of(self, keys: Iterable[Key]) -> Partition:
        """The partition into these steps, with its plan."""
        steps = tuple(keys)
        if steps not in self._known:
            ranges, policies = tuple((first, last) for first, last, _ in steps), moving(steps)
            graph = sketch(self.network, ranges, policies)
            found = plan(graph, io_in_arena=self.io_in_arena)
            self._known[steps] = Partition(ranges, found, policies)
        return self._known[steps]

    def of_path(self, path: Sequence[Edge]) -> Partition:
        """The partition whose steps are the edges of a path."""
        return self.of(edge.key for edge in path)

    def graph(self, partition: Partition) -> Graph:
        """The graph that lowering a partition gives."""
        return sketch(self.network, partition.ranges, partition.policies)


def moving(keys: Iterable[Key]) -> dict[Range, BufferPolicy]:
    """The policies of the steps that have one other than STEADY."""
    return {(first, last): policy for first, last, policy in keys if policy != STEADY}
