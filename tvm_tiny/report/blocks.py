"""Tensors as blocks of a picture: their lives become runs of equal intervals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tvm_tiny.graph import Graph, Storage
from tvm_tiny.occupancy import Occupancy
from tvm_tiny.schedules.kernel import row_split
from tvm_tiny.timeline import Life

from .data import Block, Run


def blocks_of(occupancy: Occupancy, shown: np.ndarray) -> dict[int, Block]:
    """Storage index -> its block, by offset. shown: the index of time of every column."""
    graph = occupancy.run
    holds = _holds(graph)
    result = {}
    offsets = {index: occupancy.plan.address(index) for index in occupancy.plan.offsets}
    for index, offset in sorted(offsets.items(), key=lambda item: item[::-1]):
        storage, life = graph.storage[index], occupancy.timeline.lives.get(index)
        if life is not None and storage.bytes:
            names = holds.get(index, [storage.name])
            runs = tuple(_runs(life, shown, offset))
            result[index] = _block(storage, _kind(graph, storage), names, offset, runs)
    return result


def state_block(offset: int, size: int, columns: int) -> Block:
    """What a model whose input is pushed keeps of its progress, all the time."""
    name = "progress of the pushed rows"
    runs = (Run(0, columns, offset, offset + size),)
    return Block(name, "state", (name,), "uint32", (size // 4,), 1, 1, size, size, offset, runs)


def _block(
    storage: Storage, kind: str, names: list[str], offset: int, runs: tuple[Run, ...]
) -> Block:
    whole = storage.ring >= storage.rows
    return Block(
        name=names[-1],
        kind=kind,
        holds=tuple(names),
        dtype=storage.dtype,
        shape=storage.shape if whole else (storage.rows, *row_split(storage.shape)[1]),
        rows=storage.rows,
        ring=storage.ring,
        row_bytes=storage.row_bytes,
        bytes=storage.bytes,
        offset=offset,
        runs=runs,
    )


def _holds(graph: Graph) -> dict[int, list[str]]:
    """Names of the results that operators put into the same memory, in order."""
    found: dict[int, list[str]] = {}
    for step in graph.steps:
        for operator in step.operators:
            found.setdefault(operator.output, []).append(operator.name)
    return found


def _kind(graph: Graph, storage: Storage) -> str:
    if storage.index in graph.inputs:
        return "input"
    if storage.index in graph.outputs:
        return "output"
    if storage.index in _scratch(graph):
        return "scratch"
    return "tensor" if storage.ring >= storage.rows else "ring"


def _scratch(graph: Graph) -> set[int]:
    """What TVM's own kernels write and nothing reads."""
    read = {index for step in graph.steps for index in step.inputs}
    made = {index for step in graph.steps if step.stage is None for index in step.outputs}
    return made - read - set(graph.outputs)


def _runs(life: Life, shown: np.ndarray, offset: int) -> Iterator[Run]:
    """The intervals of addresses in columns; where there are none, no run."""
    low, high = life.low_during[shown], life.high_during[shown]
    changes = np.flatnonzero((np.diff(low) != 0) | (np.diff(high) != 0)) + 1
    for first, end in pairwise([0, *changes.tolist(), len(shown)]):
        if high[first] > low[first]:
            yield Run(first, end, offset + int(low[first]), offset + int(high[first]))
