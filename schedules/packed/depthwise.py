"""Depthwise convolution, one micro-kernel a row."""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Call, Expr
from tvm.script import tirx as T

from ..kernel import OUT, Rings, RowKernel, Spec, first_operand, inside, row_kernel, shape_of
from .isa import ISAS
from .tensorize import with_scratch

Kernel = tuple[int, int]

# Of channels one after the other words are loaded, whose last bytes may be behind the last weight.
_BEHIND = 3


@dataclass(frozen=True)
class _Flat:
    """Weights channel by channel, as they are in the model; used for blocks of channels."""

    def shape(self, channels: int, kernel: Kernel) -> tuple[int, ...]:
        return (channels * math.prod(kernel) + _BEHIND,)

    def at(self, c: Any, ky: Any, kx: Any, kernel: Kernel) -> tuple[Any, ...]:
        return ((c * kernel[0] + ky) * kernel[1] + kx,)

    def scratch(self, call: Call) -> Spec | None:
        """The rows of a block of channels as int16, whole groups of four columns."""
        height, width = _kernel_size(call)
        columns = (shape_of(call)[2] - 1) * int(call.attrs["strides"][1]) + width
        return (_BLOCK * height * -(-columns // 4) * 4,), "int16"


@dataclass(frozen=True)
class _Taps:
    """Weights tap by tap, all channels of each."""

    def shape(self, channels: int, kernel: Kernel) -> tuple[int, ...]:
        return (math.prod(kernel), channels)

    def at(self, c: Any, ky: Any, kx: Any, kernel: Kernel) -> tuple[Any, ...]:
        return (ky * kernel[1] + kx, c)

    def scratch(self, call: Call) -> Spec | None:
        """None is needed."""
        return None


@dataclass(frozen=True)
class _Vectors:
    """Weights in vectors of four channels times four columns, or rows, of a window."""

    def shape(self, channels: int, kernel: Kernel) -> tuple[int, ...]:
        return (*(-(-extent // 4) for extent in (channels, *kernel)), 4, 4, 4)

    def at(self, c: Any, ky: Any, kx: Any, kernel: Kernel) -> tuple[Any, ...]:
        return (c // 4, ky // 4, kx // 4, c % 4, kx % 4, ky % 4)

    def scratch(self, call: Call) -> Spec | None:
        """The columns under two pixels, and two bytes a channel; as mve.h says."""
        height, width = _kernel_size(call)
        columns = int(call.attrs["strides"][1]) + -(-width // 4) * 4
        columns = -(-columns // 4) * 4 if max(height, width) > 4 else columns
        pairs = -(-shape_of(call)[3] // 4) * 2
        return (16 * -(-height // 4) * columns + pairs,), "int32"


# Channels whose whole row is computed before others are read, by cores with DSP instructions.
_BLOCK = 4
_LAYOUTS: Mapping[str, _Flat | _Taps | _Vectors] = {
    "dsp": _Flat(),
    "mve": _Vectors(),
    "plain": _Taps(),
}


def pack_depthwise(isa: str, weights: np.ndarray) -> np.ndarray:
    """Filters [C, KH, KW] int8 as the micro-kernel takes them."""
    channels, *kernel = weights.shape
    layout = _LAYOUTS[isa]
    packed = np.zeros(layout.shape(channels, (kernel[0], kernel[1])), "int8")
    c, ky, kx = np.indices(weights.shape)
    packed[layout.at(c, ky, kx, (kernel[0], kernel[1]))] = weights
    return packed


def _kernel_size(call: Call) -> tuple[int, int]:
    height, width = (int(v) for v in call.attrs["kernel"])
    return height, width


def scratch(call: Call) -> Spec | None:
    """(shape, dtype) of the memory that the micro-kernel needs."""
    return _LAYOUTS[str(call.attrs["isa"])].scratch(call)


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
    """int8 depthwise convolution without dilation: x [1,H,W,C], w and params packed."""
    return _kernel(call, rings, calls=False)


def _kernel(call: Call, rings: Rings, *, calls: bool) -> RowKernel:
    attrs = call.attrs
    isa = ISAS[str(attrs["isa"])]
    layout = _LAYOUTS[isa.name]
    _, H, W, C = shape_of(call.args[0])
    _, OH, OW, _ = shape_of(call)
    KH, KW = _kernel_size(call)
    SH, SW = (int(v) for v in attrs["strides"])
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    clamp = int(attrs["act_min"]), int(attrs["act_max"])
    zero_point = int(attrs.get("y_zp", 0))
    function = f"tvm_tiny_{isa.name}_depthwise"
    room = scratch(call) or ((1,), "int16")
    first_channel = (0,) * len(isa.form.shape(1))
    given = [zero_point] if isa.form.compact else []
    sizes = (*given, *clamp, W, C, KH, KW, SW, PL, OW)
    block = _BLOCK if isa.name == "dsp" else C
    shape = layout.shape(C, (KH, KW))
    origin = (0,) * len(shape)

    def weight(c: Expr, ky: Expr, kx: Expr) -> tuple[Any, ...]:
        return layout.at(c, ky, kx, (KH, KW))

    def scratch_of(cols: Any) -> list[Expr]:
        return [] if scratch(call) is None else [T.address_of(cols[0])]

    @T.inline
    def channels(first, count, x, w, params, q, lines, out, y):
        for ox, oc in T.grid(OW, count):
            with T.sblock("pixel"):
                vx = T.axis.spatial(OW, ox)
                vc = T.axis.spatial(C, first + oc)
                acc = T.sblock_alloc_buffer((1,), "int32")
                acc[0] = isa.form.bias(params, vc)
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
                acc[0] = isa.form.scaled(acc[0], params, vc)
                out[0, rings.pick(y, lines[KH]), vx, vc] = isa.form.settled(
                    acc[0], params, vc, zero_point, clamp
                )

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((1, H, W, C), "int8"),
        w: T.Buffer(shape, "int8"),
        params: T.Buffer(isa.form.shape(C), "int32"),
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
            else:
                T.evaluate(
                    T.call_extern(
                        "void",
                        function,
                        T.address_of(x[0, 0, 0, 0]),
                        T.address_of(lines[0]),
                        T.address_of(w[origin]),
                        T.address_of(params[first_channel]),
                        T.address_of(out[0, lines[KH], 0, 0]),
                        *scratch_of(cols),
                        q[0],
                        *sizes,
                    )
                )

    return RowKernel(row, OH)
