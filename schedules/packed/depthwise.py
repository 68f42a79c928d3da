"""Depthwise convolution, one micro-kernel a row."""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from dataclasses import dataclass

import numpy as np
from tvm import tirx
from tvm.ir import Call
from tvm.script import tirx as T

from ..kernel import OUT, Rings, RowKernel, Spec, first_operand, inside, row_kernel, shape_of
from .isa import BIAS, ISAS, MULTIPLIER, OFFSET, SHIFT, rounded, settled
from .tensorize import with_scratch


@dataclass(frozen=True)
class _Order:
    """In which order results are made, and how the weights lie for that.

    block: channels whose whole row is made before others are read; None: pixel by pixel.
    """

    block: int | None

    def shape(self, channels: int, kernel: tuple[int, int]) -> tuple[int, ...]:
        height, width = kernel
        if self.block is None:
            return (height * width, channels)
        return (channels, height, -(-width // 4) * 4)


_ORDERS = {"dsp": _Order(4), "mve": _Order(None), "plain": _Order(None)}


def pack_depthwise(isa: str, weights: np.ndarray) -> np.ndarray:
    """Filters [C, KH, KW] int8 as the micro-kernel takes them."""
    channels, height, width = weights.shape
    order = _ORDERS[isa]
    if order.block is None:
        return np.ascontiguousarray(weights.reshape(channels, -1).T)
    packed = np.zeros(order.shape(channels, (height, width)), "int8")
    packed[:, :, :width] = weights
    return packed


def _kernel_size(call: Call) -> tuple[int, int]:
    height, width = (int(v) for v in call.attrs["kernel"])
    return height, width


def scratch(call: Call) -> Spec | None:
    """Memory for the rows of a block of channels: int16, whole groups of four columns."""
    block = _ORDERS[str(call.attrs["isa"])].block
    if block is None:
        return None
    height, width = _kernel_size(call)
    columns = (shape_of(call)[2] - 1) * int(call.attrs["strides"][1]) + width
    return (block, height, -(-columns // 4) * 4), "int16"


def tensorize(call: Call, rings: Rings) -> tirx.PrimFunc:
    """The kernel as one call: (x, w, params, integers, out, scratch, row)."""
    func = _kernel(call, rings, calls=True).func
    return with_scratch(func, wanted=scratch(call) is not None)


@row_kernel(
    "tvm_tiny.packed.qdepthwise",
    scalars=("x_zp",),
    streams=first_operand,
    scratch=scratch,
    tensorize=tensorize,
)
def packed_qdepthwise(call: Call, rings: Rings) -> RowKernel:
    """int8 depthwise convolution without dilation: x [1,H,W,C], w packed, params [C, 4]."""
    return _kernel(call, rings, calls=False)


def _kernel(call: Call, rings: Rings, *, calls: bool) -> RowKernel:
    attrs = call.attrs
    isa = ISAS[str(attrs["isa"])]
    order = _ORDERS[isa.name]
    _, H, W, C = shape_of(call.args[0])
    _, OH, OW, _ = shape_of(call)
    KH, KW = _kernel_size(call)
    SH, SW = (int(v) for v in attrs["strides"])
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    low, high = int(attrs["act_min"]), int(attrs["act_max"])
    function = f"tvm_tiny_{isa.name}_depthwise"
    room = scratch(call) or ((1,), "int16")
    clamp = (low, high)
    sizes = (*clamp, W, C, KH, KW, SW, PL, OW)
    block = order.block or C

    def weight(c: tirx.Var, ky: tirx.Var, kx: tirx.Var) -> tuple[tirx.Var, ...]:
        return (ky * KW + kx, c) if order.block is None else (c, ky, kx)

    @T.inline
    def channels(first, count, x, w, params, q, lines, out, y):
        for ox, oc in T.grid(OW, count):
            with T.sblock("pixel"):
                vx = T.axis.spatial(OW, ox)
                vc = T.axis.spatial(C, first + oc)
                acc = T.sblock_alloc_buffer((1,), "int32")
                acc[0] = params[vc, BIAS]
                for ky, kx in T.grid(KH, KW):
                    acc[0] += T.if_then_else(
                        T.And(
                            rings.pick(inside(y * SH + ky - PT, H), lines[ky] >= 0),
                            inside(vx * SW + kx - PL, W),
                        ),
                        T.Cast(
                            "int32",
                            x[
                                0,
                                rings.pick(y * SH + ky - PT, lines[ky]),
                                vx * SW + kx - PL,
                                vc,
                            ],
                        )
                        - (q[0] if isa.subtracts else 0),
                        0 if isa.subtracts else q[0],
                    ) * T.Cast("int32", w[weight(vc, ky, kx)])
                acc[0] = rounded(acc[0], params[vc, MULTIPLIER])
                out[0, rings.pick(y, lines[KH]), vx, vc] = settled(
                    acc[0], params[vc, OFFSET], params[vc, SHIFT], low, high
                )

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((1, H, W, C), "int8"),
        w: T.Buffer(order.shape(C, (KH, KW)), "int8"),
        params: T.Buffer((C, 4), "int32"),
        q: T.Buffer((rings.integers,), "int32"),
        out: T.Buffer((1, OH, OW, C), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            cols = T.sblock_alloc_buffer(room[0], room[1])
            for ky in range(KH):
                lines[ky] = rings.tap(0, y * SH + ky - PT, H, q)
            lines[KH] = rings.slot(OUT, y, q)
            if not calls:
                for b in range(C // block):
                    channels(b * block, block, x, w, params, q, lines, out, y)
                if C % block > 0:
                    channels(C - C % block, C % block, x, w, params, q, lines, out, y)
            elif order.block is None:
                T.evaluate(
                    T.call_extern(
                        "void",
                        function,
                        T.address_of(x[0, 0, 0, 0]),
                        T.address_of(lines[0]),
                        T.address_of(w[0, 0]),
                        T.address_of(params[0, 0]),
                        T.address_of(out[0, lines[KH], 0, 0]),
                        q[0],
                        *sizes,
                    )
                )
            else:
                T.evaluate(
                    T.call_extern(
                        "void",
                        function,
                        T.address_of(x[0, 0, 0, 0]),
                        T.address_of(lines[0]),
                        T.address_of(w[0, 0, 0]),
                        T.address_of(params[0, 0]),
                        T.address_of(out[0, lines[KH], 0, 0]),
                        T.address_of(cols[0, 0, 0]),
                        q[0],
                        *sizes,
                    )
                )

    return RowKernel(row, OH)
