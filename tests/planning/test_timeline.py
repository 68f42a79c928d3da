"""Distances between tensors against memory simulated byte by byte."""

from __future__ import annotations

import itertools

import numpy as np
from byte_trace import Access, memory_bytes, places, trace, wrong_read
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_graphs import Model, model, models, pointwise, skewed, window

from tvm_tiny.planning.events import reversible
from tvm_tiny.planning.separation import placement_problem, separations
from tvm_tiny.planning.timeline import read_timeline

RANDOM = settings(max_examples=120, derandomize=True, deadline=None)


def backward_steps(made: Model) -> list[int]:
    return [step.index for step in made.graph.steps if reversible(step, made.graph)]


def works(accesses: list[Access], a: int, b: int, difference: int, made: Model) -> bool:
    """Whether every byte of two tensors is right with b `difference` bytes above a."""
    low = max(0, -difference)
    offsets = {a: low, b: low + difference}
    return wrong_read(accesses, offsets, places(made.graph)) is None


def pairs(made: Model, backward: bool):
    """Of each two tensors: their accesses, names, distances, and differences that could matter."""
    timeline = read_timeline(made.graph, backward=backward)
    accesses = trace(made.graph, made.touches, backward_steps(made) if backward else ())
    size = memory_bytes(made.graph)
    tensors = [t.index for t in made.graph.tensors if t.index in timeline.live_ranges]
    found = separations(timeline, tensors)
    for a, b in itertools.combinations(tensors, 2):
        both = [access for access in accesses if access.storage in (a, b)]
        yield both, a, b, found.get((a, b)), found.get((b, a)), range(-size[b], size[a] + 1)


@RANDOM
@given(models(5), st.booleans())
def test_two_tensors_as_close_as_their_separation_keep_every_byte(made, backward):
    for accesses, a, b, up, down, differences in pairs(made, backward):
        assert (up is None) == (down is None)
        for difference in differences:
            if up is None or difference >= up or -difference >= down:
                assert works(accesses, a, b, difference, made), (a, b, difference)


@RANDOM
@given(models(6, layers=False))
def test_a_skewed_tensor_keeps_every_byte(made):
    made = skewed(made)
    for accesses, a, b, up, down, differences in pairs(made, False):
        for difference in differences:
            if up is None or difference >= up or -difference >= down:
                assert works(accesses, a, b, difference, made), (a, b, difference)


def test_hardly_any_closer_place_would_do():
    """Intervals of bytes are what is needed but for parts of a row and rows nobody reads.

    Most of those are of whole results beside an operand that dies in step with them.
    """
    wrong = right = 0

    @RANDOM
    @given(models(5), st.booleans())
    def count(made, backward):
        nonlocal wrong, right
        for accesses, a, b, up, down, differences in pairs(made, backward):
            closer = [d for d in differences if up is not None and d < up and -d < down]
            fine = [works(accesses, a, b, difference, made) for difference in closer]
            right, wrong = right + fine.count(True), wrong + fine.count(False)

    count()
    assert wrong > 5000
    assert right < wrong / 80


@RANDOM
@given(models(3, layers=True))
def test_a_result_below_its_input_is_as_close_as_it_can_be(made):
    """The way most layers overlap, byte for byte."""
    step = made.graph.steps[-1]
    source, target = step.operators[0].inputs[0], step.operators[0].output
    for accesses, a, b, up, down, _ in pairs(made, False):
        if {a, b} == {source, target} and up is not None:
            down = down if b == target else up
            sign = -1 if b == target else 1
            assert not works(accesses, a, b, sign * (down - 1), made)


def layer(rows_in: int, width_in: int, width_out: int, spans: list[range]) -> Model:
    sizes = {0: (rows_in, width_in), 1: (len(spans), width_out)}
    return model([window(0, 1, sizes, spans, True)], sizes, [])


def problem_of(made: Model):
    timeline = read_timeline(made.graph)
    return placement_problem(timeline, made.graph, made.graph.tensors)


def test_a_layer_that_grows_lies_over_the_end_of_its_input_backward():
    made = layer(8, 4, 8, [range(r, r + 1) for r in range(8)])
    problem = problem_of(made)
    (choice,) = problem.choices.values()
    assert problem.separations[0, 1] <= 8 < choice[3]
    forward, back = (trace(made.graph, made.touches, way) for way in ([], [0]))
    assert works(back, 0, 1, problem.separations[0, 1], made)
    assert not works(forward, 0, 1, problem.separations[0, 1], made)


def test_the_bound_counts_the_direction_that_needs_less():
    """Of the first event only one row dies, of the last one two."""
    made = layer(8, 16, 32, [range(max(2 * e - 1, 0), 2 * e + 2) for e in range(4)])
    peaks = [read_timeline(made.graph, backward=way).live_bytes().max() for way in (False, True)]
    assert peaks == [144, 128]
    assert problem_of(made).bound == 128


@RANDOM
@given(models(5))
def test_live_ranges_count_every_byte_that_is_needed(made):
    """What has been written and will be read, access by access."""
    size, timeline = memory_bytes(made.graph), read_timeline(made.graph)
    accesses = trace(made.graph, made.touches)
    last = {(x.storage, x.byte, x.writer): k for k, x in enumerate(accesses) if not x.writes}
    alive: set[tuple[int, int]] = set()
    most = 0
    for k, access in enumerate(accesses):
        place = {(access.storage, access.byte % size[access.storage])}
        used = last.get((access.storage, access.byte, access.writer), -1) > k
        alive = alive | place if used else alive - place
        most = max(most, len(alive))
    spans = [
        live_range.high_during - live_range.low_during
        for live_range in timeline.live_ranges.values()
    ]
    assert most <= sum(spans).max()


def test_an_elementwise_layer_lies_over_its_input():
    sizes = {0: (4, 8), 1: (4, 8)}
    made = model([pointwise([0], 1, sizes)], sizes, [])
    assert separations(read_timeline(made.graph), [0, 1]) == {(1, 0): 0, (0, 1): 32}
    assert separations(read_timeline(made.graph, backward=True), [0, 1]) == {(1, 0): 32, (0, 1): 8}


def test_live_ranges_begin_with_the_first_byte_and_end_with_the_last():
    sizes = {0: (4, 8), 1: (4, 8), 2: (4, 8)}
    made = model([pointwise([0], 1, sizes), pointwise([1], 2, sizes)], sizes, [1])
    live_ranges = read_timeline(made.graph).live_ranges
    assert [live_ranges[t].span() for t in range(3)] == [(0, 4), (1, 8), (5, 9)]
    np.testing.assert_array_equal(live_ranges[0].low_after, [0, 8, 16, 24, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(live_ranges[1].high_after, [0, 8, 16, 24, 32, 32, 32, 32, 0, 0])
