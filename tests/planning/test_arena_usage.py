"""Bytes in use, event by event."""

from __future__ import annotations

import numpy as np
import pytest
from modelgen.inverted_residual import inverted_residual

import tvm_tiny
from tvm_tiny.analysis import analyze
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.planning.arena_usage import most_by_operator, read_arena_usage, row


@pytest.fixture(scope="module")
def network():
    return from_tflite(inverted_residual())


@pytest.fixture(scope="module")
def layers(network):
    return read_arena_usage(tvm_tiny.build(network).module)


def test_bytes_that_two_tensors_share_count_once(layers):
    for index in range(len(layers.events) + 2):
        covered = {b for span in layers.spans(index) for b in range(span.low, span.high)}
        assert layers.used[index] == len(covered)


def test_no_more_is_in_use_than_the_arena_has(network):
    for options in ({}, {"minimize": True}):
        arena_usage = read_arena_usage(tvm_tiny.build(network, **options).module)
        assert arena_usage.used.max() <= arena_usage.plan.workspace_bytes


def test_layers_that_run_backward_write_their_last_row_first(layers):
    assert layers.plan.backward
    rows = {}
    for event in layers.events:
        rows.setdefault(event.step.index, []).append(row(event))
    for step, numbers in rows.items():
        assert numbers == sorted(numbers, reverse=step in layers.plan.backward)


def test_a_backward_result_takes_over_its_input_from_the_end(layers):
    """Its row k may lie where rows from k on were: what is in use never exceeds the arena."""
    for step in layers.plan.backward:
        (operator,) = layers.run.steps[step].operators
        live_range = layers.timeline.live_ranges[operator.output]
        indices = [k for k, e in enumerate(layers.events, 1) if e.step.index == step]
        lows = live_range.low_after[indices]
        assert np.all(np.diff(lows) <= 0)


def test_most_of_an_operator_is_the_most_of_its_events(layers):
    most = most_by_operator(layers)
    assert len(most) == len(layers.graph.steps)
    assert max(most) == layers.used[1:-1].max()


def test_analysis_of_a_streamed_model_counts_its_progress(network):
    compiled = tvm_tiny.build(network, minimize=True, stream_input=True)
    arena_usage = read_arena_usage(compiled.module)
    analysis = analyze(compiled)
    state = compiled.workspace_bytes - arena_usage.plan.workspace_bytes
    assert state > 0
    assert max(op.live_bytes for op in analysis.operators) == arena_usage.used[1:-1].max() + state
    assert analysis.operators[0].op == "push"
    assert [op.step for op in analysis.operators] == sorted(op.step for op in analysis.operators)
