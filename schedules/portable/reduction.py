"""Row kernels of sums, means, extremes and argmax over adjacent axes.

The tensor is seen as [rows, reduced, kept]; LowerQDQ transposes it where the reduced axes are not
adjacent.
"""

import math
import operator

from tvm import tirx
from tvm.ir import Call
from tvm.script import tirx as T

from ..addressing import Addressing
from ..kernel import RowKernel, first_operand, row_kernel
from ..requantize import clamp_int8, tensor_rescale
from ..shapes import shape_of


def outer_reduced_inner(shape: tuple[int, ...], axes: list[int]) -> tuple[int, int, int]:
    """The products of extents before, in and after a run of adjacent reduced axes."""
    first, last = axes[0], axes[-1]
    return (
        math.prod(shape[:first]),
        math.prod(shape[first : last + 1]),
        math.prod(shape[last + 1 :]),
    )


@row_kernel("tvm_tiny.qmean", scalars=("x_zp", "y_zp", "multiplier", "shift"))
def qmean(call: Call, addressing: Addressing) -> RowKernel:
    """A mean or sum of int8 values, by one multiplier.

    The multiplier of a mean includes 1 / count.
    """
    attrs = call.attrs
    O, R, I = outer_reduced_inner(  # noqa: E741
        shape_of(call.args[0]), sorted(int(a) for a in attrs["axes"])
    )
    rescale, multiplier = tensor_rescale(call)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((O, R, I), "int8"),
        q: T.Buffer((4,), "int32"),
        out: T.Buffer((O, I), "int8"),
        y: T.int32,
    ):
        for i in range(I):
            with T.sblock("element"):
                vi = T.axis.remap("S", [i])
                acc = T.sblock_alloc_buffer((1,), "int32")
                scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                acc[0] = 0
                for r in range(R):
                    acc[0] += T.Cast("int32", x[y, r, vi])
                scaled[0] = rescale.up(acc[0] - q[0] * R, multiplier(q[2]), q[3])
                acc[0] = rescale.down(scaled[0], q[3]) + q[1]
                out[y, vi] = clamp_int8(acc[0], -128, 127)

    return RowKernel(row, O)


@row_kernel("tvm_tiny.row_sums", streams=first_operand)
def row_sums(call: Call, addressing: Addressing) -> RowKernel:
    """Sums of int8 x [1,H,W,C] over height and width, as int32 [1,1,1,C].

    The kernel is an accumulator: each event adds one row of x, so that x may stream.
    """
    _, H, W, C = shape_of(call.args[0])

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((1, H, W, C), "int8"),
        q: T.Buffer((max(addressing.integers, 1),), "int32"),
        out: T.Buffer((1, 1, 1, C), "int32"),
        y: T.int32,
    ):
        with T.sblock("row"):
            line = T.sblock_alloc_buffer((1,), "int32")
            line[0] = addressing.slot(0, y, q)
            for c in range(C):
                with T.sblock("channel"):
                    vc = T.axis.remap("S", [c])
                    acc = T.sblock_alloc_buffer((1,), "int32")
                    acc[0] = T.Select(y == 0, 0, out[0, 0, 0, vc])
                    for k in range(W):
                        acc[0] += T.Cast("int32", x[0, addressing.pick(y, line[0]), k, vc])
                    out[0, 0, 0, vc] = acc[0]

    return RowKernel(row, H)


@row_kernel("tvm_tiny.qmean_of_sums", scalars=("x_zp", "y_zp", "multiplier", "shift"))
def qmean_of_sums(call: Call, addressing: Addressing) -> RowKernel:
    """The result of `qmean` from `row_sums`, int32 [1,1,1,C], of `count` elements each."""
    C = shape_of(call.args[0])[-1]
    count = int(call.attrs["count"])
    rescale, multiplier = tensor_rescale(call)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((C,), "int32"),
        q: T.Buffer((4,), "int32"),
        out: T.Buffer((C,), "int8"),
        y: T.int32,
    ):
        for c in range(C):
            with T.sblock("element"):
                vc = T.axis.remap("S", [c])
                acc = T.sblock_alloc_buffer((1,), "int32")
                scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                scaled[0] = rescale.up(x[vc] - q[0] * count, multiplier(q[2]), q[3])
                acc[0] = rescale.down(scaled[0], q[3]) + q[1]
                out[vc] = clamp_int8(acc[0], -128, 127)

    return RowKernel(row, 1)


@row_kernel("tvm_tiny.qavg_of_sums", scalars=("act_min", "act_max"))
def qavg_of_sums(call: Call, addressing: Addressing) -> RowKernel:
    """The result of a global `qavg_pool2d` from `row_sums` of `count` elements each."""
    C = shape_of(call.args[0])[-1]
    count = int(call.attrs["count"])
    half = count // 2

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((C,), "int32"),
        q: T.Buffer((2,), "int32"),
        out: T.Buffer((C,), "int8"),
        y: T.int32,
    ):
        for c in range(C):
            with T.sblock("element"):
                vc = T.axis.remap("S", [c])
                acc = T.sblock_alloc_buffer((1,), "int32")
                acc[0] = T.truncdiv(x[vc] + T.Select(x[vc] > 0, half, -half), count)
                out[vc] = clamp_int8(acc[0], q[0], q[1])

    return RowKernel(row, 1)


@row_kernel("tvm_tiny.qreduce_max", "tvm_tiny.qreduce_min")
def qreduce_max(call: Call, addressing: Addressing) -> RowKernel:
    """The largest or smallest int8 value over adjacent axes."""
    pick = tirx.max if call.op.name == "tvm_tiny.qreduce_max" else tirx.min
    O, R, I = outer_reduced_inner(  # noqa: E741
        shape_of(call.args[0]), sorted(int(a) for a in call.attrs["axes"])
    )

    @T.prim_func(private=True, s_tir=True)
    def row(x: T.Buffer((O, R, I), "int8"), out: T.Buffer((O, I), "int8"), y: T.int32):
        for i in range(I):
            with T.sblock("element"):
                vi = T.axis.remap("S", [i])
                best = T.sblock_alloc_buffer((1,), "int8")
                best[0] = x[y, 0, vi]
                for r in range(1, R):
                    best[0] = pick(best[0], x[y, r, vi])
                out[y, vi] = best[0]

    return RowKernel(row, O)


@row_kernel("tvm_tiny.argmax", "tvm_tiny.argmin")
def argmax(call: Call, addressing: Addressing) -> RowKernel:
    """The index of the first extreme element along one axis, as int32 or int64."""
    dtype = str(call.attrs["dtype"])
    beats = operator.gt if call.op.name == "tvm_tiny.argmax" else operator.lt
    O, R, I = outer_reduced_inner(  # noqa: E741
        shape_of(call.args[0]), [int(call.attrs["axis"])]
    )

    @T.prim_func(private=True, s_tir=True)
    def row(x: T.Buffer((O, R, I), "int8"), out: T.Buffer((O, I), dtype), y: T.int32):
        for i in range(I):
            with T.sblock("element"):
                vi = T.axis.remap("S", [i])
                best = T.sblock_alloc_buffer((1,), "int32")
                best[0] = 0
                for r in range(1, R):
                    if beats(x[y, r, vi], x[y, best[0], vi]):
                        best[0] = r
                out[y, vi] = T.Cast(dtype, best[0])

    return RowKernel(row, O)
