"""The trade between SRAM and work: partitions of which no other is better in everything."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import tvm
from tvm.ir import IRModule

from tvm_tiny.lowering.graph import Graph
from tvm_tiny.lowering.streamed_state import state_bytes
from tvm_tiny.passes.select_kernels import PORTABLE, SelectKernels
from tvm_tiny.pipeline import operators_pipeline
from tvm_tiny.planning.network import read_network
from tvm_tiny.planning.partition import Partition, Search
from tvm_tiny.planning.patches import SPLITS
from tvm_tiny.schedules.stages.stage import order

# Points closer than this in SRAM tell nothing new, and each costs a search.
_STEP_PERCENT = 4


@dataclass(frozen=True)
class StageShape:
    """How many operators a stage runs, and its rows and columns of tiles; (1, 1) if not divided."""

    operators: int
    tiles: tuple[int, int]


@dataclass(frozen=True)
class Point:
    """A partition.

    bytes: of its arena. rows: how many are computed inside stages, each after asking which
    operator is ready. extra_macs: multiply-accumulates of what several tiles compute.
    """

    bytes: int
    rows: int
    extra_macs: int
    stages: tuple[StageShape, ...]

    @property
    def costs(self) -> tuple[int, ...]:
        """What is traded; a point with nothing larger than another's is not worse than it."""
        return self.bytes, self.rows, self.extra_macs


def pareto_front(
    mod: IRModule,
    *,
    fold_edges: bool = True,
    io_in_arena: bool = True,
    stream_input: bool = False,
    kernels: str = PORTABLE,
) -> list[Point]:
    """Points of a QDQ Relax module from layer by layer to the least SRAM found.

    kernels: see `SelectKernels`; patch stages have portable ones.
    """
    lower = operators_pipeline(
        fold_edges=fold_edges, io_in_arena=io_in_arena, stream_input=stream_input
    )
    operators = lower(mod)
    selected = tvm.transform.Sequential([SelectKernels(kernels)])(operators)
    streamed = Search(read_network(selected), io_in_arena)
    divided = Search(read_network(operators, patches=True), io_in_arena, SPLITS)
    return trade(streamed, divided)


def trade(streamed: Search, divided: Search) -> list[Point]:
    """The points of two searches, by falling SRAM: without patch stages, and below that with."""
    rest = list(_below(streamed, streamed.layers()))
    least = min([streamed.least(), *rest], key=lambda partition: partition.bytes)
    patches = itertools.islice(_below(divided, least), 1, None)
    found = [_point(streamed.graph(p), p) for p in (*rest, least)]
    found += [_point(divided.graph(p), p) for p in patches]
    points = {point.costs: point for point in found}.values()
    best = [p for p in points if not any(beats(other, p) for other in points)]
    return sorted(best, key=lambda point: point.costs, reverse=True)


def _below(search: Search, partition: Partition) -> Iterator[Partition]:
    """A partition, and others of less and less memory."""
    found: Partition | None = partition
    while found is not None:
        yield found
        found = search.within(found.bytes * (100 - _STEP_PERCENT) // 100)


def _point(graph: Graph, partition: Partition) -> Point:
    stages = [s.stage for s in graph.steps if s.stage is not None and len(s.operators) > 1]
    return Point(
        # The progress of a pushed input is kept behind the plan.
        bytes=partition.bytes + state_bytes(graph),
        rows=sum(len(order(stage)) for stage in stages),
        extra_macs=sum(stage.extra_macs for stage in stages),
        stages=tuple(
            StageShape(len(s.operators), s.tiles.split if s.tiles else (1, 1)) for s in stages
        ),
    )


def beats(other: Point, point: Point) -> bool:
    """Whether `other` is better in something and worse in nothing."""
    pairs = zip(other.costs, point.costs, strict=True)
    return other.costs != point.costs and all(a <= b for a, b in pairs)
