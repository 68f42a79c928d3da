"""The trade between SRAM and work: partitions of which no other is better in both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tvm.ir import IRModule

from .memory import align
from .network import read_network
from .partition import Partition, Search
from .pipeline import operators_pipeline

# Points closer than this in SRAM tell nothing new, and each costs a search.
_STEP_PERCENT = 4


@dataclass(frozen=True)
class Point:
    """A partition.

    bytes: of its arena. rows: how many are computed inside stages, each after asking which
    operator is ready. stages: how many operators each stage runs.
    """

    bytes: int
    rows: int
    stages: tuple[int, ...]

    @property
    def costs(self) -> tuple[int, ...]:
        """What is traded; a point with nothing larger than another's is not worse than it."""
        return self.bytes, self.rows


def pareto_front(
    mod: IRModule,
    *,
    fold_edges: bool = True,
    io_in_arena: bool = True,
    stream_input: bool = False,
) -> list[Point]:
    """Points of a QDQ Relax module from layer by layer to the least SRAM found."""
    front = operators_pipeline(
        fold_edges=fold_edges, io_in_arena=io_in_arena, stream_input=stream_input
    )
    return trade(Search(read_network(front(mod)), io_in_arena), pushed=stream_input)


def trade(search: Search, *, pushed: bool = False) -> list[Point]:
    """The points that a search finds, by falling SRAM and rising cost.

    pushed: the input is, so that the first step's progress is kept in the arena, too.
    """
    found = [_point(search, partition, pushed) for partition in _candidates(search)]
    points = {point.costs: point for point in found}.values()
    best = [p for p in points if not any(beats(other, p) for other in points)]
    return sorted(best, key=lambda point: point.costs, reverse=True)


def _candidates(search: Search) -> Iterator[Partition]:
    found: Partition | None = search.layers()
    while found is not None:
        yield found
        found = search.within(found.bytes * (100 - _STEP_PERCENT) // 100)
    yield search.least()


def _point(search: Search, partition: Partition, pushed: bool) -> Point:
    stages = [(first, last) for first, last in partition.ranges if last > first]
    # A word for each operator of the first step, and one more.
    words = partition.ranges[0][1] + 2 if pushed else 0
    return Point(
        bytes=partition.bytes + align(4 * words),
        rows=sum(search.edge(*stage).overhead for stage in stages),
        stages=tuple(last - first + 1 for first, last in stages),
    )


def beats(other: Point, point: Point) -> bool:
    """Whether `other` is better in something and worse in nothing."""
    pairs = zip(other.costs, point.costs, strict=True)
    return other.costs != point.costs and all(a <= b for a, b in pairs)
