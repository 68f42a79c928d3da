"""The row kernel of log-softmax over the last axis, bit for bit TFLite's."""

import math

from tvm import tirx
from tvm.ir import Call, Expr
from tvm.script import tirx as T

from tvm_tiny.reference.log_softmax import (
    ALPHA_D,
    ALPHA_F,
    ALPHA_I,
    ALPHA_N,
    EXPONENT_BITS,
    FOURTH_ROOT,
    LOG_2,
    QUARTER,
    ROOT,
)

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel
from ..requantize import clamp_int8, i32, i64, rounding_shift_right, scale_down, scale_up
from ..shapes import shape_of
from .softmax import (
    FIRST_GUESS,
    FIRST_SLOPE,
    find_largest,
    newton_step,
    product,
    saturating_double,
)


def _half_sum(r: Expr) -> Expr:
    return ((i64(r) + i64(FOURTH_ROOT + 1)) >> i64(1)).astype("int32")


def _shifted(value: Expr, bits: Expr) -> Expr:
    """The product value * 2^bits, saturated to int32; value: not negative."""
    wide = i64(value) << i64(bits)
    return tirx.min(wide, i64((1 << 31) - 1)).astype("int32")


def _half_of_one_more(denominator: Expr) -> Expr:
    return ((i64(denominator) + i64(1 << 31)) >> i64(1)).astype("int32")


@T.inline
def find_zeros(total, zeros, which, offset):
    """zeros[which] = number of leading zeros of total[which] minus `offset`."""
    zeros[which] = 0 - offset
    while T.Cast("uint32", total[which]) << T.Cast("uint32", zeros[which] + offset) < T.uint32(
        1 << 31
    ):
        zeros[which] += 1


@T.inline
def find_power(total, zeros, r, power):
    """Finds r and power with total[0] = r * 2^power.

    total[0]: Q12. r[0]: Q0. power: Q6. There are two choices of power, half a power apart; it takes
    the one with r nearer to 2^(-1/4).
    """
    find_zeros(total, zeros, 0, 0)
    total[1] = product(total[0], i32(ROOT))
    # The second choice follows from the leading zeros of total[0] / sqrt(2).
    find_zeros(total, zeros, 1, 1)
    r[0] = product(_shifted(total[0], zeros[0] - 1), i32(ROOT))
    r[0] = T.min(saturating_double(r[0]), _shifted(total[0], zeros[1]))
    power[0] = T.max(
        (12 - zeros[0]) * (1 << EXPONENT_BITS) + QUARTER,
        (12 - zeros[1]) * (1 << EXPONENT_BITS) - QUARTER,
    )


@T.inline
def find_log(r, power, above, half, guess, log):
    """log = the logarithm of r * 2^power in Q5, by a rational function."""
    r[1] = r[0] - FOURTH_ROOT
    r[1] = r[1] * 2
    r[2] = product(r[1], r[1])
    above[0] = product(r[1], r[2])
    above[0] = product(r[1], r[0]) + product(above[0], i32(ALPHA_N))
    r[3] = i32(ALPHA_I) + r[1] + product(r[2], i32(ALPHA_D))
    r[3] = product(_half_sum(r[0]), r[3]) + product(r[1], i32(ALPHA_F))
    half[0] = _half_of_one_more(r[3])
    guess[0] = i32(FIRST_GUESS) + product(half[0], i32(FIRST_SLOPE))
    for _ in range(3):
        guess[0] = newton_step(guess[0], half[0])
    above[0] = rounding_shift_right(above[0], i32(6))
    log[0] = product(above[0], saturating_double(guess[0]))
    log[0] = (log[0] + product(power[0], i32(LOG_2))) * 2


@row_kernel("tvm_tiny.qlog_softmax", scalars=("radius", "multiplier", "shift"))
def qlog_softmax(call: Call, addressing: Addressing) -> RowKernel:
    """Log-softmax of rows of int8 x [..., C], in fixed point.

    Operands: x; tables int32 [256] of exponentials, Q0, and of differences, Q5, both indexed by
    largest - x. multiplier, shift: rescale from Q5 to steps of x. `tvm_tiny.reference.log_softmax`
    explains the arithmetic.
    """
    *lead, C = shape_of(call.args[0])
    M = math.prod(lead)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((M, C), "int8"),
        exponentials: T.Buffer((256,), "int32"),
        differences: T.Buffer((256,), "int32"),
        q: T.Buffer((3,), "int32"),
        out: T.Buffer((M, C), "int8"),
        y: T.int32,
    ):
        with T.sblock("log_softmax"):
            best = T.sblock_alloc_buffer((1,), "int32")
            total = T.sblock_alloc_buffer((2,), "int32")
            zeros = T.sblock_alloc_buffer((2,), "int32")
            r = T.sblock_alloc_buffer((4,), "int32")
            power = T.sblock_alloc_buffer((1,), "int32")
            above = T.sblock_alloc_buffer((1,), "int32")
            half = T.sblock_alloc_buffer((1,), "int32")
            guess = T.sblock_alloc_buffer((1,), "int32")
            log = T.sblock_alloc_buffer((1,), "int32")
            least = T.sblock_alloc_buffer((2,), "int32")
            value = T.sblock_alloc_buffer((2,), "int32")
            find_largest(best, x, y, C)
            total[0] = 0
            for c in range(C):
                value[0] = exponentials[best[0] - T.Cast("int32", x[y, c])]
                total[0] += rounding_shift_right(value[0], i32(12))
            find_power(total, zeros, r, power)
            find_log(r, power, above, half, guess, log)
            # Inputs far below the largest give the smallest output, as their difference would
            # overflow. A select of values, not a branch: the access analysis needs reads that do
            # not depend on data.
            least[0] = scale_up(log[0] + i32(-(1 << 31)), q[1], q[2], may_shift_left=False)
            least[1] = T.max(scale_down(least[0], q[2], may_shift_left=False), -q[0] - 1)
            for c in range(C):
                value[0] = best[0] - T.Cast("int32", x[y, c])
                value[1] = differences[value[0]]
                value[1] = T.Select(0 - value[0] > least[1], value[1], log[0]) - log[0]
                value[1] = rounding_shift_right(value[1], i32(22)) + 127
                out[y, c] = clamp_int8(T.Select(0 - value[0] > least[1], value[1], -128), -128, 127)

    return RowKernel(row, M)
