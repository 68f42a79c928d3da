"""Sizes of a convolution, and how it is divided into tiles."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tvm.ir import Call

from ..kernel import Spec, shape_of
from .choice import Choice
from .isa import ISAS, Isa


@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution; a fully connected layer is one of one column and no window.

    x: [H, W, C] of its input, out: [OH, OW, O].
    """

    isa: Isa
    x: tuple[int, int, int]
    out: tuple[int, int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    before: tuple[int, int]
    choice: Choice
    zero_point: int
    clamp: tuple[int, int]

    @property
    def size(self) -> int:
        """Elements under one window."""
        return math.prod(self.kernel) * self.x[2]

    @property
    def direct(self) -> bool:
        """Whether products are taken of the input in place, without gathering it."""
        return self.kernel == (1, 1) and not self.isa.gathers_pointwise

    @property
    def pixels(self) -> int:
        """Pixels of a tile."""
        return min(self.choice.pixels, self.out[1])

    @property
    def filters(self) -> int:
        """Filters of a tile."""
        return self.choice.filters

    @property
    def tiles(self) -> int:
        """Whole tiles of a row."""
        return self.out[1] // self.pixels

    @property
    def chunk(self) -> int:
        """Tiles that are gathered at once."""
        return min(self.choice.chunk, self.tiles)

    @property
    def wide(self) -> bool:
        """Whether filters are widened for the tiles of a chunk."""
        return self.chunk > 1

    @property
    def columns(self) -> tuple[int, ...]:
        """Of scratch memory: gathered tiles, and behind them widened filters."""
        blocks = self.chunk + (1 if self.wide else 0)
        return (blocks, *self.isa.columns(self.pixels, self.size))


def geometry(call: Call) -> Geometry:
    """Of a `packed.qconv2d` or `packed.qdense`."""
    attrs = call.attrs
    isa = ISAS[str(attrs["isa"])]
    clamp = int(attrs["act_min"]), int(attrs["act_max"])
    result = int(attrs.get("y_zp", 0)), clamp
    choice = Choice(*(int(attrs[name]) for name in ("pixels", "filters", "chunk")))
    if call.op.name == "tvm_tiny.packed.qdense":
        *lead, size = shape_of(call.args[0])
        rows, count = math.prod(lead), shape_of(call)[-1]
        ones = (1, 1), (1, 1), (0, 0)
        return Geometry(isa, (rows, 1, size), (rows, 1, count), *ones, choice, *result)

    def pair(name: str) -> tuple[int, int]:
        first, second, *_ = (int(v) for v in attrs[name])
        return first, second

    _, height, width, inputs = shape_of(call.args[0])
    windows = pair("kernel"), pair("strides"), pair("padding")
    _, *out = shape_of(call)
    shapes = (height, width, inputs), (out[0], out[1], out[2])
    return Geometry(isa, *shapes, *windows, choice, *result)


def scratch(call: Call) -> Spec | None:
    """(shape, dtype) of the memory for gathered input."""
    g = geometry(call)
    return None if g.direct else (g.columns, g.isa.dtype)
