"""Draws plans: columns of time, blocks of memory, and peaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from tvm_tiny.lowering.graph import Step as GraphStep
from tvm_tiny.lowering.memory_plan import MemoryPlan
from tvm_tiny.planning.arena_usage import ArenaUsage, row

from .blocks import blocks_of, state_block, weights_block
from .columns import Columns, columns_of
from .data import Block, Peak, Plan, PoolPart, Share, Step
from .techniques import Technique

# Columns of a picture, about as many as it has pixels for them.
COLUMNS = 600


def draw(technique: Technique, resolution: int = COLUMNS) -> Plan:
    """A plan and its picture of about `resolution` columns."""
    artist = _Artist(technique, columns_of(technique.arena_usage, resolution))
    plan, columns = technique.arena_usage.plan, len(artist.columns.shown)
    pools = _pools(plan)
    state_bytes = technique.state[1]
    # These blocks come last, since steps refer to the others by position.
    always = [weights_block(pool, columns) for pool in pools if pool.constants]
    always += [state_block(*technique.state, columns)] if state_bytes else []
    return Plan(
        key=technique.key,
        title=technique.title,
        arena_bytes=plan.workspace_bytes,
        lower_bound=plan.lower_bound + state_bytes,
        proven=plan.optimal,
        events=len(technique.arena_usage.events),
        columns=columns,
        pools=pools,
        blocks=(*artist.blocks.values(), *always),
        steps=tuple(artist.steps()),
        peak=artist.peak(),
    )


def _pools(plan: MemoryPlan) -> tuple[PoolPart, ...]:
    starts = accumulate((pool.bytes for pool in plan.pools), initial=0)
    return tuple(
        PoolPart(pool.name, start, pool.bytes, pool.size, pool.constants)
        for start, pool in zip(starts, plan.pools, strict=False)
    )


@dataclass(frozen=True)
class _Place:
    """A part of the columns. first: its first column; part: indices of time by column."""

    first: int
    part: list[np.ndarray]


class _Artist:
    """Steps and peaks of one technique's plan, in terms of its blocks and columns."""

    def __init__(self, technique: Technique, columns: Columns) -> None:
        self.columns = columns
        self.blocks: Mapping[int, Block] = blocks_of(technique.arena_usage, columns.shown)
        self._positions = {index: k for k, index in enumerate(self.blocks)}
        self._arena_usage: ArenaUsage = technique.arena_usage
        self._kept_bytes = technique.kept_bytes
        self._places = list(map(_Place, columns.starts, columns.parts))

    def steps(self) -> Iterator[Step]:
        for step, place in zip(self.columns.steps, self._places[1:-1], strict=True):
            yield Step(
                index=step.index,
                kind=_kind(step),
                tensors=tuple(o.name for o in step.operators) or (step.name,),
                ops=tuple(o.row_op.op for o in step.operators) or (step.op,),
                first=place.first,
                end=place.first + len(place.part),
                events=int(place.part[-1][-1] - place.part[0][0]) + 1,
                rings=self._touched(step, "ring"),
                scratch=self._touched(step, "scratch"),
                backward=step.index in self._arena_usage.plan.backward,
                tiles=_tiles(step),
                extra_macs=0 if step.stage is None else step.stage.extra_macs,
                peak=self._peak(place),
            )

    def peak(self) -> Peak:
        return max((self._peak(place) for place in self._places), key=lambda peak: peak.bytes)

    def _touched(self, step: GraphStep, kind: str) -> tuple[int, ...]:
        touched = sorted({*step.inputs, *step.outputs} & set(self.blocks))
        return tuple(self._positions[k] for k in touched if self.blocks[k].kind == kind)

    def _peak(self, place: _Place) -> Peak:
        used = self._arena_usage.used
        fullest = [int(column[np.argmax(used[column])]) for column in place.part]
        column = int(np.argmax(used[fullest]))
        index = fullest[column]
        events = self._arena_usage.events
        event = events[index - 1] if 0 < index <= len(events) else None
        spans = self._arena_usage.spans(index)
        return Peak(
            bytes=int(used[index]) + self._kept_bytes,
            column=place.first + column,
            step=None if event is None else event.step.index,
            tensor=None if event is None else (event.operator or event.step).name,
            row=None if event is None else row(event),
            tile=event.tile if event is not None and _tiles(event.step) != (1, 1) else None,
            shares=tuple(Share(self._positions[s.tensor], s.low, s.high) for s in spans),
        )


def _kind(step: GraphStep) -> str:
    if not step.operators:
        return "kernel"
    return "stage" if len(step.operators) > 1 else "layer"


def _tiles(step: GraphStep) -> tuple[int, int]:
    tiles = None if step.stage is None else step.stage.tiles
    return (1, 1) if tiles is None else tiles.split
