"""docs/rooms.svg: rooms as boxes, with arrows to the rooms that they import."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from . import svg
from .layered import Layered, Point, best_drawing
from .rooms import imported_rooms, rooms, without_implied

_WIDTH, _HEIGHT = 224, 78
_ACROSS, _DOWN = 250, 124
_MARGIN = 24


def picture() -> str:
    """The text of docs/rooms.svg."""
    drawing = _Drawing(best_drawing(without_implied(imported_rooms())))
    label = "The rooms of tvm_tiny, and which of them imports which"
    return svg.picture(drawing.width, drawing.height, label, list(drawing.parts()))


class _Drawing:
    """A layered graph in pixels."""

    def __init__(self, graph: Layered) -> None:
        self._graph = graph
        self._left = min(graph.x[name] for name in rooms())
        self.width = round(self._x(max(graph.x[n] for n in rooms())) + _WIDTH / 2 + _MARGIN)
        self.height = 2 * _MARGIN + _HEIGHT + (len(graph.rows) - 1) * _DOWN
        self._boxes = {name: self._box(name) for name in rooms()}

    def parts(self) -> Iterator[str]:
        """SVG elements: arrows, then boxes on top of them."""
        for path in self._graph.paths.values():
            yield svg.arrow(self._curve(path))
        for box in self._boxes.values():
            yield box.svg()

    def _box(self, name: str) -> svg.Box:
        left, top = round(self._x(self._graph.x[name]) - _WIDTH / 2), self._y(name)
        colours = svg.GREEN if name == "front" else svg.BLUE
        lines = svg.wrap(rooms()[name].purpose, 32)
        return svg.Box(left, top, _WIDTH, _HEIGHT, name, lines, colours)

    def _x(self, place: float) -> float:
        return _MARGIN + _WIDTH / 2 + (place - self._left) * _ACROSS

    def _y(self, point: Point) -> float:
        """The upper edge of a point's layer."""
        layer = self._graph.layer[point] if isinstance(point, str) else point[2]
        return _MARGIN + (len(self._graph.rows) - 1 - layer) * _DOWN

    def _curve(self, path: list[Point]) -> str:
        """The path of an arrow from box to box, vertical within the layers between."""
        corners = [(self._port(path[0], path, 0), self._y(path[0]) + _HEIGHT)]
        for point in path[1:-1]:
            at = self._x(self._graph.x[point])
            corners += [(at, self._y(point)), (at, self._y(point) + _HEIGHT)]
        corners.append((self._port(path[-1], path, -1), self._y(path[-1]) - 2))
        drawn = f"M{corners[0][0]:.0f} {corners[0][1]:.0f}"
        for (x0, y0), (x1, y1) in pairwise(corners):
            middle = (y0 + y1) / 2
            drawn += f" C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}"
        return drawn

    def _port(self, name: Point, path: list[Point], end: int) -> float:
        """Horizontal place where an arrow leaves (end 0) or meets (end -1) a box.

        Arrows are ordered by the places of their next points, so that they do not cross at the box.
        """
        beside = [p for p in self._graph.paths.values() if p[end] == name]
        beside.sort(key=lambda p: (self._graph.x[p[1 if end == 0 else -2]], str(p)))
        share = (beside.index(path) + 1) / (len(beside) + 1)
        return self._x(self._graph.x[name]) + (share - 0.5) * _WIDTH * 0.8
