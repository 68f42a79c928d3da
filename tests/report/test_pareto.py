"""The trade between SRAM and work."""

from __future__ import annotations

import itertools

import pytest

import tvm_tiny
from tvm_tiny.report.pareto import Point, beats, pareto_front


@pytest.fixture(scope="module")
def front(network):
    return pareto_front(network, kernels="plain")


def test_it_goes_from_layers_to_the_least(network, front):
    assert front[0].stages == ()
    assert front[0].rows == 0
    streamed = [point for point in front if not point.extra_macs]
    assert streamed[-1].bytes == tvm_tiny.build(network, minimize=True).workspace_bytes


def test_less_memory_costs_more_work(front):
    assert len(front) > 2
    for point, other in itertools.pairwise(front):
        assert other.bytes < point.bytes
        assert (other.extra_macs, other.rows) > (point.extra_macs, point.rows)


def test_below_what_streaming_needs_tiles_compute_more(front):
    divided = [point for point in front if point.extra_macs]
    assert divided == front[-len(divided) :]
    assert all(any(stage.tiles != (1, 1) for stage in point.stages) for point in divided)


def test_every_point_can_be_had_by_its_budget(network, front):
    for point in front:
        compiled = tvm_tiny.build(network, sram=point.bytes)
        assert compiled.workspace_bytes <= point.bytes
        assert any(len(step) > 1 for step in compiled.program.steps) == bool(point.stages)


def test_rows_are_the_events_of_operators_in_stages(network, front):
    point = front[1]
    calls = tvm_tiny.build(network, sram=point.bytes).program.steps
    inside = [call.events for step in calls if len(step) > 1 for call in step]
    assert len(inside) == sum(stage.operators for stage in point.stages)
    assert sum(inside) == point.rows


def test_a_streamed_input_counts_the_progress_that_is_kept(network):
    front = pareto_front(network, stream_input=True, kernels="plain")
    # The search keeps room for the progress of all operators.
    compiled = tvm_tiny.build(network, stream_input=True, sram=front[0].bytes + 64)
    assert compiled.workspace_bytes == front[0].bytes


def test_no_point_is_beaten_by_another():
    better, worse = Point(10, 5, 0, ()), Point(10, 5, 3, ())
    assert beats(better, worse)
    assert not beats(worse, better)
    assert not beats(better, better)
