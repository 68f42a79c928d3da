"""How many bytes of each tensor are read and written in one inference."""

from __future__ import annotations

from collections import Counter

from .graph import PUSH, Graph, Operator, Step
from .schedules.stage import Rows


def traffic(graph: Graph) -> Counter[int]:
    """Storage index -> bytes: what callers and kernels read and write of every tensor in SRAM.

    Of row kernels counts each row that an event touches, once an event: how often a kernel loads
    an element again within one event depends on its schedule and on the compiler. TVM's own
    kernels touch each tensor once.
    """
    bytes_of: Counter[int] = Counter()
    for storage in (*graph.inputs, *graph.outputs):
        bytes_of[storage] += _logical(graph, storage)
    for step in graph.steps:
        if step.stage is None:
            for storage in (*step.inputs, *step.outputs):
                bytes_of[storage] += _logical(graph, storage)
        for operator in step.operators:
            bytes_of += _of_operator(graph, step, operator)
    constants = {s.index for s in graph.storage if s.is_constant}
    return Counter({k: n for k, n in bytes_of.items() if k not in constants})


def _of_operator(graph: Graph, step: Step, operator: Operator) -> Counter[int]:
    assert step.stage is not None, "a kernel of TVM's own has no operators"
    stage, rows = operator.stage, step.stage.rows
    written = _touched(graph, operator.output, rows[stage.result], stage.writes)
    # An accumulator reads what it has written before.
    found = Counter({operator.output: 2 * written if stage.accumulates else written})
    operands = zip(operator.inputs, stage.operands, stage.reads, strict=True)
    for storage, parameter, reads in operands:
        if reads is not None and stage.op != PUSH and not graph.storage[storage].is_constant:
            found[storage] += _touched(graph, storage, rows[parameter], reads)
    return found


def _touched(graph: Graph, storage: int, rows: int, touched: Rows) -> int:
    """Rows as bytes; `rows` of the operand's view, which a reshape may have changed."""
    size = _logical(graph, storage) // max(rows, 1)
    pairs = zip(touched.first, touched.end, strict=True)
    return size * sum(max(0, end - first) for first, end in pairs)


def _logical(graph: Graph, storage: int) -> int:
    """Bytes of the tensor, of which a ring keeps a part."""
    tensor = graph.storage[storage]
    return tensor.bytes if tensor.ring >= tensor.rows else tensor.rows * tensor.row_bytes
