"""The row kernel of L2 normalization over the last axis, bit for bit TFLite's."""

import math

from tvm.ir import Call, Expr
from tvm.script import tirx as T

from tvm_tiny.reference.fixed_point import ONE_Q3, SQRT_HALF_Q0, THREE_HALVES_Q3

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel
from ..requantize import clamp_int8, i32, i64, rounding_shift_right, scale_up
from ..shapes import shape_of


def _mul(a: Expr, b: Expr) -> Expr:
    """The fixed-point product of two nonnegative numbers."""
    return ((i64(a) * i64(b) + i64(1 << 30)) >> i64(31)).astype("int32")


@row_kernel("tvm_tiny.ql2_normalize", scalars=("x_zp",))
def ql2_normalize(call: Call, addressing: Addressing) -> RowKernel:
    """Each row of int8 x [..., C] divided by its Euclidean norm.

    The result is in steps of 1/128.
    The inverse root is computed once per row, as `tvm_tiny.reference.fixed_point.inverse_sqrt`.
    """
    *lead, C = shape_of(call.args[0])
    M = math.prod(lead)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((M, C), "int8"),
        q: T.Buffer((1,), "int32"),
        out: T.Buffer((M, C), "int8"),
        y: T.int32,
    ):
        with T.sblock("normalize"):
            total = T.sblock_alloc_buffer((1,), "int32")
            value = T.sblock_alloc_buffer((2,), "int32")
            shift = T.sblock_alloc_buffer((1,), "int32")
            half = T.sblock_alloc_buffer((1,), "int32")
            root = T.sblock_alloc_buffer((2,), "int32")
            total[0] = 0
            for c in range(C):
                value[0] = T.Cast("int32", x[y, c]) - q[0]
                total[0] += value[0] * value[0]
            # The sum, at least 1, is shifted by an even number of bits to [2^27, 2^29).
            half[0] = T.max(total[0], 1)
            shift[0] = -11
            while half[0] < 1 << 27:
                half[0] = half[0] * 4
                shift[0] += 1
            half[0] = (T.shift_right(half[0], 1) + 1) >> 1
            root[0] = i32(ONE_Q3)
            for _ in range(5):
                root[1] = _mul(_mul(root[0], root[0]), root[0]) * 64
                root[0] = (_mul(root[0], i32(THREE_HALVES_Q3)) - _mul(half[0], root[1])) * 8
            root[0] = _mul(root[0], i32(SQRT_HALF_Q0)) * (1 << T.max(shift[0], 0))
            shift[0] = T.min(shift[0], 0) + 7
            if total[0] < 2:
                root[0] = i32((1 << 31) - 1)
                shift[0] = 7
            for c in range(C):
                value[0] = T.Cast("int32", x[y, c]) - q[0]
                value[0] = scale_up(value[0], root[0], shift[0], may_shift_left=True)
                value[1] = rounding_shift_right(value[0], T.max(-shift[0], 0))
                out[y, c] = clamp_int8(value[1], -128, 127)

    return RowKernel(row, M)
