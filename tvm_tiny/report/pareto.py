"""The trade between SRAM and work: partitions than which no other is better."""

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
from tvm_tiny.planning.partition import Partition
from tvm_tiny.planning.partition_search import Search
from tvm_tiny.planning.patches import SPLITS
from tvm_tiny.schedules.stages.stage import order

# Each point costs a search, so points differ in SRAM by at least this much.
_STEP_PERCENT = 4


@dataclass(frozen=True)
class StageShape:
    """A stage's number of operators. tiles: rows and columns of them, (1, 1) if undivided."""

    operators: int
    tiles: tuple[int, int]


@dataclass(frozen=True)
class Point:
    """A partition and its costs.

    bytes       size of its arena
    rows        rows computed inside stages, each of which costs a look for the next operator
    extra_macs  multiply-accumulates that several tiles compute
    """

    bytes: int
    rows: int
    extra_macs: int
    stages: tuple[StageShape, ...]

    @property
    def costs(self) -> tuple[int, ...]:
        """The costs that are traded, each better if smaller."""
        return self.bytes, self.rows, self.extra_macs


def pareto_front(
    mod: IRModule,
    *,
    fold_edges: bool = True,
    io_in_arena: bool = True,
    stream_input: bool = False,
    kernels: str = PORTABLE,
) -> list[Point]:
    """Points of a QDQ Relax module, from layer by layer to the least SRAM found.

    kernels: see `SelectKernels`; patch stages have portable kernels.
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
    """The best points of two searches, by falling SRAM.

    streamed  the search without patch stages
    divided   the search with patch stages, for less SRAM than the other finds
    """
    rest = list(_below(streamed, streamed.layers()))
    least = min([streamed.least(), *rest], key=lambda partition: partition.bytes)
    patches = itertools.islice(_below(divided, least), 1, None)
    found = [_point(streamed.graph(p), p) for p in (*rest, least)]
    found += [_point(divided.graph(p), p) for p in patches]
    points = {point.costs: point for point in found}.values()
    best = [p for p in points if not any(beats(other, p) for other in points)]
    return sorted(best, key=lambda point: point.costs, reverse=True)


def _below(search: Search, partition: Partition) -> Iterator[Partition]:
    """A partition, followed by others that need less and less memory."""
    found: Partition | None = partition
    while found is not None:
        yield found
        found = search.within(found.bytes * (100 - _STEP_PERCENT) // 100)


def _point(graph: Graph, partition: Partition) -> Point:
    stages = [s.stage for s in graph.steps if s.stage is not None and len(s.operators) > 1]
    return Point(
        # The progress of a streamed input lies behind the planned arena.
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
