"""Rings whose rows move: every row is found, and only those that are wanted are moved."""

from __future__ import annotations

import byte_trace
from byte_trace import OUT
from hypothesis import given, settings
from stage_graphs import Made, models, pointwise, window

from tvm_tiny.schedules.stages.line_buffers import first_kept, fit_line_buffers, with_shifts
from tvm_tiny.schedules.stages.stage import SHIFT, Stage, order

# Tensors of 8 rows of 4 bytes.
SIZE = (8, 4)


def stage_of(*made: Made) -> Stage:
    stage = Stage(tuple(m.operator for m in made), dict.fromkeys(range(len(made) + 1), 8), {})
    return with_shifts(fit_line_buffers(stage, dict.fromkeys(range(1, len(made)), SIZE[1])))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(models(7, layers=False))
def test_every_byte_is_where_the_kernel_looks_for_it(made):
    (step,) = made.graph.steps
    stage = with_shifts(step.stage)
    assert order(stage) == list(byte_trace.order(stage))
    starts = {p: -stage.lead(p) for p in stage.shifts}
    first = {p: first_kept(stage, k) for p, k in stage.shifts.items()}
    memory = {p: [None] * (stage.line_buffers[p] * made.graph.storage[p].row_bytes) for p in starts}
    own = [k for k, operator in enumerate(stage.operators) if operator.op != SHIFT]
    for k, event in order(stage):
        operator = stage.operators[k]
        if operator.op == SHIFT:
            size, kept = made.graph.storage[operator.result].row_bytes, memory[operator.result]
            at = first[operator.result][event] * size
            kept[at:-size] = kept[at + size :]
            starts[operator.result] += 1
            continue
        for mode, position, byte in made.touches(step, own.index(k), event):
            tensor = operator.result if position == OUT else operator.operands[position]
            if tensor in memory:
                place = byte - starts[tensor] * made.graph.storage[tensor].row_bytes
                assert place >= 0
                if mode == "w":
                    memory[tensor][place] = byte
                else:
                    assert memory[tensor][place] == byte


def test_rows_move_when_the_line_buffer_is_full_and_the_oldest_is_not_wanted():
    """Windows of three rows, two rows apart: of the three, only the last is wanted again."""
    sizes = dict.fromkeys(range(3), SIZE) | {2: (4, 4)}
    near = [range(max(2 * r - 1, 0), 2 * r + 2) for r in range(4)]
    stage = stage_of(pointwise([0], 1, sizes), window(1, 2, sizes, near, False))
    assert stage.line_buffers == {1: 3}
    assert stage.lead(1) == 1
    assert first_kept(stage, 1) == [1, 0, 1, 0, 1, 0]
    turns = [(0, 0), (0, 1), (2, 0), (1, 0), (0, 2), (1, 1), (0, 3), (2, 1)]
    assert order(stage)[:8] == turns


def test_line_buffers_of_one_row_stay_where_they_are():
    sizes = dict.fromkeys(range(3), SIZE)
    stage = stage_of(pointwise([0], 1, sizes), pointwise([1], 2, sizes))
    assert stage.line_buffers == {1: 1}
    assert stage.shifts == {}
