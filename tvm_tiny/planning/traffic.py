"""How many bytes of each tensor are read and written in one inference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tvm_tiny.lowering.graph import Graph, Operator, Step
from tvm_tiny.schedules.stages.stage import STREAM_ROW, Rows, Stage, tiled_order

from .accesses import logical_bytes


def traffic(graph: Graph) -> Counter[int]:
    """The bytes that callers and kernels read and write of each tensor in SRAM.

    Each row that an event of a row kernel touches counts once, and in a tile only the tile's part
    of it: how often a kernel loads an element within one event depends on its schedule and on
    the compiler. TVM's own kernels touch each tensor once.
    """
    bytes_of: Counter[int] = Counter()
    for storage in (*graph.inputs, *graph.outputs):
        bytes_of[storage] += logical_bytes(graph.storage[storage])
    for step in graph.steps:
        if step.stage is None:
            for storage in (*step.inputs, *step.outputs):
                bytes_of[storage] += logical_bytes(graph.storage[storage])
        else:
            bytes_of += _of_stage(graph, step, step.stage)
    constants = {s.index for s in graph.storage if s.is_constant}
    return Counter({k: n for k, n in bytes_of.items() if k not in constants})


def _of_stage(graph: Graph, step: Step, stage: Stage) -> Counter[int]:
    runs = Counter((k, event) for _, k, event in tiled_order(stage))
    found: Counter[int] = Counter()
    for k, operator in enumerate(step.operators):
        count = [runs[k, event] for event in range(operator.row_op.events)]
        for storage, parameter, rows in _accesses(graph, operator):
            size = _row_bytes(graph, stage, storage, parameter)
            spans = zip(count, rows.first, rows.end, strict=True)
            found[storage] += size * sum(n * max(0, end - first) for n, first, end in spans)
    return found


def _accesses(graph: Graph, operator: Operator) -> Iterator[tuple[int, int, Rows]]:
    """(storage, parameter, rows) of what is written and read in SRAM.

    A streamed row is the caller's memory.
    """
    stage = operator.row_op
    # An accumulator reads what it has written before.
    for _ in range(2 if stage.accumulates else 1):
        yield operator.output, stage.result, stage.writes
    operands = zip(operator.inputs, stage.operands, stage.reads, strict=True)
    for storage, parameter, reads in operands:
        if reads is not None and stage.op != STREAM_ROW and not graph.storage[storage].is_constant:
            yield storage, parameter, reads


def _row_bytes(graph: Graph, stage: Stage, storage: int, parameter: int) -> int:
    """Bytes of a row in the operand's shape, or of a tile's part of it."""
    size = logical_bytes(graph.storage[storage]) // max(stage.rows[parameter], 1)
    if stage.tiles is None or parameter in stage.widths:
        return size
    return size // len(stage.tiles.columns[0])
