"""Which bytes of each tensor every event reads and writes.

Bytes are logical: counted as if every tensor were whole. Indices are the timeline's: 0 when inputs
are written, k + 1 for event k, the last one when outputs are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tvm_tiny.lowering.graph import Graph, Storage
from tvm_tiny.schedules.stages.stage import Rows, Stage

from .bases import Bases
from .events import Event, Runs, runs_of

# Larger than any byte: the first byte of an empty interval; the end of one is its negative.
NEVER = 1 << 40

# Bytes [first, end) at some indices.
Bytes = tuple[np.ndarray, np.ndarray]

# For a tensor read and a tensor written: indices of events that do both, and how far the writes of
# each get before its reads, in bytes of both memories (see `Access.within`).
Together = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Touched:
    """Bytes [first, end) of a tensor that are touched at each index.

    None are where end <= first.
    """

    first: np.ndarray
    end: np.ndarray

    @staticmethod
    def nowhere(count: int) -> Touched:
        """No bytes at any of `count` indices."""
        return Touched(
            np.full(count, NEVER, dtype=np.int64), np.full(count, -NEVER, dtype=np.int64)
        )

    def add(self, at: Any, first: Any, end: Any) -> None:
        """Bytes [first, end) at indices `at` as well; nothing where they are empty."""
        some = np.asarray(end) > np.asarray(first)
        self.first[at] = np.minimum(self.first[at], np.where(some, first, NEVER))
        self.end[at] = np.maximum(self.end[at], np.where(some, end, -NEVER))


@dataclass(frozen=True)
class Accesses:
    """The accesses of an inference, by storage.

    scratch: storage that holds nothing between events. together: (tensor read, tensor written) ->
    the events that do both.
    """

    graph: Graph
    bases: Bases
    count: int
    reads: dict[int, Touched] = field(default_factory=dict)
    writes: dict[int, Touched] = field(default_factory=dict)
    scratch: set[int] = field(default_factory=set)
    together: dict[tuple[int, int], list[Together]] = field(default_factory=dict)

    @property
    def tensors(self) -> list[int]:
        """The tensors that anything reads or writes, in order."""
        return sorted({*self.reads, *self.writes})

    def read(self, storage: int) -> Touched:
        """The bytes of a storage that are read at each index."""
        return self.reads.setdefault(storage, Touched.nowhere(self.count))

    def written(self, storage: int) -> Touched:
        """The bytes of a storage that are written at each index."""
        return self.writes.setdefault(storage, Touched.nowhere(self.count))


def accesses_of(graph: Graph, events: list[Event], bases: Bases) -> Accesses:
    """All accesses of some events, and of the caller before and after them."""
    accesses = Accesses(graph, bases, len(events) + 2)
    _add_whole(accesses, 0, (), graph.inputs)
    _add_whole(accesses, accesses.count - 1, graph.outputs, ())
    for runs in runs_of(graph, events):
        if runs.position is None:
            constants = {s for s in runs.step.inputs if graph.storage[s].is_constant}
            inputs = [s for s in runs.step.inputs if s not in constants]
            _add_whole(accesses, runs.at, inputs, runs.step.outputs)
        else:
            _add_runs(accesses, runs, runs.position)
    return accesses


def _add_whole(accesses: Accesses, at: Any, read: Sequence[int], written: Sequence[int]) -> None:
    """Accesses of whole tensors."""
    storage = accesses.graph.storage
    for tensor in read:
        accesses.read(tensor).add(at, 0, logical_bytes(storage[tensor]))
    for tensor in written:
        accesses.written(tensor).add(at, 0, logical_bytes(storage[tensor]))


def _add_runs(accesses: Accesses, runs: Runs, position: int) -> None:
    """Accesses of all runs of a row kernel."""
    operator, stage = runs.step.operators[position], runs.step.stage
    assert stage is not None, "only stages run row kernels"
    row_op, storage = operator.row_op, accesses.graph.storage
    if operator.scratch is not None:
        accesses.scratch.add(operator.scratch)
        _add_whole(accesses, runs.at, (), (operator.scratch,))
    written = _bytes(storage[operator.output], stage, row_op.result, row_op.writes, runs)
    accesses.written(operator.output).add(runs.at, *written)
    if row_op.accumulates:
        later = runs.numbers > 0
        accesses.read(operator.output).add(runs.at[later], *(bound[later] for bound in written))
    for k, (source, reads) in enumerate(zip(operator.inputs, row_op.reads, strict=True)):
        if reads is None or storage[source].is_constant:
            continue
        read = _bytes(storage[source], stage, row_op.operands[k], reads, runs)
        accesses.read(source).add(runs.at, *read)
        within = row_op.within[k]
        if within is not None:
            ahead = np.asarray(within)[runs.numbers]
            _add_together(accesses, (source, operator.output), runs.at, read, written, ahead)


def _bytes(tensor: Storage, stage: Stage, parameter: int, touched: Rows, runs: Runs) -> Bytes:
    """The bytes of the rows that runs touch, in the shape that the parameter has.

    Each tile has rows of its own of a tensor inside a stage. They count as if they came one tile
    behind the other, at a multiple of the line buffer's rows, so that they find the same places.
    """
    rows, kept = max(stage.rows[parameter], 1), max(tensor.buffer_rows, 1)
    apart = -(-rows // kept) * kept if parameter in stage.widths else 0
    size = logical_bytes(tensor) // rows
    first, end = np.asarray(touched.first), np.asarray(touched.end)
    start = runs.tiles * apart
    return (start + first[runs.numbers]) * size, (start + end[runs.numbers]) * size


def _add_together(
    accesses: Accesses,
    pair: tuple[int, int],
    at: np.ndarray,
    read: Bytes,
    written: Bytes,
    within: np.ndarray,
) -> None:
    """How far each event's writes get before its reads."""
    source, target = pair
    size = max(accesses.graph.storage[source].bytes, 1)
    read_base, write_base = _base(accesses, source, at, read), _base(accesses, target, at, written)
    # Where a read wraps around in its line buffer, only that it is in the memory is known.
    ahead = np.where(
        read[1] > read_base + size, written[1] - write_base, within - write_base + read_base
    )
    some = read[1] > read[0]
    accesses.together.setdefault(pair, []).append((at[some], ahead[some]))


def _base(accesses: Accesses, storage: int, at: np.ndarray, touched: Bytes) -> np.ndarray:
    """The logical byte that a tensor's memory begins with while some bytes are touched."""
    known = accesses.bases.of(storage)
    size = max(accesses.graph.storage[storage].bytes, 1)
    base: np.ndarray = touched[0] // size * size if known is None else known[at]
    return base


def logical_bytes(tensor: Storage) -> int:
    """Bytes of the whole tensor, of which a line buffer keeps a part."""
    if tensor.buffer_rows >= tensor.rows:
        return tensor.bytes
    return tensor.rows * tensor.row_bytes
