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
from .isa import (
    BIAS,
    ISAS,
    MULTIPLIER,
    OFFSET,
    SHIFT,
    Isa,
    only,
    register_dot,
    register_requantize,
    rounded,
    settled,
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
    filters: int
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
        return min(self.isa.pixels, self.out[1])


def geometry(call: Call) -> Geometry:
    """Of a `packed.qconv2d` or `packed.qdense`."""
    attrs = call.attrs
    isa = ISAS[str(attrs["isa"])]
    clamp = int(attrs["act_min"]), int(attrs["act_max"])
    if call.op.name == "tvm_tiny.packed.qdense":
        *lead, size = shape_of(call.args[0])
        rows, count = math.prod(lead), shape_of(call)[-1]
        ones = (1, 1), (1, 1), (0, 0)
        return Geometry(isa, (rows, 1, size), (rows, 1, count), *ones, isa.dense_filters, clamp)

    def pair(name: str) -> tuple[int, int]:
        first, second, *_ = (int(v) for v in attrs[name])
        return first, second

    _, height, width, inputs = shape_of(call.args[0])
    windows = pair("kernel"), pair("strides"), pair("padding")
    _, *out = shape_of(call)
    shapes = (height, width, inputs), (out[0], out[1], out[2])
    return Geometry(isa, *shapes, *windows, isa.filters, clamp)


def scratch(call: Call) -> Spec | None:
    """(shape, dtype) of the memory for gathered input."""
    g = geometry(call)
    return None if g.direct else (g.isa.columns(g.pixels, g.size), g.isa.dtype)


def tensorize(call: Call, rings: Rings) -> tirx.PrimFunc:
    """The kernel with micro-kernels called: (x, w, params, integers, out, scratch, row)."""
    g = geometry(call)
    stride = g.strides[1] if g.direct else None
    tiles = [(g.pixels, g.filters), (g.out[1] % g.pixels, g.filters)]
    intrins = {}
    for pixels, filters in tiles:
        if not pixels:
            continue
        # TVM drops loops of one iteration from what a TensorIntrin stands for: those stay TIR.
        if g.size > 1:
            intrins[f"dot{pixels}"] = register_dot(g.isa, pixels, filters, g.size, stride)
        for channels in {filters, g.out[2] % filters} - {0}:
            args = (pixels, filters, channels, g.out[2], g.clamp)
            if pixels * channels > 1:
                intrins[f"requantize{pixels}x{channels}"] = register_requantize(g.isa, *args)
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

    Operands: x [1,H,W,C] int8 ([..., C] of a layer), w as `Isa.pack` gives it, params [O, 4]
    int32: bias, multiplier, offset, shift of each channel (see `packing`).
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
    low, high = g.clamp
    blocks = -(-O // filters)
    padding = 0 if isa.subtracts else None
    columns = isa.columns(g.pixels, size)
    origin = (0,) * len(columns)
    gather = f"tvm_tiny_{isa.name}_gather"

    def weight(block: Expr, f: Expr, k: Expr) -> tuple[Expr | int, ...]:
        return (block, *isa.weight(f, k, size))

    @T.inline
    def gathered(pixels, first, x, q, lines, cols, y):
        if calls:
            T.evaluate(
                T.call_extern(
                    "void",
                    gather,
                    T.address_of(x[0, 0, 0, 0]),
                    T.address_of(lines[0]),
                    T.address_of(cols[origin]),
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
                    cols[isa.column(vp, (vy * KW + vx) * C + vc, size)] = T.if_then_else(
                        T.And(
                            rings.pick(inside(y * SH + vy - PT, H), lines[vy] >= 0),
                            inside((vo + vp) * SW + vx - PL, W),
                        ),
                        T.Cast(
                            isa.dtype,
                            T.Cast(
                                "int32",
                                x[
                                    0,
                                    rings.pick(y * SH + vy - PT, lines[vy]),
                                    (vo + vp) * SW + vx - PL,
                                    vc,
                                ],
                            )
                            - (q[0] if isa.subtracts else 0),
                        ),
                        T.Cast(isa.dtype, q[0] if padding is None else padding),
                    )

    @T.inline
    def tile(pixels, channels, first, block, x, w, params, q, lines, cols, out, y):
        with T.sblock("tile"):
            vo = T.axis.spatial(OW, first)
            vb = T.axis.spatial(blocks, block)
            acc = T.sblock_alloc_buffer((pixels, filters), "int32")
            for p, f in T.grid(pixels, filters):
                with T.sblock("bias"):
                    vp, vf = T.axis.remap("SS", [p, f])
                    acc[vp, vf] = params[vb * filters + vf, BIAS]
            with T.sblock(f"dot{pixels}"):
                for e, k in T.grid(pixels * filters, size):
                    with T.sblock("product"):
                        vp = T.axis.spatial(pixels, e // filters)
                        vf = T.axis.spatial(filters, e % filters)
                        vk = T.axis.reduce(size, k)
                        p1 = T.meta_var(only(vp, pixels))
                        if g.direct:
                            T.reads(
                                acc[p1, vf],
                                x[0, rings.pick(y * SH, lines[0]), (vo + p1) * SW, vk],
                                w[weight(vb, vf, vk)],
                            )
                            T.writes(acc[p1, vf])
                            acc[p1, vf] = acc[p1, vf] + T.Cast(
                                "int32", x[0, rings.pick(y * SH, lines[0]), (vo + p1) * SW, vk]
                            ) * T.Cast("int32", w[weight(vb, vf, vk)])
                        else:
                            acc[p1, vf] = acc[p1, vf] + T.Cast(
                                "int32", cols[isa.column(p1, vk, size)]
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
                        T.reads(acc[p1, f1], params[c, 0:4])
                        T.writes(acc[p1, f1], out[0, line, vo + p1, c])
                        acc[p1, f1] = rounded(acc[p1, f1], params[c, MULTIPLIER])
                        out[0, line, vo + p1, c] = settled(
                            acc[p1, f1], params[c, OFFSET], params[c, SHIFT], low, high
                        )

    @T.inline
    def pixels_of(pixels, first, x, w, params, q, lines, cols, out, y):
        if not g.direct:
            gathered(pixels, first, x, q, lines, cols, y)
        for block in range(O // filters):
            tile(pixels, filters, first, block, x, w, params, q, lines, cols, out, y)
        if O % filters > 0:
            tile(pixels, O % filters, first, O // filters, x, w, params, q, lines, cols, out, y)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((1, H, W, C), "int8"),
        w: T.Buffer((blocks, *isa.weights(filters, size)), "int8"),
        params: T.Buffer((blocks * filters, 4), "int32"),
        q: T.Buffer((rings.integers,), "int32"),
        out: T.Buffer((1, OH, OW, O), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            cols = T.sblock_alloc_buffer(columns, isa.dtype)
            for ky in range(KH):
                lines[ky] = rings.tap(0, y * SH + ky - PT, H, q)
            lines[KH] = rings.slot(OUT, y, q)
            for t in range(OW // g.pixels):
                pixels_of(g.pixels, t * g.pixels, x, w, params, q, lines, cols, out, y)
            if OW % g.pixels > 0:
                pixels_of(OW % g.pixels, OW - OW % g.pixels, x, w, params, q, lines, cols, out, y)

    return RowKernel(row, OH)
