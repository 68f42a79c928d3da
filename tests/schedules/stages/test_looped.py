"""Looped schedules: the same order, in fewer numbers, and the tables that drivers read."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from stage_graphs import models

from tvm_tiny.schedules.stages.looped import (
    DEPTH,
    MOST_TIMES,
    Loop,
    Looped,
    counter_bits,
    looped,
    table,
    unrolled,
    words,
)
from tvm_tiny.schedules.stages.stage import plain_order

RANDOM = settings(max_examples=200, derandomize=True, deadline=None)
CALLS = st.lists(st.integers(0, 3), min_size=1, max_size=4)


def repeated(inner: st.SearchStrategy[list[int]]) -> st.SearchStrategy[list[int]]:
    """Orders one behind the other, and orders several times."""
    several = st.builds(lambda order, times: order * times, inner, st.integers(2, 6))
    return several | st.builds(lambda one, other: one + other, inner, inner)


def depth(schedule: Looped) -> int:
    return max((1 + depth(item.body) for item in schedule if isinstance(item, Loop)), default=0)


def read(numbers: list[int], loop: int) -> Iterator[int]:
    """What a driver runs that reads a table: `next` in C, with a counter for each level."""
    at, turns = 0, [0] * DEPTH
    while at < len(numbers):
        if numbers[at] < loop:
            yield numbers[at]
            at += 1
            continue
        level = numbers[at] - loop
        turns[level] += 1
        if turns[level] < numbers[at + 2]:
            at -= numbers[at + 1]
        else:
            turns[level] = 0
            at += 3


@RANDOM
@given(st.recursive(CALLS, repeated, max_leaves=8))
def test_the_order_is_the_same_and_its_table_no_longer(order):
    schedule = looped(order)
    numbers = table(schedule, loop=4)
    assert list(unrolled(schedule)) == order == list(read(numbers, loop=4))
    assert len(numbers) <= len(order)
    assert depth(schedule) <= DEPTH


@RANDOM
@given(models(7, layers=False))
def test_orders_of_stages_are_the_same(made):
    (step,) = made.graph.steps
    order = [k for k, _ in plain_order(step.stage)]
    assert list(unrolled(looped(order))) == order


def test_a_stage_is_a_beginning_a_loop_and_an_end():
    schedule = looped([0, *[0, 0, 1] * 23, 0, 1])
    assert words(schedule) == "0 23x(0 0 1) 0 1"
    assert table(schedule, loop=3) == [0, 0, 0, 1, 3, 3, 23, 0, 1]


def test_loops_are_folded_inside_loops():
    schedule = looped([0, *[1, *[2, 3] * 9, *[4, 5] * 9] * 20])
    assert words(schedule) == "0 20x(1 9x(2 3) 9x(4 5))"
    assert table(schedule, loop=6)[-3:] == [6, 11, 20]
    assert list(read(table(schedule, loop=6), loop=6)) == list(unrolled(schedule))


def test_what_saves_nothing_is_not_folded():
    assert looped([0, 1, 0, 1, 2, 2]) == (0, 1, 0, 1, 2, 2)
    assert looped([]) == ()


def test_loops_are_no_deeper_than_there_are_counters():
    order = [0]
    for _ in range(DEPTH + 2):
        order = [*order, *order, *order, max(order) + 1] * 2
    assert depth(looped(order)) == DEPTH
    assert list(unrolled(looped(order))) == order


def test_loops_run_no_more_often_than_drivers_count():
    order = [7] * (MOST_TIMES + 10)
    schedule = looped(order)
    assert max(table(schedule, loop=8)) <= MOST_TIMES
    assert list(unrolled(schedule)) == order


def test_counters_are_as_small_as_can_be():
    assert [counter_bits(k) for k in (0, 255, 256, 65535, 65536)] == [8, 8, 16, 16, 32]
