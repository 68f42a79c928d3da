"""Every byte that a graph's kernels touch, in order, and whether memory of a plan serves it.

An oracle for plans, rings and distances that shares nothing with what makes them: the order of
events comes from the rule "one event of the last operator that is ready", what is ready from the
rows that are read, and each byte read must be the one that the right operator wrote there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tvm_tiny.lowering.graph import Graph, Step
from tvm_tiny.schedules.stages.stage import SHIFT, Operator, Rows, Stage

OUT = -1
# "r" or "w", position of the operand or OUT, byte of the whole tensor.
Touch = tuple[str, int, int]
# What event `number` of operator `k` of a step touches, in order.
Touches = Callable[[Step, int, int], Iterable[Touch]]
INPUT = (-1, 0)


@dataclass(frozen=True)
class Access:
    """One byte, and who must have written it: (step, operator)."""

    writes: bool
    storage: int
    byte: int
    writer: tuple[int, int]


def order(stage: Stage) -> Iterator[tuple[int, int]]:
    """(operator, event) as long as one is ready, the last one first; fails if a stage sticks."""
    done = [0] * len(stage.operators)
    needs = [list(_needs(stage, k)) for k in range(len(done))]
    while True:
        ready = [
            k
            for k, operator in enumerate(stage.operators)
            if done[k] < operator.events and all(done[p] >= n[done[k]] for p, n in needs[k])
        ]
        if not ready:
            assert done == [operator.events for operator in stage.operators], "stuck"
            return
        yield ready[-1], done[ready[-1]]
        done[ready[-1]] += 1


def _needs(stage: Stage, k: int) -> Iterator[tuple[int, list[int]]]:
    """Producers of what operator k reads, and their events that must come before each of its."""
    operator = stage.operators[k]
    if operator.op == SHIFT:
        yield from _shift_needs(stage, k)
        return
    for parameter, reads in zip(operator.operands, operator.reads, strict=True):
        writers = [p for p in range(k) if stage.operators[p].result == parameter]
        makers = [p for p in writers if stage.operators[p].op != SHIFT]
        if reads is None or not makers:
            continue
        maker = stage.operators[makers[-1]]
        yield makers[-1], [_events_for(maker, wanted) for wanted in _row_sets(reads)]
    if k in stage.delays:
        yield stage.delays[k]
    behind = stage.operators[k + 1] if k + 1 < len(stage.operators) else None
    if behind is not None and behind.op == SHIFT and behind.result == operator.result:
        still = operator.events - behind.events
        yield k + 1, [max(row + 1 - still, 0) for row in range(operator.events)]


def _shift_needs(stage: Stage, k: int) -> Iterator[tuple[int, list[int]]]:
    """Rows move when the ring is full, and the row that goes is not read any more."""
    moved = stage.operators[k]
    still = stage.rows[moved.result] - moved.events
    yield k - 1, [event + still for event in range(moved.events)]
    gone = [event + still - stage.line_buffers[moved.result] for event in range(moved.events)]
    for reader, operator in enumerate(stage.operators):
        for parameter, reads in zip(operator.operands, operator.reads, strict=True):
            if reads is not None and parameter == moved.result:
                first = [min(rows, default=stage.rows[parameter]) for rows in _row_sets(reads)]
                yield (
                    reader,
                    [max((e + 1 for e, f in enumerate(first) if f <= g), default=0) for g in gone],
                )


def _row_sets(rows: Rows) -> list[set[int]]:
    return [set(range(*span)) for span in zip(rows.first, rows.end, strict=True)]


def _events_for(maker: Operator, wanted: set[int]) -> int:
    """Events up to the last that writes one of these rows; all that there are of a sum."""
    if maker.accumulates and wanted:
        return maker.events
    made = enumerate(_row_sets(maker.writes))
    return max((event + 1 for event, rows in made if rows & wanted), default=0)


def trace(graph: Graph, touches: Touches, backward: Collection[int] = ()) -> list[Access]:
    """All accesses of one inference; inputs are written before it, outputs read behind it."""
    last: dict[int, tuple[int, int]] = dict.fromkeys(graph.inputs, INPUT)
    found = [Access(True, s, b, INPUT) for s in graph.inputs for b in range(_size(graph, s))]
    for step in graph.steps:
        if step.stage is None:
            found += _whole(graph, step, last)
            continue
        events = list(order(step.stage))
        writers = _writers(step, last)
        for k, event in reversed(events) if step.index in backward else events:
            operator = step.operators[k]
            for mode, position, byte in touches(step, k, event):
                storage = operator.output if position == OUT else operator.inputs[position]
                writer = (step.index, k) if position == OUT else writers[k][position]
                found.append(Access(mode == "w", storage, byte, writer))
        last |= {o.output: (step.index, k) for k, o in enumerate(step.operators)}
    found += [Access(False, s, b, last[s]) for s in graph.outputs for b in range(_size(graph, s))]
    return found


def _writers(step: Step, before: Mapping[int, tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Per operator and operand: who made what it reads; in place the last one before it."""
    last, writers = dict(before), []
    for k, operator in enumerate(step.operators):
        writers.append([last.get(storage, INPUT) for storage in operator.inputs])
        last[operator.output] = (step.index, k)
    return writers


def _whole(graph: Graph, step: Step, last: dict[int, tuple[int, int]]) -> Iterator[Access]:
    """Kernels without rows: all results are there, in any order, before any input is read.

    But for a result in the memory of an input, which such a kernel writes last.
    """
    me = (step.index, 0)
    order = [(True, set(step.outputs) - set(step.inputs)), (False, step.inputs)]
    for writes, storages in (*order, (True, set(step.outputs) & set(step.inputs))):
        for storage in storages:
            if graph.storage[storage].is_constant:
                continue
            writer = me if writes else last[storage]
            yield from (Access(writes, storage, b, writer) for b in range(_size(graph, storage)))
    last |= dict.fromkeys(step.outputs, me)


def _size(graph: Graph, storage: int) -> int:
    tensor = graph.storage[storage]
    return tensor.bytes if tensor.buffer_rows >= tensor.rows else tensor.rows * tensor.row_bytes


def wrong_read(
    accesses: Iterable[Access], offsets: Mapping[int, int], place_of: Callable[[int, int], int]
) -> Access | None:
    """The first access of memory at `offsets` that finds another byte than it should.

    Tensors without an offset have memory of their own. place_of: where in the memory of a tensor
    one of its bytes is kept.
    """
    memory: dict[int, tuple[int, int, tuple[int, int]]] = {}
    for access in accesses:
        if access.storage not in offsets:
            continue
        place = offsets[access.storage] + place_of(access.storage, access.byte)
        identity = (access.storage, access.byte, access.writer)
        if access.writes:
            memory[place] = identity
        elif memory.get(place) != identity:
            return access
    return None


def places(graph: Graph) -> Callable[[int, int], int]:
    """Where in its memory a byte of a tensor is kept, in rings and in what climbs."""

    def place_of(storage: int, byte: int) -> int:
        tensor = graph.storage[storage]
        if tensor.skew:
            row, column = divmod(byte, tensor.row_bytes)
            return row * tensor.skew + column
        return byte % max(tensor.bytes, 1)

    return place_of


def memory_bytes(graph: Graph) -> dict[int, int]:
    """Size of the memory of each tensor: of as many rows as it has room for."""
    return {tensor.index: max(tensor.bytes, 1) for tensor in graph.tensors}
