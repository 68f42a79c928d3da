"""Packed depthwise convolution, each row by one micro-kernel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Call, Expr
from tvm.script.ir_builder import tirx as T

from ..addressing import OUT, Addressing
from ..kernel import RowKernel, first_operand, row_kernel
from ..shapes import Spec, inside, shape_of
from .isa import isa_of
from .script import buffer, function, loops, spatial
from .script import call as call_c
from .tensorize import with_scratch

Kernel = tuple[int, int]

# The micro-kernel of `_Flat` weights loads words, which may end 3 bytes behind the last weight.
_BEHIND = 3


@dataclass(frozen=True)
class _Flat:
    """The layout [channels, KH, KW], for a micro-kernel that computes blocks of channels."""

    dtype: str = "int8"
    times: int = 1

    def shape(self, channels: int, kernel: Kernel) -> tuple[int, ...]:
        return (channels * math.prod(kernel) + _BEHIND,)

    def at(self, c: Any, ky: Any, kx: Any, kernel: Kernel) -> tuple[Any, ...]:
        return ((c * kernel[0] + ky) * kernel[1] + kx,)

    def scratch(self, call: Call) -> Spec | None:
        """Room for the rows of a block of channels, in groups of four columns."""
        height, width = _kernel_size(call)
        columns = (shape_of(call)[2] - 1) * int(call.attrs["strides"][1]) + width
        return (_BLOCK * height * -(-columns // 4) * 4,), "int16"


@dataclass(frozen=True)
class _Taps:
    """The layout [KH * KW, channels]."""

    dtype: str = "int8"
    times: int = 1

    def shape(self, channels: int, kernel: Kernel) -> tuple[int, ...]:
        return (math.prod(kernel), channels)

    def at(self, c: Any, ky: Any, kx: Any, kernel: Kernel) -> tuple[Any, ...]:
        return (ky * kernel[1] + kx, c)

    def scratch(self, call: Call) -> Spec | None:
        """No scratch memory."""
        return None


@dataclass(frozen=True)
class _Vectors:
    """The layout in vectors of 4 channels, 4 columns and 4 rows of the window."""

    dtype: str = "int8"
    times: int = 1

    def shape(self, channels: int, kernel: Kernel) -> tuple[int, ...]:
        return (*(-(-extent // 4) for extent in (channels, *kernel)), 4, 4, 4)

    def at(self, c: Any, ky: Any, kx: Any, kernel: Kernel) -> tuple[Any, ...]:
        return (c // 4, ky // 4, kx // 4, c % 4, kx % 4, ky % 4)

    def scratch(self, call: Call) -> Spec | None:
        """Room for the columns under two pixels, and two bytes per channel (see mve.h)."""
        height, width = _kernel_size(call)
        columns = int(call.attrs["strides"][1]) + -(-width // 4) * 4
        columns = -(-columns // 4) * 4 if max(height, width) > 4 else columns
        pairs = -(-shape_of(call)[3] // 4) * 2
        return (16 * -(-height // 4) * columns + pairs,), "int32"


@dataclass(frozen=True)
class _Pairs:
    """The layout in pairs of taps, for four channels at a time; weights are doubled.

    Each row of the window has its pairs of taps, and a single tap if its number is odd. The two
    taps of a pair are adjacent for each channel; a single tap has the channels in the order in
    which SXTAB16 widens them.
    """

    dtype: str = "int16"
    times: int = 2

    def shape(self, channels: int, kernel: Kernel) -> tuple[int, ...]:
        return (-(-channels // 4), kernel[0], 4 * kernel[1])

    def at(self, c: Any, ky: Any, kx: Any, kernel: Kernel) -> tuple[Any, ...]:
        pair = kx // 2 * 8 + c % 4 * 2 + kx % 2
        last = kx * 4 + c % 2 * 2 + c % 4 // 2
        paired = kernel[1] // 2 * 2
        single = kx // paired if paired else kx * 0 + 1
        return (c // 4, ky, pair + (last - pair) * single)

    def scratch(self, call: Call) -> Spec | None:
        """No scratch memory."""
        return None


# The micro-kernel for DSP instructions computes whole rows of this many channels at a time.
_BLOCK = 4
# A layout of weights. Packed weights are the model's, multiplied by `times`.
Layout = _Flat | _Taps | _Vectors | _Pairs
_LAYOUTS: Mapping[str, Layout] = {
    "dsp": _Flat(),
    "mve": _Vectors(),
    "plain": _Taps(),
}
# Layouts of the micro-kernels that read input in place; the one in plain C always does.
_IN_PLACE: Mapping[str, Layout] = {"dsp": _Pairs(), "mve": _Taps()}


def pack_depthwise(isa: str, weights: np.ndarray, *, in_place: bool = False) -> np.ndarray:
    """Filters [C, KH, KW] int8 in the layout that the micro-kernel takes.

    in_place: for the micro-kernel that reads its input in place, if the instruction set has one.
    """
    channels, *kernel = weights.shape
    layout = (_IN_PLACE if in_place else _LAYOUTS)[isa]
    packed = np.zeros(layout.shape(channels, (kernel[0], kernel[1])), layout.dtype)
    c, ky, kx = np.indices(weights.shape)
    where = layout.at(c, ky, kx, (kernel[0], kernel[1]))
    packed[where] = weights.astype(layout.dtype) * layout.times
    return packed


def _kernel_size(call: Call) -> tuple[int, int]:
    height, width = (int(v) for v in call.attrs["kernel"])
    return height, width


def _is_in_place(call: Call) -> bool:
    return bool(int(call.attrs.get("in_place", 0)))


def _layout(call: Call) -> Layout:
    return (_IN_PLACE if _is_in_place(call) else _LAYOUTS)[str(call.attrs["isa"])]


def scratch(call: Call) -> Spec | None:
    """(shape, dtype) of the scratch memory that the micro-kernel needs, or None."""
    return _layout(call).scratch(call)


def tensorize(call: Call, addressing: Addressing) -> tirx.PrimFunc:
    """The kernel as one call of a micro-kernel: (x, w, params, integers, out, scratch, row)."""
    func = _Row(call, addressing, calls=True).kernel().func
    return with_scratch(func, wanted=scratch(call) is not None)


@row_kernel(
    "tvm_tiny.packed.qdepthwise",
    scalars=("x_zp",),
    streams=first_operand,
    scratch=scratch,
    tensorize=tensorize,
)
def packed_qdepthwise(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 depthwise convolution without dilation: x [1,H,W,C], w and params packed."""
    return _Row(call, addressing, calls=False).kernel()


class _Row:
    """Builds the function of one output row; calls: as one call of a micro-kernel."""

    def __init__(self, call: Call, addressing: Addressing, *, calls: bool) -> None:
        self._addressing, self._calls, self._scratch = addressing, calls, scratch(call)
        self._isa = isa_of(call.attrs)
        self._layout, self._in_place = _layout(call), _is_in_place(call)
        self._kernel = _kernel_size(call)
        self._x_shape, self._out_shape = shape_of(call.args[0])[1:], shape_of(call)[1:]
        attrs = call.attrs
        self._strides = [int(v) for v in attrs["strides"]]
        self._before = [int(v) for v in attrs["padding"][:2]]
        self._clamp = int(attrs["act_min"]), int(attrs["act_max"])
        self._zero_point = int(attrs.get("y_zp", 0))

    def kernel(self) -> RowKernel:
        """The row kernel with parameters (x, w, params, integers, out, row)."""
        channels = self._x_shape[2]
        buffers: dict[str, Spec] = {
            "x": ((1, *self._x_shape), "int8"),
            "w": (self._layout.shape(channels, self._kernel), self._layout.dtype),
            "params": (self._isa.layout.shape(channels), "int32"),
            "q": ((self._addressing.integers,), "int32"),
            "out": ((1, *self._out_shape), "int8"),
        }
        return RowKernel(function(buffers, self._body), self._out_shape[0])

    def _body(self, *parameters: tirx.Var) -> None:
        self._x, self._w, self._params, self._q, self._out, self._y = parameters
        height, addressing = self._kernel[0], self._addressing
        with T.sblock("row"):
            self._lines = buffer("lines", (height + 1,), "int32")
            cols = buffer("cols", *(self._scratch or ((1,), "int16")))
            with loops(ky=height) as ky:
                line = addressing.tap(0, self._input_row(ky), self._x_shape[0], self._q)
                T.buffer_store(self._lines, line, [ky])
            T.buffer_store(self._lines, addressing.slot(OUT, self._y, self._q), [height])
            if self._calls:
                self._call(cols)
            else:
                self._blocks()

    def _input_row(self, ky: Expr) -> Expr:
        return self._y * self._strides[0] + ky - self._before[0]

    def _call(self, cols: tirx.Var) -> None:
        _, width, channels = self._x_shape
        height, across = self._kernel
        place = "_in_place" if self._in_place else ""
        call_c(
            f"tvm_tiny_{self._isa.name}_depthwise{place}{self._isa.layout.suffix}",
            T.address_of(self._x[0, 0, 0, 0]),
            T.address_of(self._lines[0]),
            T.address_of(self._w[(0,) * len(self._w.shape)]),
            T.address_of(self._params[(0,) * len(self._params.shape)]),
            T.address_of(self._out[0, self._lines[height], 0, 0]),
            *([] if self._scratch is None else [T.address_of(cols[0])]),
            self._q[0],
            *(
                *self._isa.layout.limits(self._zero_point, self._clamp),
                width,
                channels,
                height,
                across,
            ),
            *(self._strides[1], self._before[1], self._out_shape[1]),
        )

    def _blocks(self) -> None:
        """Loop over channels in the order in which the micro-kernel computes them."""
        channels = self._x_shape[2]
        block = _BLOCK if self._isa.name == "dsp" and not self._in_place else channels
        with loops(b=channels // block) as b:
            self._channels(b * block, block)
        if channels % block:
            self._channels(channels - channels % block, channels % block)

    def _channels(self, first: Expr | int, count: int) -> None:
        _, width, channels = self._out_shape
        with loops(ox=width, oc=count) as (ox, oc), T.sblock("pixel"):
            vx = spatial("vx", width, ox)
            vc = spatial("vc", channels, first + oc)
            acc = buffer("acc", (1,), "int32")
            layout = self._isa.layout
            T.buffer_store(acc, layout.bias(self._params, vc), [0])
            with loops(ky=self._kernel[0], kx=self._kernel[1]) as (ky, kx):
                weight = self._w[self._layout.at(vc, ky, kx, self._kernel)]
                once = T.Cast("int32", weight) // self._layout.times
                product = self._value(vx, vc, ky, kx) * once
                T.buffer_store(acc, acc[0] + product, [0])
            T.buffer_store(acc, layout.scaled(acc[0], self._params, vc), [0])
            line = self._addressing.pick(self._y, self._lines[self._kernel[0]])
            value = layout.settled(acc[0], self._params, vc, self._zero_point, self._clamp)
            T.buffer_store(self._out, value, [0, line, vx, vc])

    def _value(self, vx: Expr, vc: Expr, ky: Expr, kx: Expr) -> Expr:
        """The input element under a tap (ky, kx) of a pixel's window, padding included."""
        height, width, _ = self._x_shape
        y, kept, pick = self._input_row(ky), self._lines[ky], self._addressing.pick
        column = vx * self._strides[1] + kx - self._before[1]
        there = T.And(pick(inside(y, height), kept >= 0), inside(column, width))
        value = T.Cast("int32", self._x[0, pick(y, kept), column, vc])
        if self._isa.subtracts:
            return T.if_then_else(there, value - self._q[0], 0)
        return T.if_then_else(there, value, self._q[0])
