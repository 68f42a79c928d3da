"""The sizes of a convolution, and its division into tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tvm.ir import Call

from ..shapes import Spec, shape_of, spec
from .choice import Choice
from .isa import Filters, Isa, isa_of

Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class Geometry:
    """The sizes of a convolution and its tiles.

    A fully connected layer is a 1x1 convolution of one column. x: [H, W, C] of the input. out:
    [OH, OW, O]. before: padding at top and left. weights: the layout of the filters. zero_point,
    clamp: those of the output.
    """

    isa: Isa
    x: Sizes
    out: Sizes
    kernel: tuple[int, int]
    strides: tuple[int, int]
    before: tuple[int, int]
    choice: Choice
    weights: Filters
    zero_point: int
    clamp: tuple[int, int]

    @property
    def size(self) -> int:
        """The number of elements under one window."""
        return math.prod(self.kernel) * self.x[2]

    @property
    def direct(self) -> bool:
        """Whether a 1x1 convolution multiplies pixels of the input without gathering."""
        return self.kernel == (1, 1) and not self.isa.gathers_pointwise

    @property
    def in_place(self) -> bool:
        """Whether a micro-kernel computes whole rows from input that is not gathered."""
        return self.choice.chunk == 0

    @property
    def pixels(self) -> int:
        """The number of pixels of a tile."""
        return min(self.choice.pixels, self.out[1])

    @property
    def filters(self) -> int:
        """The number of filters of a tile."""
        return self.choice.filters

    @property
    def tiles(self) -> int:
        """The number of whole tiles in a row."""
        return self.out[1] // self.pixels

    @property
    def chunk(self) -> int:
        """The number of tiles that are gathered together."""
        return min(self.choice.chunk, self.tiles)

    @property
    def wide(self) -> bool:
        """Whether filters are widened for the tiles of a chunk."""
        return self.chunk > 1

    @property
    def columns(self) -> tuple[int, ...]:
        """The shape of scratch memory: gathered tiles, then a block of widened filters."""
        blocks = max(self.chunk, 1) + (1 if self.wide else 0)
        return (blocks, *self.isa.columns(self.pixels, self.size))


def geometry(call: Call) -> Geometry:
    """The geometry of a `packed.qconv2d` or `packed.qdense`."""
    attrs = call.attrs
    isa = isa_of(attrs)
    x, out = _sizes(call)
    return Geometry(
        isa=isa,
        x=x,
        out=out,
        kernel=_pair(attrs.get("kernel", (1, 1))),
        strides=_pair(attrs.get("strides", (1, 1))),
        before=_pair(attrs.get("padding", (0, 0))),
        choice=Choice(*(int(attrs[name]) for name in ("pixels", "filters", "chunk"))),
        weights=isa.filters(spec(call.args[1])[1]),
        zero_point=int(attrs.get("y_zp", 0)),
        clamp=(int(attrs["act_min"]), int(attrs["act_max"])),
    )


def _sizes(call: Call) -> tuple[Sizes, Sizes]:
    """The shapes [H, W, C] of input and output."""
    if call.op.name == "tvm_tiny.packed.qdense":
        *lead, size = shape_of(call.args[0])
        return (math.prod(lead), 1, size), (math.prod(lead), 1, shape_of(call)[-1])
    _, height, width, inputs = shape_of(call.args[0])
    _, rows, columns, outputs = shape_of(call)
    return (height, width, inputs), (rows, columns, outputs)


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return int(values[0]), int(values[1])


def scratch(call: Call) -> Spec | None:
    """(shape, dtype) of the scratch memory for gathered input, or None."""
    g = geometry(call)
    return None if g.direct or g.in_place else (g.columns, g.isa.dtype)
