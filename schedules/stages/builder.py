"""Builds a stage from its operators and tensors, with as little memory as it needs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..shapes import memory_shape, row_count
from .line_buffers import fit_line_buffers, in_place, share, with_shifts, with_skews
from .stage import BufferPolicy, Operator, Stage, Tiles
from .tiles import divided, tile, tile_sizes


@dataclass(frozen=True)
class StageTensor:
    """A tensor that a stage reads or writes.

    shape: of the whole tensor. inside: nothing outside the stage reads it. can_line_buffer: every
    kernel that touches it finds its rows through a line buffer.
    """

    shape: tuple[int, ...]
    dtype: str
    inside: bool = False
    can_line_buffer: bool = False

    @property
    def rows(self) -> int:
        """Rows of the whole tensor."""
        return row_count(self.shape)

    def row_bytes(self, width: int | None = None) -> int:
        """Bytes of one row, or of `width` columns of it."""
        return math.prod(memory_shape(self.shape, 1, width)) * np.dtype(self.dtype).itemsize


def build_stage(
    operators: Sequence[Operator], tensors: Mapping[int, StageTensor], policy: BufferPolicy
) -> Stage:
    """The stage that runs some operators with the least memory that a policy allows.

    operators: in topological order; with their columns where the policy has tiles. tensors: what
    the operators' parameters stand for, but for constants. A tensor that shares the memory of a
    later one is no parameter of the stage that is returned. Kernels have no names yet.
    """
    tiles = _tiles(operators, tensors, policy)
    shared = _shared(operators, tensors, tiles)
    kept = {p: tensor for p, tensor in tensors.items() if p not in shared}
    inside = [p for p, tensor in kept.items() if tensor.inside]
    rows = {p: tensor.rows for p, tensor in kept.items()}
    stage = Stage(share(operators, shared), rows, {})
    if tiles is not None:
        stage = divided(stage, tiles, inside)
    buffered = [p for p in inside if kept[p].can_line_buffer]
    stage = fit_line_buffers(stage, {p: kept[p].row_bytes(stage.widths.get(p)) for p in buffered})
    if policy.shifts:
        stage = with_shifts(stage)
    if policy.skews:
        stage = with_skews(stage, {o.result: kept[o.result].row_bytes() for o in stage.operators})
    return stage


def _tiles(
    operators: Sequence[Operator], tensors: Mapping[int, StageTensor], policy: BufferPolicy
) -> Tiles | None:
    if not policy.tiles:
        return None
    results = [o.result for o in operators if not tensors[o.result].inside]
    return tile(operators, {p: tensors[p].rows for p in results}, policy.tiles)


def _shared(
    operators: Sequence[Operator], tensors: Mapping[int, StageTensor], tiles: Tiles | None
) -> dict[int, int]:
    """Tensors computed over in place -> the result that takes their memory."""
    sizes: dict[int, object] = {p: (t.rows, t.row_bytes(), t.dtype) for p, t in tensors.items()}
    if tiles is not None:
        inside = [p for p, tensor in tensors.items() if tensor.inside]
        sizes = tile_sizes(operators, tiles, sizes, inside)
    buffered = [p for p, tensor in tensors.items() if tensor.inside and tensor.can_line_buffer]
    return in_place(operators, sizes, buffered)


def renumbered(stage: Stage, numbers: Mapping[int, int]) -> Stage:
    """The stage with other numbers for its parameters."""

    def of(known: Mapping[int, int]) -> dict[int, int]:
        return {numbers[p]: value for p, value in known.items()}

    return replace(
        stage,
        operators=share(stage.operators, numbers),
        rows=of(stage.rows),
        line_buffers=of(stage.line_buffers),
        widths=of(stage.widths),
        skews=of(stage.skews),
    )
