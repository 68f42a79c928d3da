"""The input elements under the taps of a window, for convolutions and pooling.

Output element (y, ox) reads input (row(y, ky), column(ox, kx)) for each tap (ky, kx) of the window.
Taps outside the input are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm.ir import Call, Expr
from tvm.script import tirx as T

from ..addressing import OUT, Addressing
from ..shapes import batch_and_row, dilation_of, inside, shape_of

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """A window over the images of x [N,H,W,C].

    image, line: functions of an output row's number to its image and the row in it. input: (H, W).
    kernel, strides, dilation: (down, across). before: padding at top and left.
    """

    addressing: Addressing
    image: Callable[[Expr], Expr | int]
    line: Callable[[Expr], Expr]
    input: Pair
    kernel: Pair
    strides: Pair
    dilation: Pair
    before: Pair

    def row(self, y: Expr, ky: Expr) -> Expr:
        """The input row under tap row `ky`, which may lie outside."""
        return self.line(y) * self.strides[0] + ky * self.dilation[0] - self.before[0]

    def column(self, ox: Expr, kx: Expr) -> Expr:
        """The input column under tap column `kx`, which may lie outside."""
        return ox * self.strides[1] + kx * self.dilation[1] - self.before[1]

    def row_is_inside(self, y: Expr, ky: Expr) -> Expr:
        """Whether tap row `ky` is inside the input."""
        return inside(self.row(y, ky), self.input[0])

    def column_is_inside(self, ox: Expr, kx: Expr) -> Expr:
        """Whether tap column `kx` is inside the input."""
        return inside(self.column(ox, kx), self.input[1])

    def slot(self, y: Expr, ky: Expr, q: Any) -> Expr:
        """The row of memory under tap row `ky`, or -1 outside the input."""
        return self.addressing.tap(0, self.row(y, ky), self.input[0], q)

    def has_row(self, lines: Any, y: Expr, ky: Expr) -> Expr:
        """Whether tap row `ky` is inside the input, given what `find_lines` found."""
        return self.addressing.pick(self.row_is_inside(y, ky), lines[ky] >= 0)

    def element(self, x: Any, q: Any, lines: Any, at: tuple[Expr, Expr], tap: Any, c: Expr) -> Expr:
        """The element of channel c under a tap, as int32; at: (y, ox). tap: (ky, kx)."""
        (y, ox), (ky, kx) = at, tap
        row = self.addressing.pick(self.row(y, ky), lines[ky])
        column = self.addressing.column(0, self.column(ox, kx), q)
        return T.Cast("int32", x[self.image(y), row, column, c])

    def output_row(self, lines: Any, y: Expr) -> Expr:
        """The row of the output's memory, given what `find_lines` found."""
        return self.addressing.pick(self.line(y), lines[self.kernel[0]])


@dataclass(frozen=True)
class TransposedWindow(Window):
    """The window of a transposed convolution; each output reads the inputs that reach it.

    The input is spread out by the strides, so only every `strides`-th place has an element.
    """

    def row(self, y: Expr, ky: Expr) -> Expr:
        """The input row that reaches the output through tap row `ky`, if one does."""
        return T.truncdiv(self._spread_row(y, ky), self.strides[0])

    def column(self, ox: Expr, kx: Expr) -> Expr:
        """The input column that reaches the output through tap column `kx`, if one does."""
        return T.truncdiv(self._spread_column(ox, kx), self.strides[1])

    def row_is_inside(self, y: Expr, ky: Expr) -> Expr:
        """Whether an input row reaches the output through tap row `ky`."""
        return _reached(self._spread_row(y, ky), self.strides[0], self.input[0])

    def column_is_inside(self, ox: Expr, kx: Expr) -> Expr:
        """Whether an input column reaches the output through tap column `kx`."""
        return _reached(self._spread_column(ox, kx), self.strides[1], self.input[1])

    def slot(self, y: Expr, ky: Expr, q: Any) -> Expr:
        """The row of memory that reaches the output through tap row `ky`, or -1."""
        reaches = T.truncmod(self._spread_row(y, ky), self.strides[0]) == 0
        return T.Select(reaches, super().slot(y, ky, q), -1)

    def _spread_row(self, y: Expr, ky: Expr) -> Expr:
        return self.line(y) + self.before[0] - ky * self.dilation[0]

    def _spread_column(self, ox: Expr, kx: Expr) -> Expr:
        return ox + self.before[1] - kx * self.dilation[1]


def _reached(place: Expr, stride: int, extent: int) -> Expr:
    """Whether a place of a spread-out axis has one of the `extent` elements."""
    return T.And(inside(place, extent * stride), T.truncmod(place, stride) == 0)


def window_of(
    call: Call, addressing: Addressing, kernel: Pair, kind: type[Window] = Window
) -> Window:
    """The window of a convolution or pooling, with its attributes."""
    _, height, width, _ = shape_of(call.args[0])
    batch, rows, _, _ = shape_of(call)
    image, line = batch_and_row(batch, rows)
    down, across = (int(v) for v in call.attrs["strides"])
    top, left = (int(v) for v in call.attrs["padding"][:2])
    strides, before = (down, across), (top, left)
    return kind(
        addressing, image, line, (height, width), kernel, strides, dilation_of(call), before
    )


@T.inline
def find_lines(window, lines, y, q):
    """lines = places in memory of the rows under the window, then of the output."""
    for ky in range(window.kernel[0]):
        lines[ky] = window.slot(y, ky, q)
    lines[window.kernel[0]] = window.addressing.slot(OUT, window.line(y), q)
