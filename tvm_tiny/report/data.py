"""A report on a compiled model as plain data: what the page shows, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tvm_tiny.analysis import Analysis, Measurement
from tvm_tiny.frontend.quality import Quality
from tvm_tiny.passes.memory_aware_schedule import OrderReport

from .pareto import Point


class Run(NamedTuple):
    """Columns [first, end) of a picture in which a block needs bytes [low, high) of the arena."""

    first: int
    end: int
    low: int
    high: int


@dataclass(frozen=True)
class Block:
    """A tensor's memory.

    kind: "input", "output", "tensor" (whole), "ring" (rows of a tensor inside a stage), "scratch"
    (of TVM's own kernels), "state" (progress of a pushed model) or "weights" (copied at start).
    holds: the tensors in it, one after the other. shape: of the last of them. rows: of it; ring:
    for how many there is memory, of row_bytes each; columns: of how many columns of these, of a
    tensor inside a patch stage. climb: bytes by which each row is further up than the one before.
    offset: in the arena.
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
    """When most bytes are in use, first of such times.

    column: of the picture. step, tensor, row: what is computed then; None before and after all
    steps, and row also in kernels of TVM's own. tile: of a patch stage, else None.
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
    """What the driver runs at once: a layer, a stage of several operators, or a kernel of TVM's.

    kind: "layer", "stage" or "kernel". tensors, ops: of its operators, in order. first, end:
    columns [first, end) of the picture. events: runs of row kernels. rings, scratch: indices of
    blocks that are its own. backward: from the last row to the first. tiles: rows and columns of
    them, (1, 1) of all but patch stages; extra_macs: what they compute more than once.
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

    first: its address there. bytes: used of its size; the first `constants` of them hold copied
    weights.
    """

    name: str
    first: int
    bytes: int
    size: int
    constants: int


@dataclass(frozen=True)
class Plan:
    """One way to plan the model, and its picture.

    key: "apart", "overlap", "stages", "pushed" or "pools". arena_bytes: of all pools together,
    which are none where there is one arena. proven: no plan of the same steps is smaller (in
    pools: better). events: runs of row kernels in one inference; a column shows the one of its
    events with most bytes in use.
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
    """What a profile counted on a board, operator by operator.

    counter: "plugin" or "timer", see `tvm_tiny.micro.profiling.profile`. per_mac: None without
    MACs.
    """

    board: str
    counter: str
    counts: tuple[int, ...]
    per_mac: tuple[float | None, ...]


@dataclass(frozen=True)
class Report:
    """Everything about one model.

    model: its file's name; name: prefix of its C. options: those of `tvm_tiny.build`.
    plans: from the plainest to the one that was compiled. front: None where it was not asked for;
    instructions: None without a profile; quality: None without a calibration.
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
