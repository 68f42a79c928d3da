"""Coordinates of the page's pictures: memory over time, and SRAM against work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from . import words
from .data import Block, Plan, Run
from .pareto import Point

# Width of one character of a label, in units of the picture.
_CHARACTER = 6.4
_LINE = 15


@dataclass(frozen=True)
class Frame:
    """A plot area of a picture: its edges, and the largest values along both axes."""

    left: float
    top: float
    width: float
    height: float
    x_most: float
    y_most: float

    def x(self, value: float) -> float:
        """Coordinate of a value along the horizontal axis."""
        return round(self.left + self.width * value / max(self.x_most, 1), 2)

    def y(self, value: float) -> float:
        """Coordinate of a value along the vertical axis, which grows upwards."""
        return round(self.bottom - self.height * value / max(self.y_most, 1), 2)

    @property
    def bottom(self) -> float:
        """Coordinate of zero on the vertical axis."""
        return self.top + self.height

    @property
    def right(self) -> float:
        """Coordinate of the end of the horizontal axis."""
        return self.left + self.width


@dataclass(frozen=True)
class Label:
    """A text that is centred at (x, y)."""

    x: float
    y: float
    text: str


def map_frame(plan: Plan) -> Frame:
    """Frame of the picture of a plan: columns to the right, addresses upwards."""
    return Frame(58, 26, 1110, 380, plan.columns, plan.arena_bytes)


def outline(block: Block, frame: Frame) -> str:
    """The SVG path around a block's runs: one closed staircase for each live range."""
    return "".join(_closed(runs, frame) for runs in _together(block.runs))


def _together(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Groups of runs that follow one another without a gap and share addresses."""
    group: list[Run] = []
    for run in runs:
        if group and not (group[-1].end == run.first and _touch(group[-1], run)):
            yield group
            group = []
        group.append(run)
    if group:
        yield group


def _touch(one: Run, other: Run) -> bool:
    return one.low < other.high and other.low < one.high


def _closed(runs: Sequence[Run], frame: Frame) -> str:
    above = "".join(f"V{frame.y(run.high):g}H{frame.x(run.end):g}" for run in runs)
    below = "".join(f"V{frame.y(run.low):g}H{frame.x(run.first):g}" for run in reversed(runs))
    return f"M{frame.x(runs[0].first):g} {frame.y(runs[0].low):g}{above}{below}Z"


def label(block: Block, frame: Frame) -> Label | None:
    """The block's name, or None where there is no room for it."""
    left, right, low, high = max(_rectangles(block.runs, frame), default=(0, 0, 0, 0), key=_room)
    width, height = right - left, low - high
    if width < 8 * _CHARACTER or height < _LINE:
        return None
    text = words.tail(block.name, int(width / _CHARACTER) - 1)
    return Label((left + right) / 2, round((low + high) / 2 + 4, 2), text)


Rectangle = tuple[float, float, float, float]


def _rectangles(runs: Sequence[Run], frame: Frame) -> Iterator[Rectangle]:
    """Rectangles (left, right, bottom, top) inside the staircases, of maximal height."""
    for group in _together(runs):
        for first in range(len(group)):
            low, high = 0, int(frame.y_most)
            for run in group[first:]:
                low, high = max(low, run.low), min(high, run.high)
                if high <= low:
                    break
                yield frame.x(group[first].first), frame.x(run.end), frame.y(low), frame.y(high)


def _room(rectangle: Rectangle) -> float:
    left, right, low, high = rectangle
    return (right - left) * min(low - high, 3 * _LINE)


def ticks(most: int, count: int = 5) -> list[int]:
    """About `count` round numbers from 0 to `most`."""
    step = next(s for s in _round_numbers() if s * count >= most)
    return list(range(0, most + 1, step))


def _round_numbers() -> Iterator[int]:
    scale = 1
    while True:
        yield from (scale, 2 * scale, 5 * scale)
        scale *= 10


def front_frame(points: Sequence[Point]) -> Frame:
    """Frame of the picture of the trade: rows in stages to the right, SRAM upwards."""
    rows = max(p.rows for p in points)
    return Frame(70, 20, 560, 240, rows * 1.12, max(p.bytes for p in points) * 1.08)


def front_line(points: Sequence[Point], frame: Frame) -> str:
    """The SVG path of the least SRAM for each number of rows."""
    start = f"M{frame.x(points[0].rows):g} {frame.y(points[0].bytes):g}"
    steps = (f"H{frame.x(b.rows):g}V{frame.y(b.bytes):g}" for _, b in pairwise(points))
    return f"{start}{''.join(steps)}H{frame.right:g}"
