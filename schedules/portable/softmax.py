"""Row kernels of softmax over the last axis: TFLite's, and one with any output scale.

The exponential depends only on the difference to the largest input, one of 256 values, so the
compiler makes a table of it. The device computes the sum and one reciprocal.
"""

import math

from tvm import tirx
from tvm.ir import Call, Expr
from tvm.script import tirx as T

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel
from ..requantize import clamp_int8, i32, i64, rounding_shift_right
from ..shapes import shape_of

# 48/17 and -32/17 in Q2.29: the first guess of Newton's reciprocal for a divisor in [1/2, 1].
FIRST_GUESS = 1515870810
FIRST_SLOPE = -1010580540


def product(a: Expr, b: Expr) -> Expr:
    """The fixed-point product a * b / 2^31, rounded half up, of any signs."""
    return ((i64(a) * i64(b) + i64(1 << 30)) >> i64(31)).astype("int32")


def saturating_double(x: Expr) -> Expr:
    """The product 2 * x, saturated to int32; x: not negative."""
    return tirx.Select(x > i32((1 << 30) - 1), i32((1 << 31) - 1), x * i32(2))


def newton_step(x: Expr, half_divisor: Expr) -> Expr:
    """A Newton step towards a reciprocal in Q2.29.

    x + x * (1 - half_divisor * x), where the last product saturates.
    """
    error = i32(1 << 29) - product(half_divisor, x)
    wide = i64(product(x, error)) * i64(4)
    limited = tirx.max(tirx.min(wide, i64((1 << 31) - 1)), i64(-(1 << 31))).astype("int32")
    return x + limited


@T.inline
def find_largest(best, x, y, C):
    """best = the largest element of row y of x."""
    best[0] = -128
    for c in range(C):
        best[0] = T.max(best[0], T.Cast("int32", x[y, c]))


@T.inline
def find_reciprocal(total, zeros, half, guess):
    """guess = the reciprocal of a positive sum, 2^31 / (total * 2^zeros), in Q2.29.

    total: Q12.19. zeros: is set to the number of leading zeros of the sum.
    """
    # Normalize the sum to [1/2, 1) * 2**32.
    zeros[0] = 0
    while T.Cast("uint32", total[0]) << T.Cast("uint32", zeros[0]) < T.uint32(1 << 31):
        zeros[0] += 1
    half[0] = T.Cast(
        "int32",
        T.truncdiv(
            T.Cast("int64", T.Cast("uint32", total[0]) << T.Cast("uint32", zeros[0])),
            T.int64(2),
        ),
    )
    guess[0] = i32(FIRST_GUESS) + product(half[0], i32(FIRST_SLOPE))
    for _ in range(3):
        guess[0] = newton_step(guess[0], half[0])


@row_kernel("tvm_tiny.qsoftmax")
def qsoftmax(call: Call, addressing: Addressing) -> RowKernel:
    """Softmax of rows of int8 x [..., C], as in TFLite.

    Operands: x; table of exponentials int32 [256] in Q0.31, indexed by largest - x.
    """
    *lead, C = shape_of(call.args[0])
    M = math.prod(lead)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((M, C), "int8"),
        table: T.Buffer((256,), "int32"),
        out: T.Buffer((M, C), "int8"),
        y: T.int32,
    ):
        with T.sblock("softmax"):
            best = T.sblock_alloc_buffer((1,), "int32")
            total = T.sblock_alloc_buffer((1,), "int32")
            zeros = T.sblock_alloc_buffer((1,), "int32")
            half = T.sblock_alloc_buffer((1,), "int32")
            guess = T.sblock_alloc_buffer((1,), "int32")
            value = T.sblock_alloc_buffer((1,), "int32")
            find_largest(best, x, y, C)
            # Q12.19, so that up to 4095 terms of at most 1 fit.
            total[0] = 0
            for c in range(C):
                total[0] += rounding_shift_right(table[best[0] - T.Cast("int32", x[y, c])], i32(12))
            find_reciprocal(total, zeros, half, guess)
            # With a sum of 512 or more every probability is less than half a step.
            guess[0] = guess[0] * T.Cast("int32", zeros[0] >= 4)
            zeros[0] = T.max(zeros[0], 4)
            for c in range(C):
                # In a buffer before the clamp, since TVM 0.27 bounds a shift by a variable too
                # tightly and would drop the upper limit.
                value[0] = product(
                    saturating_double(guess[0]),
                    table[best[0] - T.Cast("int32", x[y, c])],
                )
                value[0] = rounding_shift_right(value[0], 35 - zeros[0])
                out[y, c] = clamp_int8(value[0] - 128, -128, 127)

    return RowKernel(row, M)


@row_kernel("tvm_tiny.qsoftmax_rescaled", scalars=("multiplier", "exponent", "y_zp"))
def qsoftmax_rescaled(call: Call, addressing: Addressing) -> RowKernel:
    """Softmax of rows of int8 x [..., C] with any output scale.

    Operands: those of `qsoftmax`. multiplier * 2^(exponent - 31) is 1 / the output's scale. The
    reciprocal of the sum is multiplied by that, so that each element is rounded once at no further
    cost. The sum has 64 bits, so that its terms are not rounded.
    """
    *lead, C = shape_of(call.args[0])
    M = math.prod(lead)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((M, C), "int8"),
        table: T.Buffer((256,), "int32"),
        q: T.Buffer((3,), "int32"),
        out: T.Buffer((M, C), "int8"),
        y: T.int32,
    ):
        with T.sblock("softmax"):
            best = T.sblock_alloc_buffer((1,), "int32")
            exact = T.sblock_alloc_buffer((1,), "int64")
            total = T.sblock_alloc_buffer((1,), "int32")
            zeros = T.sblock_alloc_buffer((1,), "int32")
            half = T.sblock_alloc_buffer((1,), "int32")
            guess = T.sblock_alloc_buffer((1,), "int32")
            right = T.sblock_alloc_buffer((1,), "int32")
            value = T.sblock_alloc_buffer((1,), "int32")
            find_largest(best, x, y, C)
            exact[0] = T.int64(0)
            for c in range(C):
                exact[0] += T.Cast("int64", table[best[0] - T.Cast("int32", x[y, c])])
            # Q12.19, so that up to 4095 terms of at most 1 fit.
            total[0] = T.Cast("int32", (exact[0] + T.int64(1 << 11)) >> T.int64(12))
            find_reciprocal(total, zeros, half, guess)
            guess[0] = product(saturating_double(guess[0]), q[0])
            right[0] = 43 - zeros[0] - q[1]
            # With a shift of more than 31 bits every probability is less than half a step.
            guess[0] = guess[0] * T.Cast("int32", right[0] <= 31)
            right[0] = T.min(right[0], 31)
            for c in range(C):
                # In a buffer before the clamp, as in qsoftmax.
                value[0] = product(guess[0], table[best[0] - T.Cast("int32", x[y, c])])
                value[0] = rounding_shift_right(value[0], right[0])
                out[y, c] = clamp_int8(value[0] + q[2], -128, 127)

    return RowKernel(row, M)
