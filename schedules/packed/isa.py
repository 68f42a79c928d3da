"""Instruction sets: how each wants its operands packed, and its micro-kernels as TensorIntrins.

A micro-kernel is a C function of runtime_c/include/tvm_tiny/<isa>.h. Its meaning is a TIR block;
`Schedule.tensorize` puts the call in place of the block.
"""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm.ir import Expr
from tvm.s_tir import TensorIntrin
from tvm.script import tirx as T

from .channels import BLOCKS, COMPACT, WIDE, Form
from .choice import Choice

Index = tuple[Expr | int, ...]


@dataclass(frozen=True)
class Isa:
    """A family of micro-kernels.

    choice: how products are computed where nothing else is asked for; dense: the same of a fully
    connected layer, which has one pixel. tiles: pixels and filters that `dot` can do. widens: the
    tile for which it takes filters of 16 bits too, if there is one.

    dtype: of gathered input, `columns`. subtracts: whether gathering takes the input's zero point
    off; else it is folded into the biases and padding is the zero point. gathers_pointwise:
    whether 1x1 convolutions gather too. form: of the parameters of channels. fused: whether one
    micro-kernel computes all channels of a tile's pixels.
    """

    name: str
    choice: Choice
    dense: Choice
    tiles: tuple[tuple[int, int], ...]
    widens: tuple[int, int] | None
    dtype: str
    subtracts: bool
    gathers_pointwise: bool
    form: Form
    fused: bool
    columns: Callable[[int, int], tuple[int, ...]]
    column: Callable[[Expr, Expr, int], Index]
    weights: Callable[[int, int], tuple[int, ...]]
    weight: Callable[[Expr, Expr, int], Index]
    dot: Callable[[int, int], str]
    dot_arguments: Callable[[Sequence[Expr], int, int, int], list[Expr | int]]

    def pack(self, weights: np.ndarray, filters: int) -> np.ndarray:
        """Filters [O, K] int8 in the order in which `dot` takes them: [blocks of them, ...]."""
        count, size = weights.shape
        packed = np.zeros((-(-count // filters), *self.weights(filters, size)), "int8")
        f, k = np.indices((filters, size))
        places = tuple(np.asarray(i) for i in self.weight(f, k, size))
        for block in range(len(packed)):
            part = weights[block * filters : (block + 1) * filters]
            padded = np.zeros((filters, size), "int8")
            padded[: len(part)] = part
            packed[block][places] = padded
        return packed


def _quads(size: int) -> int:
    return -(-size // 4)


def _div(k: Any, by: int, size: int) -> Any:
    """k // by of an index below `size`, as TVM simplifies it."""
    return k // by if size > by else k * 0


def _mod(k: Any, by: int, size: int) -> Any:
    return k % by if size > by else k


def _half(k: Any, size: int) -> Any:
    """Which pair of its four k is in the second of."""
    return _div(_mod(k, 4, size), 2, size)


# Within four elements, in the order in which SXTB16 and SXTB16 with a rotation take bytes apart.
DSP = Isa(
    name="dsp",
    choice=Choice(2, 2),
    dense=Choice(1, 4),
    tiles=((2, 2), (1, 2), (1, 4)),
    widens=(2, 2),
    dtype="int16",
    subtracts=True,
    gathers_pointwise=True,
    form=COMPACT,
    fused=False,
    columns=lambda pixels, size: (_quads(size), pixels, 4),
    column=lambda p, k, size: (_div(k, 4, size), p, _mod(k, 2, size) * 2 + _half(k, size)),
    weights=lambda filters, size: (_quads(size), filters, 4),
    weight=lambda f, k, size: (_div(k, 4, size), f, _mod(k, 4, size)),
    dot=lambda pixels, filters: f"dot_{pixels}x{filters}",
    dot_arguments=lambda pointers, pitch, pixels, size: [*pointers, _quads(size)],
)


def _of_bytes(
    name: str,
    filters: int,
    weights: Callable[[int, int], tuple[int, ...]],
    weight: Callable[[Any, Any, int], Index],
    form: Form,
) -> Isa:
    """Those that take bytes as they come."""
    return Isa(
        name=name,
        choice=Choice(2, filters),
        dense=Choice(1, filters),
        tiles=((2, filters), (1, filters)),
        widens=None,
        dtype="int8",
        subtracts=False,
        gathers_pointwise=False,
        form=form,
        fused=form.lanes > 1,
        columns=lambda pixels, size: (pixels, size),
        column=lambda p, k, size: (p, k),
        weights=weights,
        weight=weight,
        dot=lambda pixels, filters: "dot",
        dot_arguments=lambda pointers, pitch, pixels, size: [
            *(pointers[0], pitch, *pointers[1:]),
            *(pixels, size),
        ],
    )


MVE = _of_bytes(
    "mve",
    4,
    lambda filters, size: (-(-size // 16), filters, 16),
    lambda f, k, size: (_div(k, 16, size), f, _mod(k, 16, size)),
    BLOCKS,
)

PLAIN = _of_bytes(
    "plain", 2, lambda filters, size: (size, filters), lambda f, k, size: (k, f), WIDE
)

ISAS: Mapping[str, Isa] = {isa.name: isa for isa in (DSP, MVE, PLAIN)}


def only(index: Expr, extent: int) -> Expr | int:
    """An index, as TVM simplifies it where there is only one."""
    return index if extent > 1 else 0


def register_dot(
    isa: Isa, tile: tuple[int, int], size: int, stride: int | None, *, wide: bool = False
) -> str:
    """The TensorIntrin that adds up products: acc[p, f] += sum over k of x[p, k] * w[f, k].

    stride: of a tensor read in place, the columns between two pixels; None for gathered input.
    wide: the filters have been widened, and lie like gathered input.
    """
    pixels, filters = tile
    direct = stride is not None
    step = stride if stride is not None else 1
    a_shape = ((pixels - 1) * step + 1, size) if direct else isa.columns(pixels, size)
    a_index = (lambda p, k, size: (p * step, k)) if direct else isa.column
    b_shape, b_index = isa.weights(filters, size), isa.weight
    if wide:
        b_shape, b_index = isa.columns(filters, size), isa.column
    dtype = "int8" if direct else isa.dtype
    b_dtype = isa.dtype if wide else "int8"
    name = f"tvm_tiny.{isa.name}.dot_{pixels}x{filters}_{size}_{stride}_{wide}"
    function = f"tvm_tiny_{isa.name}_{isa.dot(pixels, filters)}{'w' if wide else ''}"

    def arguments(*pointers: Expr) -> list[Expr | int]:
        return isa.dot_arguments(pointers, step * size, pixels, size)

    whole = [[slice(0, extent) for extent in shape] for shape in (a_shape, b_shape)]
    a_all, b_all = map(tuple, whole)

    @T.prim_func(s_tir=True)
    def meaning(a: T.handle, b: T.handle, c: T.handle):
        A = T.match_buffer(a, a_shape, dtype, offset_factor=1)
        B = T.match_buffer(b, b_shape, b_dtype, offset_factor=1)
        C = T.match_buffer(c, (pixels, filters), "int32", offset_factor=1)
        with T.sblock("root"):
            T.reads(C[0:pixels, 0:filters], A[a_all], B[b_all])
            T.writes(C[0:pixels, 0:filters])
            for e, k in T.grid(pixels * filters, size):
                with T.sblock("product"):
                    vp = T.axis.spatial(pixels, e // filters)
                    vf = T.axis.spatial(filters, e % filters)
                    vk = T.axis.reduce(size, k)
                    p1 = T.meta_var(only(vp, pixels))
                    T.reads(C[p1, vf], A[a_index(p1, vk, size)], B[b_index(vf, vk, size)])
                    T.writes(C[p1, vf])
                    C[p1, vf] = C[p1, vf] + T.Cast("int32", A[a_index(p1, vk, size)]) * T.Cast(
                        "int32", B[b_index(vf, vk, size)]
                    )

    @T.prim_func(s_tir=True)
    def call(a: T.handle, b: T.handle, c: T.handle):
        A = T.match_buffer(a, a_shape, dtype, offset_factor=1)
        B = T.match_buffer(b, b_shape, b_dtype, offset_factor=1)
        C = T.match_buffer(c, (pixels, filters), "int32", offset_factor=1)
        with T.sblock("root"):
            T.reads(C[0:pixels, 0:filters], A[a_all], B[b_all])
            T.writes(C[0:pixels, 0:filters])
            T.evaluate(
                T.call_extern(
                    "void",
                    function,
                    *arguments(A.access_ptr("r"), B.access_ptr("r"), C.access_ptr("rw")),
                )
            )

    TensorIntrin.register(name, meaning, call, override=True)
    return name


@dataclass(frozen=True)
class Requantize:
    """What the TensorIntrin of requantizing is made for: `channels` of a tile's `filters`.

    pitch: int8 from one pixel to the next. zero_point, clamp: of the output.
    """

    pixels: int
    filters: int
    channels: int
    pitch: int
    zero_point: int
    clamp: tuple[int, int]


def register_requantize(isa: Isa, how: Requantize) -> str:
    """The TensorIntrin that takes sums to int8: out[p, f] = acc[p, f] * multiplier[f] ..."""
    pixels, channels, form = how.pixels, how.channels, isa.form
    low, high = how.clamp
    sizes = (pixels, channels, how.pitch, *([how.zero_point] if form.compact else []), low, high)
    name = f"tvm_tiny.{isa.name}.requantize_{how.filters}_{'_'.join(map(str, sizes))}"
    function = f"tvm_tiny_{isa.name}_requantize"
    sums = {"shape": (pixels, channels), "strides": [how.filters, 1]}

    @T.prim_func(s_tir=True)
    def meaning(a: T.handle, b: T.handle, c: T.handle):
        A = T.match_buffer(a, sums["shape"], "int32", strides=sums["strides"], offset_factor=1)
        B = T.match_buffer(b, (channels, form.words), "int32", offset_factor=1)
        C = T.match_buffer(c, (pixels, channels), "int8", strides=[how.pitch, 1], offset_factor=1)
        with T.sblock("root"):
            T.reads(A[0:pixels, 0:channels], B[0:channels, 0 : form.words])
            T.writes(A[0:pixels, 0:channels], C[0:pixels, 0:channels])
            for e in range(pixels * channels):
                with T.sblock("result"):
                    vp = T.axis.spatial(pixels, e // channels)
                    vf = T.axis.spatial(channels, e % channels)
                    p1 = T.meta_var(only(vp, pixels))
                    f1 = T.meta_var(only(vf, channels))
                    # In place: a matched block may have no buffer of its own.
                    T.reads(A[p1, f1], B[form.all_of(f1)])
                    T.writes(A[p1, f1], C[p1, f1])
                    A[p1, f1] = form.scaled(A[p1, f1], B, f1)
                    C[p1, f1] = form.settled(A[p1, f1], B, f1, how.zero_point, how.clamp)

    @T.prim_func(s_tir=True)
    def call(a: T.handle, b: T.handle, c: T.handle):
        A = T.match_buffer(a, sums["shape"], "int32", strides=sums["strides"], offset_factor=1)
        B = T.match_buffer(b, (channels, form.words), "int32", offset_factor=1)
        C = T.match_buffer(c, (pixels, channels), "int8", strides=[how.pitch, 1], offset_factor=1)
        with T.sblock("root"):
            T.reads(A[0:pixels, 0:channels], B[0:channels, 0 : form.words])
            T.writes(A[0:pixels, 0:channels], C[0:pixels, 0:channels])
            T.evaluate(
                T.call_extern(
                    "void",
                    function,
                    A.access_ptr("rw"),
                    how.filters,
                    B.access_ptr("r"),
                    C.access_ptr("w"),
                    *sizes,
                )
            )

    TensorIntrin.register(name, meaning, call, override=True)
    return name


def register_widen(isa: Isa, filters: int, size: int) -> str:
    """The TensorIntrin that widens a block of filters: wide[f, k] = w[f, k]."""
    name = f"tvm_tiny.{isa.name}.widen_{filters}_{size}"
    function = f"tvm_tiny_{isa.name}_widen"
    shape, wide = isa.weights(filters, size), isa.columns(filters, size)
    all_of, all_wide = (tuple(slice(0, extent) for extent in s) for s in (shape, wide))
    quads = shape[0]

    @T.prim_func(s_tir=True)
    def meaning(a: T.handle, b: T.handle):
        A = T.match_buffer(a, shape, "int8", offset_factor=1)
        B = T.match_buffer(b, wide, isa.dtype, offset_factor=1)
        with T.sblock("root"):
            T.reads(A[all_of])
            T.writes(B[all_wide])
            for f, k in T.grid(filters, size):
                with T.sblock("weight"):
                    vf, vk = T.axis.remap("SS", [f, k])
                    B[isa.column(vf, vk, size)] = T.Cast(isa.dtype, A[isa.weight(vf, vk, size)])

    @T.prim_func(s_tir=True)
    def call(a: T.handle, b: T.handle):
        A = T.match_buffer(a, shape, "int8", offset_factor=1)
        B = T.match_buffer(b, wide, isa.dtype, offset_factor=1)
        with T.sblock("root"):
            T.reads(A[all_of])
            T.writes(B[all_wide])
            T.evaluate(T.call_extern("void", function, A.access_ptr("r"), B.access_ptr("w"), quads))

    TensorIntrin.register(name, meaning, call, override=True)
    return name
