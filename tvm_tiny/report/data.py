"""A report on a compiled model as plain data, for the page and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tvm_tiny.analysis import Analysis, Measurement
from tvm_tiny.frontend.quality import Quality
from tvm_tiny.passes.memory_aware_schedule import OrderReport

from .pareto import Point


class Run(NamedTuple):
    """Columns [first, end) in which a block needs bytes [low, high) of the arena."""

    first: int
    end: int
    low: int
    high: int


@dataclass(frozen=True)
class Block:
    """A tensor's memory.

    kind       "input", "output", "tensor" (whole), "ring" (a line buffer inside a stage), "scratch"
               (of TVM's own kernels), "state" (progress of a streamed input) or "weights" (copied
               at start)
    holds      names of the tensors that are in it, one after the other
    shape      shape of the last of them, which has `rows` rows
    ring       number of rows that there is memory for, of `row_bytes` each
    columns    number of columns that there is memory for, for a tensor inside a patch stage
    climb      skew: bytes by which each row lies above the row before it
    offset     address in the arena
    """

    name: str
    kind: str
    holds: tuple[str, ...]
    dtype: str
    shape: tuple[int, ...]
    rows: int
    ring: int
    row_bytes: int
    columns: int | None
    climb: int
    bytes: int
    offset: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Share:
    """Bytes [low, high) of the arena that a block needs at a peak."""

    block: int
    low: int
    high: int


@dataclass(frozen=True)
class Peak:
    """The first time at which most bytes are in use.

    column             column of the picture
    step, tensor, row  the step, tensor and row that is computed then; None before and after all
                       steps; row is None in TVM's own kernels, too
    tile               number of a patch stage's tile, else None
    """

    bytes: int
    column: int
    step: int | None
    tensor: str | None
    row: int | None
    tile: int | None
    shares: tuple[Share, ...]


@dataclass(frozen=True)
class Step:
    """A step of the driver: a layer, a stage, or a kernel of TVM's.

    kind            "layer", "stage" or "kernel"
    tensors, ops    results and names of its operators, in order
    first, end      columns [first, end) of the picture
    events          number of runs of row kernels
    rings, scratch  indices of the blocks that are its line buffers and scratch
    backward        whether it runs from the last row to the first
    tiles           number of rows and columns of tiles; (1, 1) except in patch stages
    extra_macs      multiply-accumulates that tiles repeat
    """

    index: int
    kind: str
    tensors: tuple[str, ...]
    ops: tuple[str, ...]
    first: int
    end: int
    events: int
    rings: tuple[int, ...]
    scratch: tuple[int, ...]
    backward: bool
    tiles: tuple[int, int]
    extra_macs: int
    peak: Peak


@dataclass(frozen=True)
class PoolPart:
    """A memory pool of the board; in the picture pools follow one another.

    first      address of the pool in the picture
    bytes      bytes in use, of which the first `constants` hold copied weights
    size       bytes of the whole pool
    """

    name: str
    first: int
    bytes: int
    size: int
    constants: int


@dataclass(frozen=True)
class Plan:
    """One way to plan the model, and its picture.

    key          "apart", "overlap", "stages", "pushed" or "pools"
    arena_bytes  bytes of the arena, or of all pools together
    proven       no plan of the same steps is smaller (with pools: better)
    events       runs of row kernels in one inference; a column of the picture shows the one of its
                 events with most bytes in use
    pools        empty for a plan with one arena
    """

    key: str
    title: str
    arena_bytes: int
    lower_bound: int
    proven: bool
    events: int
    columns: int
    pools: tuple[PoolPart, ...]
    blocks: tuple[Block, ...]
    steps: tuple[Step, ...]
    peak: Peak


@dataclass(frozen=True)
class Instructions:
    """Instructions of each operator, from a profile on a board.

    counter  "plugin" or "timer", see `tvm_tiny.micro.profiling.profile`
    per_mac  instructions for each multiply-accumulate; None for operators without any
    """

    board: str
    counter: str
    counts: tuple[int, ...]
    per_mac: tuple[float | None, ...]


@dataclass(frozen=True)
class Report:
    """Everything about one model.

    model         name of its file
    name          prefix of its C
    options       options of `tvm_tiny.build`
    plans         from the simplest technique to the plan that was compiled
    front         the trade between SRAM and work; None where it was not asked for
    instructions  None without a profile
    quality       None without a calibration
    """

    model: str
    name: str
    target: str
    options: Mapping[str, Any]
    analysis: Analysis
    measured: Measurement
    order: OrderReport
    plans: tuple[Plan, ...]
    front: tuple[Point, ...] | None
    instructions: Instructions | None = None
    quality: Quality | None = None

    @property
    def chosen(self) -> Plan:
        """The plan that was compiled."""
        return self.plans[-1]
