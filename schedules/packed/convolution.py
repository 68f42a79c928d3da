"""Packed convolution and fully connected layers, computed in tiles of pixels and filters.

For each tile of pixels the input under their windows is gathered once. For each block of filters
the products are then added up, rescaled and stored. The loops over tiles and blocks are made here;
the micro-kernels of an instruction set (`isa`) do the arithmetic inside of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tvm import tirx
from tvm.ir import Call, Expr, TensorRegion
from tvm.script.ir_builder import tirx as T

from ..addressing import OUT, Addressing
from ..kernel import RowKernel, first_operand, row_kernel
from ..shapes import Spec, inside
from .geometry import Geometry, geometry, scratch
from .intrins import Requantize, register_dot, register_requantize, register_widen
from .meaning import Element, elements, products, results, started, widened
from .script import buffer, everything, function, loops, remap, spatial
from .script import call as call_c
from .tensorize import tensorized

SCALARS = ("x_zp",)

# The region of a buffer that a block reads, and an element of it by two indices.
Operand = tuple[TensorRegion, Element]


def tensorize(call: Call, addressing: Addressing) -> tirx.PrimFunc:
    """The kernel as calls of micro-kernels: (x, w, params, integers, out, scratch, row)."""
    g = geometry(call)
    function = _Row(g, addressing, calls=True).function()
    return tensorized(function, _intrins(g), scratch=scratch(call) is not None)


def _intrins(g: Geometry) -> dict[str, str]:
    """Block of the kernel -> name of its TensorIntrin, which is registered here."""
    stride = g.strides[1] if g.direct else None
    found: dict[str, str] = {}
    for pixels in () if g.isa.fused or g.in_place else {g.pixels, g.out[1] % g.pixels} - {0}:
        # TVM drops loops of one iteration, so that a TensorIntrin would not match: they stay TIR.
        if g.size > 1:
            tile = pixels, g.filters
            found[f"dot{pixels}"] = register_dot(g.isa, tile, g.size, stride, g.weights)
            if g.wide:
                found["widen"] = register_widen(g.isa, g.filters, g.size)
                wide = register_dot(g.isa, tile, g.size, stride, g.isa.widened)
                found[f"wide{pixels}"] = wide
        for channels in {g.filters, g.out[2] % g.filters} - {0}:
            how = Requantize(pixels, g.filters, channels, g.out[2], g.zero_point, g.clamp)
            if pixels * channels > 1:
                found[f"requantize{pixels}x{channels}"] = register_requantize(g.isa, how)
    return found


@row_kernel(
    "tvm_tiny.packed.qconv2d",
    scalars=SCALARS,
    streams=first_operand,
    scratch=scratch,
    tensorize=tensorize,
)
@row_kernel("tvm_tiny.packed.qdense", scalars=SCALARS, scratch=scratch, tensorize=tensorize)
def packed_qconv2d(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 convolution without dilation or groups, or a fully connected layer.

    Operands: x int8 [1,H,W,C], or [..., C] of a fully connected layer; w, the result of
    `Isa.pack`; params int32, in the layout `Isa.form`.
    """
    g = geometry(call)
    return RowKernel(_Row(g, addressing, calls=False).function(), g.out[0])


class _Row:
    """Builds the function that computes one row of the output.

    calls: call the micro-kernel that gathers in place of loops, and, where the instruction set has
    it, the one that computes all filters of a tile.
    """

    def __init__(self, g: Geometry, addressing: Addressing, *, calls: bool) -> None:
        self._g, self._addressing, self._calls = g, addressing, calls
        self._blocks: Counter[str] = Counter()

    def function(self) -> tirx.PrimFunc:
        """The function with parameters (x, w, params, integers, out, row)."""
        g, isa = self._g, self._g.isa
        blocks = -(-g.out[2] // g.filters)
        buffers: dict[str, Spec] = {
            "x": ((1, *g.x), "int8"),
            "w": ((blocks, *g.weights.shape(g.filters, g.size)), g.weights.dtype),
            "params": (isa.layout.shape(blocks * g.filters), "int32"),
            "q": ((self._addressing.integers,), "int32"),
            "out": ((1, *g.out), "int8"),
        }
        return function(buffers, self._body)

    def _body(self, *parameters: tirx.Var) -> None:
        g, addressing = self._g, self._addressing
        self._x, self._w, self._params, self._q, self._out, self._y = parameters
        with T.sblock("row"):
            # Places in memory of the rows under the window, and of the output's row.
            self._lines = buffer("lines", (g.kernel[0] + 1,), "int32")
            self._cols = buffer("cols", g.columns, g.isa.dtype)
            self._wide = buffer("wide", g.isa.columns(g.filters, g.size), g.isa.dtype)
            with loops(ky=g.kernel[0]) as ky:
                line = addressing.tap(0, self._input_row(ky), g.x[0], self._q)
                T.buffer_store(self._lines, line, [ky])
            line = addressing.slot(OUT, self._y, self._q)
            T.buffer_store(self._lines, line, [g.kernel[0]])
            self._tiles()

    def _input_row(self, ky: Expr | int) -> Expr:
        return self._y * self._g.strides[0] + ky - self._g.before[0]

    def _tiles(self) -> None:
        g = self._g
        if g.in_place and self._calls:
            self._call_in_place()
            return
        if g.wide:
            with loops(t=g.tiles // g.chunk) as t:
                self._chunk(g.chunk, t * g.chunk)
            if g.tiles % g.chunk:
                self._chunk(g.tiles % g.chunk, g.tiles - g.tiles % g.chunk)
        else:
            with loops(t=g.tiles) as t:
                self._alone(g.pixels, t * g.pixels)
        if g.out[1] % g.pixels:
            self._alone(g.out[1] % g.pixels, g.out[1] - g.out[1] % g.pixels)

    def _alone(self, pixels: int, first: Expr | int) -> None:
        """Gather and compute one tile."""
        g = self._g
        if not (g.direct or g.in_place):
            self._gather(pixels, 0, first)
        if g.isa.fused and self._calls:
            self._fused(pixels, first)
        else:
            self._filters(
                lambda channels, block: self._tile(pixels, channels, 0, first, block, wide=False)
            )

    def _chunk(self, count: int, first: Expr | int) -> None:
        """Gather `count` tiles, and compute them with filters that are widened once."""
        pixels = self._g.pixels
        with loops(s=count) as s:
            self._gather(pixels, s, (first + s) * pixels)

        def all_tiles(channels: int, block: Expr | int) -> None:
            self._widen(block)
            with loops(s=count) as s:
                self._tile(pixels, channels, s, (first + s) * pixels, block, wide=True)

        self._filters(all_tiles)

    def _filters(self, compute: Callable[[int, Expr | int], None]) -> None:
        """Run compute(channels, block) for each block; the last may have fewer channels."""
        filters, outputs = self._g.filters, self._g.out[2]
        with loops(block=outputs // filters) as block:
            compute(filters, block)
        if outputs % filters:
            compute(outputs % filters, outputs // filters)

    def _block(self, name: str) -> Any:
        """A block for a TensorIntrin; repeated names get numbers, as schedules need them unique."""
        number = self._blocks[name]
        self._blocks[name] += 1
        return T.sblock(f"{name}_{number}" if number else name)

    def _gather(self, pixels: int, slot: Expr | int, first: Expr | int) -> None:
        """cols[slot] = the input under the windows of `pixels` pixels, from `first` on."""
        if self._calls:
            return self._call_gather(pixels, slot, first)
        g, isa = self._g, self._g.isa
        height, across = g.kernel
        channels = g.x[2]
        extents = {"p": pixels, "ky": height, "kx": across, "c": channels}
        with loops(**extents) as (p, ky, kx, c), T.sblock("gather"):
            vp, vy, vx, vc = remap("SSSS", vp=p, vy=ky, vx=kx, vc=c)
            vo = spatial("vo", g.out[1], first)
            vs = spatial("vs", g.columns[0], slot)
            k = (vy * across + vx) * channels + vc
            value = self._input(vo + vp, vy, vx, vc)
            T.buffer_store(self._cols, value, [vs, *isa.column(vp, k, g.size)])

    def _input(self, pixel: Expr, ky: Expr, kx: Expr, c: Expr) -> Expr:
        """The element under a tap of a pixel's window, as it is gathered; padding included."""
        g, isa, pick = self._g, self._g.isa, self._addressing.pick
        height, width, _ = g.x
        y, kept = self._input_row(ky), self._lines[ky]
        column = pixel * g.strides[1] + kx - g.before[1]
        there = T.And(pick(inside(y, height), kept >= 0), inside(column, width))
        value = T.Cast("int32", self._x[0, pick(y, kept), column, c])
        padding: Expr | int = self._q[0]
        if isa.subtracts:
            value, padding = value - self._q[0], 0
        return T.if_then_else(there, T.Cast(isa.dtype, value), T.Cast(isa.dtype, padding))

    def _call_gather(self, pixels: int, slot: Expr | int, first: Expr | int) -> None:
        g = self._g
        _, width, channels = g.x
        call_c(
            f"tvm_tiny_{g.isa.name}_gather",
            T.address_of(self._x[0, 0, 0, 0]),
            T.address_of(self._lines[0]),
            T.address_of(self._cols[self._corner(slot)]),
            first * g.strides[1] - g.before[1],
            self._q[0],
            *(pixels, width, channels, *g.kernel, g.strides[1], width * channels),
        )

    def _corner(self, slot: Expr | int) -> tuple[Expr | int, ...]:
        return (slot, *(0 for _ in self._g.columns[1:]))

    def _fused(self, pixels: int, first: Expr | int) -> None:
        """Call the micro-kernel that computes all filters of a tile."""
        g = self._g
        channels = g.x[2]
        source = self._cols[self._corner(0)]
        if g.direct:
            source = self._x[0, self._lines[0], first * g.strides[1], 0]
        call_c(
            f"tvm_tiny_{g.isa.name}_conv{g.isa.layout.suffix}",
            T.address_of(source),
            g.strides[1] * channels if g.direct else g.size,
            T.address_of(self._w[(0,) * len(self._w.shape)]),
            T.address_of(self._params[(0,) * len(self._params.shape)]),
            T.address_of(self._out[0, self._lines[g.kernel[0]], first, 0]),
            *(g.out[2], pixels, g.size, g.out[2], *g.isa.layout.limits(g.zero_point, g.clamp)),
        )

    def _call_in_place(self) -> None:
        """Call the micro-kernel that computes a whole row without gathering."""
        g = self._g
        _, width, channels = g.x
        call_c(
            f"tvm_tiny_{g.isa.name}_in_place{g.isa.layout.suffix}",
            T.address_of(self._x[0, 0, 0, 0]),
            T.address_of(self._lines[0]),
            T.address_of(self._w[(0,) * len(self._w.shape)]),
            T.address_of(self._params[(0,) * len(self._params.shape)]),
            T.address_of(self._out[0, self._lines[g.kernel[0]], 0, 0]),
            self._q[0],
            *(*g.isa.layout.limits(g.zero_point, g.clamp), width, channels, *g.kernel),
            *(g.strides[1], g.before[1], g.out[1], g.out[2], g.pixels),
        )

    def _widen(self, block: Expr | int) -> None:
        """wide = a block of filters, widened to the type of gathered input."""
        with T.sblock("filters"):
            vb = spatial("vb", self._w.shape[0], block)
            narrow, weight = self._packed(vb)
            wide, place = self._widened()
            with self._block("widen"):
                T.reads(narrow)
                T.writes(wide)
                widened(self._g.filters, self._g.size, weight, place)

    def _tile(
        self,
        pixels: int,
        channels: int,
        slot: Expr | int,
        first: Expr | int,
        block: Expr | int,
        *,
        wide: bool,
    ) -> None:
        """out = the results of a tile: `pixels` pixels and `channels` channels of a block.

        slot: the gathered tile. first: the first pixel. wide: use the widened filters.
        """
        g, filters = self._g, self._g.filters
        with T.sblock("tile"):
            vo = spatial("vo", g.out[1], first)
            vb = spatial("vb", self._w.shape[0], block)
            vs = spatial("vs", g.columns[0], slot)
            acc = buffer("acc", (pixels, filters), "int32")
            layout, params = g.isa.layout, self._params
            started(pixels, filters, acc, lambda f: layout.bias(params, vb * filters + f))
            if g.in_place:
                self._dot_in_place(pixels, acc, vo, vb)
            else:
                self._dot(pixels, acc, (vo, vb, vs), wide=wide)
            line = self._addressing.pick(self._y, self._lines[g.kernel[0]])
            with self._block(f"requantize{pixels}x{channels}"):
                results(
                    *(pixels, channels, acc, params),
                    out=lambda p, f: self._out[0, line, vo + p, vb * filters + f],
                    channel=lambda f: vb * filters + f,
                    layout=layout,
                    limits=(g.zero_point, g.clamp),
                )

    def _dot(
        self, pixels: int, acc: tirx.Var, place: tuple[Expr, Expr, Expr], *, wide: bool
    ) -> None:
        """acc += products of a tile's input and filters; place: (pixel, block, slot)."""
        g = self._g
        pixel, block, slot = place
        values, value = self._direct(pixels, pixel) if g.direct else self._gathered(pixels, slot)
        lie = g.isa.widened if wide else g.weights
        weights, weight = self._widened() if wide else self._packed(block)
        with self._block(f"wide{pixels}" if wide else f"dot{pixels}"):
            # The micro-kernel takes whole buffers, including zeros that pad them.
            sums = acc[0:pixels, 0 : g.filters]
            T.reads(sums, values, weights)
            T.writes(sums)
            products(pixels, g.filters, g.size, acc, value, weight, lie.value)

    def _dot_in_place(self, pixels: int, acc: tirx.Var, pixel: Expr, block: Expr) -> None:
        """acc += products of a tile's input, read in place, and filters."""
        g = self._g
        height, across = g.kernel
        channels = g.x[2]
        _, weight = self._packed(block)
        extents = {"p": pixels, "f": g.filters, "ky": height, "kx": across, "c": channels}
        with loops(**extents) as (p, f, ky, kx, c), T.sblock("product"):
            vp, vf, vy, vx, vc = remap("SSRRR", vp=p, vf=f, vy=ky, vx=kx, vc=c)
            word = T.Cast("int32", weight(vf, (vy * across + vx) * channels + vc))
            value = T.Cast("int32", self._input(pixel + vp, vy, vx, vc))
            product = value * g.weights.value(word, vf)
            T.buffer_store(acc, acc[vp, vf] + product, [vp, vf])

    def _direct(self, pixels: int, pixel: Expr) -> Operand:
        """The input of a tile in place, and its element (pixel, k)."""
        size, step = self._g.size, self._g.strides[1]
        line = self._addressing.pick(self._input_row(0), self._lines[0])
        columns = slice(pixel * step, (pixel + pixels - 1) * step + 1)
        values = self._x[0, line, columns, 0:size]
        return values, lambda p, k: self._x[0, line, (pixel + p) * step, k]

    def _gathered(self, pixels: int, slot: Expr) -> Operand:
        """The gathered input of a tile, and its element (pixel, k)."""
        isa, size = self._g.isa, self._g.size
        tile = (slot, *everything(isa.columns(pixels, size)))
        return self._cols[tile], elements(self._cols, lambda p, k: (slot, *isa.column(p, k, size)))

    def _packed(self, block: Expr) -> Operand:
        """A block of packed filters, and its element (f, k)."""
        index, size = self._g.weights.index, self._g.size
        filters = (block, *everything(self._w.shape[1:]))
        return self._w[filters], elements(self._w, lambda f, k: (block, *index(f, k, size)))

    def _widened(self) -> Operand:
        """The block of widened filters, and its element (f, k)."""
        isa, size = self._g.isa, self._g.size
        filters = everything(self._wide.shape)
        return self._wide[filters], elements(self._wide, lambda f, k: isa.column(f, k, size))
