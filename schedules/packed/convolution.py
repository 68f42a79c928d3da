"""Convolution and fully connected layers, a tile of pixels and filters at a time.

For each tile of pixels the input under their windows is gathered once; for each block of filters
the products are added up, rescaled and stored. Loops and blocks here, the arithmetic inside of
them by the micro-kernels of an instruction set (`isa`).
"""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
import math
from dataclasses import dataclass

from tvm import tirx
from tvm.ir import Call, Expr
from tvm.script import tirx as T

from ..kernel import OUT, Rings, RowKernel, Spec, first_operand, inside, row_kernel, shape_of
from .choice import Choice
from .isa import (
    ISAS,
    Isa,
    Requantize,
    only,
    register_dot,
    register_requantize,
    register_widen,
)
from .tensorize import tensorized

SCALARS = ("x_zp",)


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


def tensorize(call: Call, rings: Rings) -> tirx.PrimFunc:
    """The kernel with micro-kernels called: (x, w, params, integers, out, scratch, row)."""
    g = geometry(call)
    stride = g.strides[1] if g.direct else None
    intrins: dict[str, str] = {}
    for pixels in () if g.isa.fused else {g.pixels, g.out[1] % g.pixels} - {0}:
        # TVM drops loops of one iteration from what a TensorIntrin stands for: those stay TIR.
        if g.size > 1:
            tile = pixels, g.filters
            intrins[f"dot{pixels}"] = register_dot(g.isa, tile, g.size, stride)
            if g.wide:
                intrins["widen"] = register_widen(g.isa, g.filters, g.size)
                intrins[f"wide{pixels}"] = register_dot(g.isa, tile, g.size, stride, wide=True)
        for channels in {g.filters, g.out[2] % g.filters} - {0}:
            how = Requantize(pixels, g.filters, channels, g.out[2], g.zero_point, g.clamp)
            if pixels * channels > 1:
                intrins[f"requantize{pixels}x{channels}"] = register_requantize(g.isa, how)
    return tensorized(_kernel(call, rings, calls=True).func, intrins, scratch=not g.direct)


@row_kernel(
    "tvm_tiny.packed.qconv2d",
    scalars=SCALARS,
    streams=first_operand,
    scratch=scratch,
    tensorize=tensorize,
)
@row_kernel("tvm_tiny.packed.qdense", scalars=SCALARS, scratch=scratch, tensorize=tensorize)
def packed_qconv2d(call: Call, rings: Rings) -> RowKernel:
    """int8 convolution without dilation or groups; a fully connected layer.

    Operands: x [1,H,W,C] int8 ([..., C] of a layer), w as `Isa.pack` gives it, params int32 as
    its `form` says.
    """
    return _kernel(call, rings, calls=False)


def _kernel(call: Call, rings: Rings, *, calls: bool) -> RowKernel:
    """calls: gather by a micro-kernel, in place of loops."""
    g = geometry(call)
    isa, size, filters = g.isa, g.size, g.filters
    H, W, C = g.x
    OH, OW, O = g.out  # noqa: E741  OHWI is the layout's name
    KH, KW = g.kernel
    SH, SW = g.strides
    PT, PL = g.before
    blocks = -(-O // filters)
    padding = 0 if isa.subtracts else None
    columns = g.columns
    inside_tile = (0,) * (len(columns) - 1)
    gather = f"tvm_tiny_{isa.name}_gather"

    def weight(block: Expr, f: Expr, k: Expr) -> tuple[Expr | int, ...]:
        return (block, *isa.weight(f, k, size))

    def column(slot: Expr | int, p: Expr, k: Expr) -> tuple[Expr | int, ...]:
        return (slot, *isa.column(p, k, size))

    def whole(shape: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(0, extent) for extent in shape)

    def whole_tile(slot: Expr, pixels: int) -> tuple[Expr | slice, ...]:
        return (slot, *whole(isa.columns(pixels, size)))

    def whole_block(block: Expr) -> tuple[Expr | slice, ...]:
        return (block, *whole(isa.weights(filters, size)))

    first_weight = (0,) * (1 + len(isa.weights(filters, size)))
    first_channel = (0,) * len(isa.form.shape(1))
    whole_filters = whole(isa.columns(filters, size))

    def corner(slot: Expr | int) -> tuple[Expr | int, ...]:
        return (slot, *inside_tile)

    @T.inline
    def gathered(pixels, slot, first, x, q, lines, cols, y):
        if calls:
            T.evaluate(
                T.call_extern(
                    "void",
                    gather,
                    T.address_of(x[0, 0, 0, 0]),
                    T.address_of(lines[0]),
                    T.address_of(cols[corner(slot)]),
                    first * SW - PL,
                    q[0],
                    pixels,
                    W,
                    C,
                    KH,
                    KW,
                    SW,
                    W * C,
                )
            )
        else:
            for p, ky, kx, c in T.grid(pixels, KH, KW, C):
                with T.sblock("gather"):
                    vp, vy, vx, vc = T.axis.remap("SSSS", [p, ky, kx, c])
                    vo = T.axis.spatial(OW, first)
                    vs = T.axis.spatial(columns[0], slot)
                    line = T.meta_var(rings.pick(y * SH + vy - PT, lines[vy]))
                    at = T.meta_var((vo + vp) * SW + vx - PL)
                    cols[column(vs, vp, (vy * KW + vx) * C + vc)] = T.if_then_else(
                        T.And(
                            rings.pick(inside(y * SH + vy - PT, H), lines[vy] >= 0),
                            inside(at, W),
                        ),
                        T.Cast(
                            isa.dtype,
                            T.Cast("int32", x[0, line, at, vc]) - (q[0] if isa.subtracts else 0),
                        ),
                        T.Cast(isa.dtype, q[0] if padding is None else padding),
                    )

    @T.inline
    def tile(
        pixels, channels, widened, slot, first, block, x, w, params, q, lines, cols, wide, out, y
    ):
        with T.sblock("tile"):
            vo = T.axis.spatial(OW, first)
            vb = T.axis.spatial(blocks, block)
            vs = T.axis.spatial(columns[0], slot)
            acc = T.sblock_alloc_buffer((pixels, filters), "int32")
            # Unrolled, so that C compilers keep the sums in registers.
            for e in T.unroll(pixels * filters):
                with T.sblock("bias"):
                    vp = T.axis.spatial(pixels, e // filters)
                    vf = T.axis.spatial(filters, e % filters)
                    acc[vp, vf] = isa.form.bias(params, vb * filters + vf)
            with T.sblock(f"wide{pixels}" if widened else f"dot{pixels}"):
                # All that the micro-kernel is given, the zeros behind included.
                if g.direct:
                    from_row = T.meta_var(rings.pick(y * SH, lines[0]))
                    T.reads(
                        acc[0:pixels, 0:filters],
                        x[0, from_row, vo * SW : (vo + pixels - 1) * SW + 1, 0:size],
                        w[whole_block(vb)],
                    )
                elif widened:
                    T.reads(
                        acc[0:pixels, 0:filters], cols[whole_tile(vs, pixels)], wide[whole_filters]
                    )
                else:
                    T.reads(
                        acc[0:pixels, 0:filters], cols[whole_tile(vs, pixels)], w[whole_block(vb)]
                    )
                T.writes(acc[0:pixels, 0:filters])
                for e, k in T.grid(pixels * filters, size):
                    with T.sblock("product"):
                        vp = T.axis.spatial(pixels, e // filters)
                        vf = T.axis.spatial(filters, e % filters)
                        vk = T.axis.reduce(size, k)
                        p1 = T.meta_var(only(vp, pixels))
                        line = T.meta_var(rings.pick(y * SH, lines[0]))
                        if g.direct:
                            T.reads(
                                acc[p1, vf],
                                x[0, line, (vo + p1) * SW, vk],
                                w[weight(vb, vf, vk)],
                            )
                            T.writes(acc[p1, vf])
                            acc[p1, vf] = acc[p1, vf] + T.Cast(
                                "int32", x[0, line, (vo + p1) * SW, vk]
                            ) * T.Cast("int32", w[weight(vb, vf, vk)])
                        elif widened:
                            acc[p1, vf] = acc[p1, vf] + T.Cast(
                                "int32", cols[column(vs, p1, vk)]
                            ) * T.Cast("int32", wide[isa.column(vf, vk, size)])
                        else:
                            acc[p1, vf] = acc[p1, vf] + T.Cast(
                                "int32", cols[column(vs, p1, vk)]
                            ) * T.Cast("int32", w[weight(vb, vf, vk)])
            with T.sblock(f"requantize{pixels}x{channels}"):
                for e in range(pixels * channels):
                    with T.sblock("result"):
                        vp = T.axis.spatial(pixels, e // channels)
                        vf = T.axis.spatial(channels, e % channels)
                        p1 = T.meta_var(only(vp, pixels))
                        f1 = T.meta_var(only(vf, channels))
                        c = T.meta_var(vb * filters + f1)
                        line = T.meta_var(rings.pick(y, lines[KH]))
                        T.reads(acc[p1, f1], params[isa.form.all_of(c)])
                        T.writes(acc[p1, f1], out[0, line, vo + p1, c])
                        acc[p1, f1] = isa.form.scaled(acc[p1, f1], params, c)
                        out[0, line, vo + p1, c] = isa.form.settled(
                            acc[p1, f1], params, c, g.zero_point, g.clamp
                        )

    @T.inline
    def blocks_of(pixels, first, x, w, params, q, lines, cols, wide, out, y):
        for block in range(O // filters):
            tile(
                pixels, filters, False, 0, first, block, x, w, params, q, lines, cols, wide, out, y
            )
        if O % filters > 0:
            rest = T.meta_var(O % filters)
            last = T.meta_var(O // filters)
            tile(pixels, rest, False, 0, first, last, x, w, params, q, lines, cols, wide, out, y)

    @T.inline
    def one_tile(pixels, first, x, w, params, q, lines, cols, wide, out, y):
        if not g.direct:
            gathered(pixels, 0, first, x, q, lines, cols, y)
        if isa.fused and calls:
            line = T.meta_var(lines[0])
            source = T.meta_var(x[0, line, first * SW, 0] if g.direct else cols[corner(0)])
            T.evaluate(
                T.call_extern(
                    "void",
                    f"tvm_tiny_{isa.name}_conv",
                    T.address_of(source),
                    SW * C if g.direct else size,
                    T.address_of(w[first_weight]),
                    T.address_of(params[first_channel]),
                    T.address_of(out[0, lines[KH], first, 0]),
                    O,
                    pixels,
                    size,
                    O,
                    *g.clamp,
                )
            )
        else:
            blocks_of(pixels, first, x, w, params, q, lines, cols, wide, out, y)

    @T.inline
    def block_of_chunk(count, channels, first, block, x, w, params, q, lines, cols, wide, out, y):
        with T.sblock("filters"):
            vb = T.axis.spatial(blocks, block)
            with T.sblock("widen"):
                T.reads(w[whole_block(vb)])
                T.writes(wide[whole_filters])
                for f, k in T.grid(filters, size):
                    with T.sblock("weight"):
                        vf, vk = T.axis.remap("SS", [f, k])
                        wide[isa.column(vf, vk, size)] = T.Cast(isa.dtype, w[weight(vb, vf, vk)])
        for s in range(count):
            at = T.meta_var((first + s) * g.pixels)
            tile(g.pixels, channels, True, s, at, block, x, w, params, q, lines, cols, wide, out, y)

    @T.inline
    def chunk_of(count, first, x, w, params, q, lines, cols, wide, out, y):
        for s in range(count):
            gathered(g.pixels, s, (first + s) * g.pixels, x, q, lines, cols, y)
        for block in range(O // filters):
            block_of_chunk(count, filters, first, block, x, w, params, q, lines, cols, wide, out, y)
        if O % filters > 0:
            rest = T.meta_var(O % filters)
            last = T.meta_var(O // filters)
            block_of_chunk(count, rest, first, last, x, w, params, q, lines, cols, wide, out, y)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((1, H, W, C), "int8"),
        w: T.Buffer((blocks, *isa.weights(filters, size)), "int8"),
        params: T.Buffer(isa.form.shape(blocks * filters), "int32"),
        q: T.Buffer((rings.integers,), "int32"),
        out: T.Buffer((1, OH, OW, O), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            cols = T.sblock_alloc_buffer(columns, isa.dtype)
            wide = T.sblock_alloc_buffer(isa.columns(filters, size), isa.dtype)
            for ky in range(KH):
                lines[ky] = rings.tap(0, y * SH + ky - PT, H, q)
            lines[KH] = rings.slot(OUT, y, q)
            if g.wide:
                for t in range(g.tiles // g.chunk):
                    chunk_of(g.chunk, t * g.chunk, x, w, params, q, lines, cols, wide, out, y)
                if g.tiles % g.chunk > 0:
                    left = T.meta_var(g.tiles % g.chunk)
                    chunk_of(left, g.tiles - left, x, w, params, q, lines, cols, wide, out, y)
            else:
                for t in range(g.tiles):
                    one_tile(g.pixels, t * g.pixels, x, w, params, q, lines, cols, wide, out, y)
            if OW % g.pixels > 0:
                rest = T.meta_var(OW % g.pixels)
                one_tile(rest, OW - rest, x, w, params, q, lines, cols, wide, out, y)

    return RowKernel(row, OH)
