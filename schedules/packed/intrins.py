"""Micro-kernels as TensorIntrins.

A micro-kernel is a C function declared in runtime_c/include/tvm_tiny/<isa>.h. A TensorIntrin has a
TIR block of the same meaning, and `Schedule.tensorize` replaces such a block by the call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tvm import tirx
from tvm.ir import Expr
from tvm.s_tir import TensorIntrin
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from .isa import Filters, Index, Isa
from .meaning import elements, products, results, widened
from .script import call, everything


@dataclass(frozen=True)
class _Operand:
    """A buffer parameter of an intrinsic; use: r, w or rw."""

    shape: tuple[int, ...]
    dtype: str
    use: str
    strides: tuple[int, ...] | None = None


Body = Callable[..., None]


def _register(name: str, operands: Sequence[_Operand], meaning: Body, micro_kernel: Body) -> str:
    """Register a TensorIntrin, and return its name.

    meaning, micro_kernel: functions of the operands' buffers that add the statements of the TIR
    block and of the call.
    """
    sides = (_side(operands, body) for body in (meaning, micro_kernel))
    TensorIntrin.register(name, *sides, override=True)
    return name


def _side(operands: Sequence[_Operand], body: Body) -> tirx.PrimFunc:
    with IRBuilder() as builder, T.prim_func(s_tir=True):
        T.func_name("intrin")
        handles = [T.arg(f"p{k}", T.handle()) for k in range(len(operands))]
        buffers = [_matched(*pair) for pair in zip(handles, operands, strict=True)]
        IRBuilder.name_many([f"b{k}" for k in range(len(operands))], buffers)
        with T.sblock("root"):
            uses = [(b[everything(o.shape)], o.use) for b, o in zip(buffers, operands, strict=True)]
            T.reads(*(region for region, use in uses if "r" in use))
            T.writes(*(region for region, use in uses if "w" in use))
            body(*buffers)
    return builder.get()


def _matched(handle: tirx.Var, operand: _Operand) -> tirx.Var:
    strides = None if operand.strides is None else list(operand.strides)
    return T.match_buffer(handle, operand.shape, operand.dtype, strides=strides, offset_factor=1)


def register_dot(
    isa: Isa, tile: tuple[int, int], size: int, stride: int | None, weights: Filters
) -> str:
    """The TensorIntrin that multiplies and accumulates.

    acc[p, f] += sum over k of x[p, k] * w[f, k]

    stride: for a tensor read in place, the columns from one pixel to the next; None for gathered
    input. weights: the layout of the filters.
    """
    pixels, filters = tile
    step = 1 if stride is None else stride
    x = _Operand(isa.columns(pixels, size), isa.dtype, "r")
    if stride is not None:
        x = _Operand(((pixels - 1) * step + 1, size), "int8", "r")
    w = _Operand(weights.shape(filters, size), weights.dtype, "r")
    acc = _Operand((pixels, filters), "int32", "rw")

    def at(p: Expr, k: Expr) -> Index:
        return isa.column(p, k, size) if stride is None else (p * step, k)

    def weight(f: Expr, k: Expr) -> Index:
        return weights.index(f, k, size)

    def meaning(c: tirx.Var, a: tirx.Var, b: tirx.Var) -> None:
        products(pixels, filters, size, c, elements(a, at), elements(b, weight), weights.value)

    def micro_kernel(c: tirx.Var, a: tirx.Var, b: tirx.Var) -> None:
        pointers = a.access_ptr("r"), b.access_ptr("r"), c.access_ptr("rw")
        call(dot, *isa.dot_arguments(pointers, step * size, pixels, size))

    name = f"tvm_tiny.{isa.name}.dot_{pixels}x{filters}_{size}_{stride}_{weights.suffix}"
    dot = f"tvm_tiny_{isa.name}_{isa.dot(pixels, filters)}{weights.suffix}"
    # In the order in which TVM lists the reads of a block: accumulators first.
    return _register(name, (acc, x, w), meaning, micro_kernel)


@dataclass(frozen=True)
class Requantize:
    """The parameters of a requantizing TensorIntrin.

    channels: how many of a tile's `filters` are channels of the output. pitch: int8 elements from
    one pixel to the next. zero_point, clamp: those of the output.
    """

    pixels: int
    filters: int
    channels: int
    pitch: int
    zero_point: int
    clamp: tuple[int, int]


def register_requantize(isa: Isa, how: Requantize) -> str:
    """The TensorIntrin that requantizes sums: out[p, f] = acc[p, f] * multiplier[f] ..."""
    pixels, channels, layout = how.pixels, how.channels, isa.layout
    operands = (
        _Operand((pixels, channels), "int32", "rw", (how.filters, 1)),
        _Operand((channels, layout.words), "int32", "r"),
        _Operand((pixels, channels), "int8", "w", (how.pitch, 1)),
    )
    sizes = (pixels, channels, how.pitch, *layout.limits(how.zero_point, how.clamp))

    def meaning(a: tirx.Var, b: tirx.Var, c: tirx.Var) -> None:
        limits = how.zero_point, how.clamp
        results(pixels, channels, a, b, lambda p, f: c[p, f], lambda f: f, layout, limits)

    def micro_kernel(a: tirx.Var, b: tirx.Var, c: tirx.Var) -> None:
        pointers = a.access_ptr("rw"), how.filters, b.access_ptr("r"), c.access_ptr("w")
        call(f"tvm_tiny_{isa.name}_requantize{layout.suffix}", *pointers, *sizes)

    parts = (layout.suffix, how.filters, how.zero_point, *sizes)
    name = f"tvm_tiny.{isa.name}.requantize{'_'.join(map(str, parts))}"
    return _register(name, operands, meaning, micro_kernel)


def register_widen(isa: Isa, filters: int, size: int) -> str:
    """The TensorIntrin that widens a block of filters: wide[f, k] = w[f, k]."""
    w = _Operand(isa.weights.shape(filters, size), "int8", "r")
    wide = _Operand(isa.columns(filters, size), isa.dtype, "w")

    def meaning(a: tirx.Var, b: tirx.Var) -> None:
        narrow = elements(a, lambda f, k: isa.weights.index(f, k, size))
        widened(filters, size, narrow, elements(b, lambda f, k: isa.column(f, k, size)))

    def micro_kernel(a: tirx.Var, b: tirx.Var) -> None:
        quads = w.shape[0]
        call(f"tvm_tiny_{isa.name}_widen", a.access_ptr("r"), b.access_ptr("w"), quads)

    name = f"tvm_tiny.{isa.name}.widen_{filters}_{size}"
    return _register(name, (w, wide), meaning, micro_kernel)
