"""Turns tensors into blocks of a picture: live ranges become runs of equal intervals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tvm_tiny.lowering.graph import Graph, Operator, Storage
from tvm_tiny.planning.arena_usage import ArenaUsage
from tvm_tiny.planning.live_ranges import LiveRange
from tvm_tiny.schedules.shapes import row_split

from .data import Block, PoolPart, Run


def blocks_of(arena_usage: ArenaUsage, shown: np.ndarray) -> dict[int, Block]:
    """Blocks by index of storage, ordered by offset. shown: the index of time of each column."""
    graph = arena_usage.run
    made = _made(graph)
    result = {}
    offsets = {index: arena_usage.plan.address(index) for index in arena_usage.plan.offsets}
    for index, offset in sorted(offsets.items(), key=lambda item: item[::-1]):
        storage, live_range = graph.storage[index], arena_usage.timeline.live_ranges.get(index)
        if live_range is not None and storage.bytes:
            runs = tuple(_runs(live_range, shown, offset))
            kind, operators = _kind(graph, storage), made.get(index, [])
            result[index] = _block(storage, kind, operators, offset, runs)
    return result


def state_block(offset: int, size: int, columns: int) -> Block:
    """The progress of a model whose input is streamed, which always stays in memory."""
    return _lasting("state", "progress of the pushed rows", offset, size, columns)


def weights_block(pool: PoolPart, columns: int) -> Block:
    """The weights that are copied to a pool at start."""
    name = f"weights copied to {pool.name}"
    return _lasting("weights", name, pool.first, pool.constants, columns)


def _lasting(kind: str, name: str, offset: int, size: int, columns: int) -> Block:
    return Block(
        name=name,
        kind=kind,
        holds=(name,),
        dtype="uint8",
        shape=(size,),
        rows=1,
        ring=1,
        row_bytes=size,
        columns=None,
        climb=0,
        bytes=size,
        offset=offset,
        runs=(Run(0, columns, offset, offset + size),),
    )


def _block(
    storage: Storage, kind: str, made: list[Operator], offset: int, runs: tuple[Run, ...]
) -> Block:
    names = tuple(operator.name for operator in made) or (storage.name,)
    _, inner = row_split(storage.shape)
    columns = made[-1].row_op.columns if made and kind == "ring" else None
    shape = storage.shape
    if kind == "ring":
        shape = (storage.rows, *(inner if columns is None else (columns.count, *inner[1:])))
    return Block(
        name=names[-1],
        kind=kind,
        holds=names,
        dtype=storage.dtype,
        shape=shape,
        rows=storage.rows,
        ring=storage.buffer_rows,
        row_bytes=storage.row_bytes,
        columns=None if columns is None else inner[0],
        climb=storage.skew,
        bytes=storage.bytes,
        offset=offset,
        runs=runs,
    )


def _made(graph: Graph) -> dict[int, list[Operator]]:
    """Operators by index of the storage that they write, in order."""
    found: dict[int, list[Operator]] = {}
    for step in graph.steps:
        for operator in step.operators:
            found.setdefault(operator.output, []).append(operator)
    return found


def _kind(graph: Graph, storage: Storage) -> str:
    if storage.index in graph.inputs:
        return "input"
    if storage.index in graph.outputs:
        return "output"
    if storage.index in _scratch(graph):
        return "scratch"
    return (
        "ring"
        if storage.buffer_rows < storage.rows or storage.index in _narrow(graph)
        else "tensor"
    )


def _narrow(graph: Graph) -> set[int]:
    """Tensors that have memory for some of their columns only."""
    return {
        operator.output
        for step in graph.steps
        for operator in step.operators
        if step.stage is not None and operator.row_op.result in step.stage.widths
    }


def _scratch(graph: Graph) -> set[int]:
    """Scratch memory of kernels, and tensors that TVM's own kernels write and no step reads."""
    read = {index for step in graph.steps for index in step.inputs}
    made = {index for step in graph.steps if step.stage is None for index in step.outputs}
    own = {o.scratch for step in graph.steps for o in step.operators if o.scratch is not None}
    return own | (made - read - set(graph.outputs))


def _runs(live_range: LiveRange, shown: np.ndarray, offset: int) -> Iterator[Run]:
    """Runs of columns in which the same interval of addresses is needed."""
    low, high = live_range.low_during[shown], live_range.high_during[shown]
    changes = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0)) + 1
    for first, end in pairwise([0, *changes.tolist(), len(shown)]):
        if high[first] > low[first]:
            yield Run(first, end, offset + int(low[first]), offset + int(high[first]))
