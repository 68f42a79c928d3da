"""Places the nodes of a graph without circles in layers.

The method is that of Sugiyama, Tagawa and Toda (1981). A node lies one layer above the highest node
that it points to. An edge gets a way point in each layer that it crosses, which is placed like a
node.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from functools import cache

#: A node's name, or (start, end, layer) for a way point of an edge.
Point = str | tuple[str, str, int]
_SWEEPS = 12
_DRAWINGS = 64


def best_drawing(edges: Mapping[str, set[str]]) -> Layered:
    """The drawing with least cost among several that begin with different orders."""
    return min((Layered(edges, seed) for seed in range(_DRAWINGS)), key=Layered.cost)


class Layered:
    """A drawing of a graph in layers.

    rows   points of each layer from left to right, the lowest layer first
    x      horizontal place of each point, in units of a node's width
    paths  points along each edge
    """

    def __init__(self, edges: Mapping[str, set[str]], seed: int = 0) -> None:
        self.layer = _layers(edges)
        self.paths = {(a, b): self._path(a, b) for a in edges for b in sorted(edges[a])}
        self._near: dict[Point, list[Point]] = {}
        for path in self.paths.values():
            for upper, lower in itertools.pairwise(path):
                self._near.setdefault(upper, []).append(lower)
                self._near.setdefault(lower, []).append(upper)
        self.rows = self._rows()
        for row in self.rows:
            random.Random(seed).shuffle(row)
        self.x: dict[Point, float] = {}
        self._place()

    def cost(self) -> tuple[int, float]:
        """Number of crossings, then the sideways length of edges."""
        crossings = sum(
            self._crossings(left, right)
            for row in self.rows
            for left, right in itertools.combinations(row, 2)
        )
        steps = [(a, b) for path in self.paths.values() for a, b in itertools.pairwise(path)]
        return crossings, round(sum(abs(self.x[a] - self.x[b]) for a, b in steps), 6)

    def _path(self, start: str, end: str) -> list[Point]:
        between = range(self.layer[start] - 1, self.layer[end], -1)
        return [start, *((start, end, k) for k in between), end]

    def _rows(self) -> list[list[Point]]:
        rows: list[list[Point]] = [[] for _ in range(max(self.layer.values()) + 1)]
        for name, layer in self.layer.items():
            rows[layer].append(name)
        for path in self.paths.values():
            for point in path[1:-1]:
                assert isinstance(point, tuple)
                rows[point[2]].append(point)
        return rows

    def _place(self) -> None:
        """Moves points towards the mean of their neighbours, in sweeps up and down the rows."""
        for row in self.rows:
            self._spread(row)
        for sweep in range(_SWEEPS):
            for row in self.rows[::-1] if sweep % 2 else self.rows:
                row.sort(key=lambda p: (self._wanted(p), str(p)))
                self._spread(row)
        for _ in range(_SWEEPS):
            for row in self.rows:
                self._uncross(row)
                self._spread(row)

    def _wanted(self, point: Point) -> float:
        """The weighted mean of a point's neighbours' places.

        Way points weigh more, to keep an edge through several layers straight.
        """
        near = self._near.get(point, [])
        weights = [1 if isinstance(p, str) or isinstance(point, str) else 4 for p in near]
        places = [self.x.get(p, 0.0) * weight for p, weight in zip(near, weights, strict=True)]
        return sum(places) / sum(weights) if near else self.x.get(point, 0.0)

    def _uncross(self, row: list[Point]) -> None:
        """Swaps neighbours in a row where fewer of their edges cross afterwards."""
        for k in range(len(row) - 1):
            if self._crossings(row[k], row[k + 1]) > self._crossings(row[k + 1], row[k]):
                row[k], row[k + 1] = row[k + 1], row[k]

    def _crossings(self, left: Point, right: Point) -> int:
        pairs = itertools.product(self._near.get(left, []), self._near.get(right, []))
        return sum(self._row_of(a) == self._row_of(b) and self.x[a] > self.x[b] for a, b in pairs)

    def _row_of(self, point: Point) -> int:
        return self.layer[point] if isinstance(point, str) else point[2]

    def _spread(self, row: Sequence[Point]) -> None:
        """Places the points of a row near their wanted places, without overlap."""
        wanted = [self._wanted(point) for point in row]
        places: list[float] = []
        for k, point in enumerate(row):
            least = places[-1] + (_width(row[k - 1]) + _width(point)) / 2 if k else wanted[k]
            places.append(max(wanted[k], least))
        moved = sum(p - w for p, w in zip(places, wanted, strict=True)) / len(row)
        self.x |= {point: place - moved for point, place in zip(row, places, strict=True)}


def _width(point: Point) -> float:
    return 1.0 if isinstance(point, str) else 0.35


def _layers(edges: Mapping[str, set[str]]) -> dict[str, int]:
    @cache
    def layer(name: str) -> int:
        return max((layer(end) + 1 for end in edges[name]), default=0)

    return {name: layer(name) for name in edges}
