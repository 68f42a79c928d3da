"""The cheapest path, found with few measurements, against all paths there are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tvm_tiny.planning.shortest_path import cheapest_path

END = 5
PAIRS = list(itertools.combinations(range(END + 1), 2))


@dataclass(frozen=True)
class Edge:
    first: int
    stop: int
    cost: int
    rank: int = 0


def total(before: int, edge: Edge) -> int:
    return before + edge.cost


def paths(start: int = 0):
    """All ways from a place to the end, as pairs of places."""
    if start == END:
        yield ()
    for stop in range(start + 1, END + 1):
        yield from (((start, stop), *rest) for rest in paths(stop))


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=len(PAIRS), max_size=len(PAIRS)))
def test_the_path_is_the_cheapest_of_all(found):
    """A cost of None is an edge that is no way once it is measured."""
    costs = dict(zip(PAIRS, found, strict=True))
    measured = []

    def bounds(place):
        edges = [(place, stop) for stop in range(place + 1, END + 1)]
        return [Edge(*pair, (costs[pair] or 0) // 2) for pair in edges]

    def measure(before, edge):
        pair = edge.first, edge.stop
        measured.append(pair)
        return [] if costs[pair] is None else [(Edge(*pair, costs[pair]), True)]

    path = cheapest_path(END, total, bounds, measure)
    possible = [way for way in paths() if None not in map(costs.get, way)]
    least = min((sum(map(costs.get, way)) for way in possible), default=None)
    assert (None if path is None else sum(edge.cost for edge in path)) == least
    assert len(measured) == len(set(measured))


def test_what_costs_too_much_is_not_measured():
    costs = dict.fromkeys(PAIRS, 100) | {(0, END): 1}

    def bounds(place):
        return [Edge(place, stop, costs[place, stop]) for stop in range(place + 1, END + 1)]

    measured = []

    def measure(before, edge):
        measured.append((edge.first, edge.stop))
        return [(edge, True)]

    assert cheapest_path(END, total, bounds, measure) == [Edge(0, END, 1)]
    assert measured == [(0, END)]
