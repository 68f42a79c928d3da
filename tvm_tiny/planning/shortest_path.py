"""The cheapest path along places in a row, by edges whose costs are measured lazily.

Dijkstra's algorithm. An edge first goes into the queue with a bound on its cost, and is measured
only when that makes it the next: most never are.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar


class PathEdge(Protocol):
    """An edge from place `first` to place `stop`, which is larger."""

    @property
    def first(self) -> int:
        """The place that the edge leaves."""

    @property
    def stop(self) -> int:
        """The place that the edge reaches."""

    @property
    def rank(self) -> Any:
        """A key that orders edges of equal cost between the same places."""


E = TypeVar("E", bound=PathEdge)

# The cost of a path whose last edge is the given one, from the cost of the path before it.
Cost = Callable[[int, E], int]


@dataclass
class _Queue(Generic[E]):
    """Edges by the cost of the path that ends with them.

    Among paths of equal cost, the one that reaches furthest comes first.
    """

    cost: Cost[E]
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def push(self, before: int, edge: E, *, measured: bool) -> None:
        """Add an edge; before: the cost of the path to its first place."""
        total = self.cost(before, edge)
        number = next(self.numbers)
        order = (total, -edge.stop, edge.first, measured, edge.rank, before, number)
        heapq.heappush(self.entries, (*order, edge))

    def pop(self) -> tuple[E, bool, int, int]:
        """The next edge, whether it is measured, and the costs with and before it."""
        total, _, _, measured, _, before, _, edge = heapq.heappop(self.entries)
        return edge, measured, total, before


def cheapest_path(
    end: int,
    cost: Cost[E],
    bounds: Callable[[int], Iterable[E]],
    measure: Callable[[int, E], Iterable[tuple[E, bool]]],
) -> list[E] | None:
    """The edges of the cheapest path from place 0 to `end`, or None.

    bounds: the edges that leave a place, each at most as costly as it is. measure: from the cost
    before an edge and the edge, what may be taken in its place: each with its cost (True), or
    again with a bound on it (False).
    """
    queue = _Queue(cost)
    arrived: dict[int, E | None] = {}

    def arrive(place: int, edge: E | None, total: int) -> None:
        arrived[place] = edge
        for bound in bounds(place) if place != end else ():
            queue.push(total, bound, measured=False)

    arrive(0, None, 0)
    while end not in arrived and queue.entries:
        edge, measured, total, before = queue.pop()
        if edge.stop in arrived:
            continue
        if measured:
            arrive(edge.stop, edge, total)
            continue
        for found, is_measured in measure(before, edge):
            queue.push(before, found, measured=is_measured)
    return _walk_back(arrived, end) if end in arrived else None


def _walk_back(arrived: Mapping[int, E | None], end: int) -> list[E]:
    path: list[E] = []
    edge = arrived[end]
    while edge is not None:
        path.append(edge)
        edge = arrived[edge.first]
    return path[::-1]
