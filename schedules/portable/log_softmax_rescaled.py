"""The row kernel of log-softmax over the last axis with any output scale."""

import math

from tvm.ir import Call
from tvm.script import tirx as T

from tvm_tiny.reference.log_softmax_rescaled import BETWEEN_BITS, POINT_BITS, STEP_BITS, SUM_BITS

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel
from ..requantize import clamp_int8, i64
from ..shapes import shape_of


@row_kernel("tvm_tiny.qlog_softmax_rescaled", scalars=("y_zp",))
def qlog_softmax_rescaled(call: Call, addressing: Addressing) -> RowKernel:
    """Log-softmax of rows of int8 x [..., C], by tables that depend on the scales.

    Operands: x, and the four int32 tables of `tvm_tiny.reference.log_softmax_rescaled`, which
    explains the arithmetic.
    """
    *lead, C = shape_of(call.args[0])
    M = math.prod(lead)
    (POWERS,), (POINTS,) = (shape_of(arg) for arg in call.args[3:5])
    BETWEEN = (1 << BETWEEN_BITS) - 1

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((M, C), "int8"),
        exponentials: T.Buffer((256,), "int32"),
        differences: T.Buffer((256,), "int32"),
        powers: T.Buffer((POWERS,), "int32"),
        points: T.Buffer((POINTS,), "int32"),
        q: T.Buffer((1,), "int32"),
        out: T.Buffer((M, C), "int8"),
        y: T.int32,
    ):
        with T.sblock("log_softmax"):
            best = T.sblock_alloc_buffer((1,), "int32")
            total = T.sblock_alloc_buffer((1,), "int32")
            power = T.sblock_alloc_buffer((1,), "int32")
            point = T.sblock_alloc_buffer((1,), "int32")
            rise = T.sblock_alloc_buffer((1,), "int32")
            log = T.sblock_alloc_buffer((1,), "int32")
            value = T.sblock_alloc_buffer((1,), "int32")
            best[0] = -128
            for c in range(C):
                best[0] = T.max(best[0], T.Cast("int32", x[y, c]))
            total[0] = 0
            for c in range(C):
                total[0] += exponentials[best[0] - T.Cast("int32", x[y, c])]
            # The sum is at least 1, the exponential of the largest element, so the loop ends.
            power[0] = 0
            while total[0] < 1 << 30:
                total[0] = total[0] * 2
                power[0] += 1
            point[0] = (total[0] >> (30 - POINT_BITS)) - (1 << POINT_BITS)
            rise[0] = points[point[0] + 1] - points[point[0]]
            value[0] = (total[0] >> (30 - POINT_BITS - BETWEEN_BITS)) & BETWEEN
            rise[0] = T.Cast("int32", (i64(rise[0]) * i64(value[0])) >> i64(BETWEEN_BITS))
            log[0] = powers[30 - SUM_BITS - power[0]] + points[point[0]] + rise[0]
            for c in range(C):
                value[0] = differences[best[0] - T.Cast("int32", x[y, c])] - log[0]
                value[0] = (value[0] + (1 << (STEP_BITS - 1))) >> STEP_BITS
                out[y, c] = clamp_int8(value[0] + q[0], -128, 127)

    return RowKernel(row, M)
