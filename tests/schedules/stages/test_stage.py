"""Stages: their order, the rows they keep, what shares memory, and their text."""

from __future__ import annotations

import json
from dataclasses import replace

import byte_trace
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_graphs import chains, model, models, pointwise, sums, window

from tvm_tiny.lowering.graph import Graph
from tvm_tiny.schedules.stages.line_buffers import fit_line_buffers, in_place, line_buffer_rows
from tvm_tiny.schedules.stages.serialization import from_json, runs, to_json
from tvm_tiny.schedules.stages.stage import Stage, order

RANDOM = settings(max_examples=150, derandomize=True, deadline=None)
# Tensors of 8 rows of 4 bytes, but where a test says otherwise.
SIZE = (8, 4)
NEAR = [range(max(r - 1, 0), min(r + 2, 8)) for r in range(8)]


def inner(graph: Graph) -> list[int]:
    """Tensors that one step makes and only it reads."""
    (step,) = graph.steps
    return [t for t in step.outputs if t not in graph.outputs]


@RANDOM
@given(models(7, layers=False))
def test_the_last_operator_that_is_ready_runs_and_none_gets_stuck(made):
    (step,) = made.graph.steps
    assert order(step.stage) == list(byte_trace.order(step.stage))


def line_buffer_of(size: int):
    """Where in a ring of so many bytes those of a tensor are."""
    return lambda _, byte: byte % size


@RANDOM
@given(models(7, layers=False))
def test_line_buffers_hold_what_is_read_and_a_row_less_would_not(made):
    accesses = byte_trace.trace(made.graph, made.touches)
    for tensor in inner(made.graph):
        storage = made.graph.storage[tensor]
        rows, size = storage.buffer_rows, storage.row_bytes
        assert byte_trace.wrong_read(accesses, {tensor: 0}, line_buffer_of(rows * size)) is None
        if rows > 1:
            smaller = line_buffer_of((rows - 1) * size)
            assert byte_trace.wrong_read(accesses, {tensor: 0}, smaller) is not None


@RANDOM
@given(models(7))
def test_stages_survive_their_text(made):
    for step in made.graph.steps:
        assert from_json(to_json(step.stage)) == step.stage


@RANDOM
@given(chains(7))
def test_delays_never_cost_memory(chain):
    made, sizes = chain
    read = {t for m in made for t in m.operator.operands}
    plain = Stage(tuple(m.operator for m in made), {t: s[0] for t, s in sizes.items()}, {})
    width = {m.operator.result: sizes[m.operator.result][1] for m in made}
    width = {t: n for t, n in width.items() if t in read}
    before = line_buffer_rows(plain, sorted(width))
    fitted = fit_line_buffers(plain, width)
    after = {t: fitted.line_buffers.get(t, plain.rows[t]) for t in width}
    # Single rows come and go.
    kept = [{t: n * width[t] for t, n in rows.items() if n > 1} for rows in (before, after)]
    assert sum(kept[1].values()) <= sum(kept[0].values())


def test_a_branch_waits_where_its_input_is_smaller_than_its_result():
    """x -> wide shortcut, and x -> two windows: the shortcut's rows wait for the windows'."""
    sizes = dict(enumerate([SIZE, SIZE, (8, 16), SIZE, SIZE, (8, 16)]))
    made = [
        window(0, 1, sizes, NEAR, False),
        pointwise([1], 2, sizes),
        window(1, 3, sizes, NEAR, False),
        window(3, 4, sizes, NEAR, False),
        pointwise([4, 2], 5, sizes),
    ]
    plain = Stage(tuple(m.operator for m in made), dict.fromkeys(sizes, 8), {})
    fitted = fit_line_buffers(plain, {t: sizes[t][1] for t in (1, 2, 3, 4)})
    assert line_buffer_rows(plain, (1, 2)) == {1: 3, 2: 2}
    assert fitted.delays == {1: (3, tuple(range(1, 9)))}
    assert fitted.line_buffers == {1: 3, 2: 1, 3: 3, 4: 3}


def test_a_sum_is_complete_before_anyone_reads_it():
    sizes = {0: SIZE, 1: SIZE, 2: (1, 4), 3: (1, 4)}
    made = [pointwise([0], 1, sizes), sums(1, 2, sizes), pointwise([2], 3, sizes)]
    stage = model(made, sizes, []).graph.steps[0].stage
    assert order(stage)[-1] == (2, 0)
    assert stage.line_buffers == {1: 1}


@pytest.mark.parametrize(
    ("name", "sizes", "readers", "expected"),
    [
        ("shared", [SIZE, SIZE, SIZE], 1, {1: 2}),
        ("wider", [SIZE, SIZE, (8, 8)], 1, {}),
        ("read by others", [SIZE, SIZE, SIZE], 2, {}),
    ],
)
def test_results_lie_over_what_dies_in_them(name, sizes, readers, expected):
    table = dict(enumerate([*sizes, SIZE]))
    made = [pointwise([0], 1, table), pointwise([1], 2, table), pointwise([1], 3, table)]
    operators = [m.operator for m in made[: 1 + readers]]
    assert in_place(operators, table, [1, 2]) == expected
    assert in_place(operators, table, [1]) == {}, "what others read has memory of its own"


def test_chains_in_place_have_one_memory_and_windows_need_their_own():
    sizes = dict.fromkeys(range(5), SIZE)
    made = [pointwise([k], k + 1, sizes) for k in range(3)] + [window(3, 4, sizes, NEAR, False)]
    operators = [m.operator for m in made]
    assert in_place(operators, sizes, [1, 2, 3]) == {1: 3, 2: 3}
    assert in_place(operators, sizes, [2, 3]) == {2: 3}
    late = replace(operators[1], within=((1,) * 8,))
    assert in_place([operators[0], late], sizes, [1, 2]) == {}


@RANDOM
@given(st.lists(st.integers(-3, 3), max_size=12))
def test_progressions_are_the_numbers(numbers):
    packed = list(runs(numbers))
    assert [a + k * step for count, a, step in packed for k in range(count)] == numbers
    assert len(packed) <= max(len(numbers), 1)


def test_regular_stages_have_short_texts():
    """One run of events instead of a thousand numbers."""
    sizes = dict.fromkeys(range(3), (1000, 4))
    made = [pointwise([k], k + 1, sizes) for k in range(2)]
    stage = model(made, sizes, []).graph.steps[0].stage
    text = to_json(stage)
    assert len(text) < 2000
    assert json.loads(text)["rings"] == {"1": 1}
