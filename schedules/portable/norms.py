"""The row kernel of layer, RMS, group and instance normalization, in integers.

docs/numerics.md derives the arithmetic, and `tvm_tiny.reference.norms` has it in NumPy. A row takes
one integer division and one reciprocal square root, an element two products.
"""

import math
from dataclasses import dataclass

from tvm import tirx
from tvm.ir import Call, Expr
from tvm.script import tirx as T

from tvm_tiny.reference.norms import GUESS, NEWTON_STEPS, SLOPE

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel
from ..requantize import clamp_int8, i32, i64
from ..shapes import shape_of


def _u64(value: Expr | int) -> Expr:
    return tirx.const(value, "uint64") if isinstance(value, int) else value.astype("uint64")


def _guess(u: Expr) -> Expr:
    """The first approximation of 2^46 / sqrt(u), within 8.6 %."""
    slope = (_u64(SLOPE) * _u64(u)) >> _u64(32)
    return (_u64(GUESS) - slope).astype("uint32")


def _newton(x: Expr, square: Expr) -> Expr:
    """A Newton step for the inverse root: x * (3 - square) / 2.

    square: u * x^2 in Q28.
    """
    rest = tirx.const(3 << 28, "uint32") - square
    return ((_u64(x) * _u64(rest)) >> _u64(29)).astype("uint32")


def _square(u: Expr, x: Expr) -> Expr:
    """The term u * x^2 of a Newton step, in Q28."""
    return ((_u64(u) * ((_u64(x) * _u64(x)) >> _u64(32))) >> _u64(32)).astype("uint32")


@dataclass(frozen=True)
class _Row:
    """Terms of a row of `count` elements; centred: its mean is subtracted."""

    count: int
    centred: bool

    @property
    def least_spread(self) -> int:
        """The least `spread` that is not zero, which rows of zero spread count as."""
        return max(self.count - 1, 1) if self.centred else self.count

    def origin(self, zero_point: Expr) -> Expr:
        """The number that is subtracted from elements before they are added up."""
        return i32(0) if self.centred else zero_point

    def middle(self, total: Expr, zero_point: Expr) -> Expr:
        """The mean, truncated to an integer, or the zero point."""
        return tirx.truncdiv(total, i32(self.count)) if self.centred else zero_point

    def rest(self, total: Expr, middle: Expr) -> Expr:
        """count * (middle - mean), or 0."""
        return middle * i32(self.count) - total if self.centred else i32(0)

    def spread(self, total: Expr, squares: Expr) -> Expr:
        """count^2 times the variance, or times the mean of squares."""
        wide = i64(squares) * i64(self.count)
        return wide - i64(total) * i64(total) if self.centred else wide


@T.inline
def find_sums(x, y, q, terms, shape, sums):
    """sums[0] = the sum of row y, sums[1] = the sum of its squares."""
    sums[0] = 0
    sums[1] = 0
    for c in range(shape[0]):
        for i in range(shape[1]):
            sums[2] = T.Cast("int32", x[y, c, i]) - terms.origin(q[0])
            sums[0] += sums[2]
            sums[1] += sums[2] * sums[2]


@T.inline
def find_root(sums, q, terms, long, exponent, root):
    """root[1] = 2^46 / sqrt(u), where u is count^2 * (variance + epsilon) normalized."""
    # Shifted by an even number of bits to [2^60, 2^62); u is its upper half.
    long[0] = T.max(terms.spread(sums[0], sums[1]), T.int64(terms.least_spread)) << i64(q[5])
    long[0] = long[0] + (i64(q[3]) * T.int64(1 << 31) + i64(q[4]))
    exponent[0] = 0
    while long[0] < T.int64(1 << 60):
        long[0] = long[0] * T.int64(4)
        exponent[0] += 1
    root[0] = T.Cast("uint32", long[0] >> T.int64(30))
    root[1] = _guess(root[0])
    for _ in range(NEWTON_STEPS):
        root[2] = _square(root[0], root[1])
        root[1] = _newton(root[1], root[2])


_NUMBERS = (
    *("x_zp", "act_min", "act_max", "epsilon_high", "epsilon_low"),
    *("fraction", "most", "shift", "bits"),
)


@row_kernel("tvm_tiny.qnormalize", scalars=_NUMBERS)
def qnormalize(call: Call, addressing: Addressing) -> RowKernel:
    """The normalization of each row [Q, I] of int8 x [R, Q, I].

    Q, I and P are the attributes outer, inner and period. Operands: x; gains and offsets int32
    [P * Q], of which row r takes those from r % P * Q on. Scalars are those of
    `reference.norms.Norm`, with epsilon = 2^31 * epsilon_high + epsilon_low and shift = gain_bits -
    32 - bits.
    """
    attrs = call.attrs
    Q, I, P = (int(attrs[name]) for name in ("outer", "inner", "period"))  # noqa: E741
    N = Q * I
    R = math.prod(shape_of(call.args[0])) // N
    terms = _Row(N, bool(attrs["centred"]))
    least = int(attrs["least"])

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((R, Q, I), "int8"),
        gains: T.Buffer((P * Q,), "int32"),
        offsets: T.Buffer((P * Q,), "int32"),
        q: T.Buffer((9,), "int32"),
        out: T.Buffer((R, Q, I), "int8"),
        y: T.int32,
    ):
        with T.sblock("normalize"):
            sums = T.sblock_alloc_buffer((3,), "int32")
            long = T.sblock_alloc_buffer((2,), "int64")
            exponent = T.sblock_alloc_buffer((1,), "int32")
            bits = T.sblock_alloc_buffer((3,), "int32")
            root = T.sblock_alloc_buffer((3,), "uint32")
            line = T.sblock_alloc_buffer((2,), "int32")
            value = T.sblock_alloc_buffer((3,), "int32")
            find_sums(x, y, q, terms, (Q, I), sums)
            find_root(sums, q, terms, long, exponent, root)
            # The normalization as slope * x + offset, with bits[0] bits of fraction.
            bits[0] = T.max(i32(least), q[6] - exponent[0])
            bits[1] = 61 - T.shift_right(q[5], 1) - exponent[0] - bits[0]
            bits[2] = T.min(bits[0] + q[7], 31)
            sums[2] = terms.middle(sums[0], q[0])
            long[0] = T.Cast("int64", root[1])
            long[1] = i64(terms.rest(sums[0], sums[2])) * long[0]
            line[0] = T.Cast("int32", (T.int64(N) * long[0]) >> i64(bits[1]))
            line[1] = T.Cast("int32", long[1] >> i64(bits[1]))
            for c in range(Q):
                value[1] = gains[T.truncmod(y, P) * Q + c]
                value[2] = offsets[T.truncmod(y, P) * Q + c]
                for i in range(I):
                    value[0] = (T.Cast("int32", x[y, c, i]) - sums[2]) * line[0] + line[1]
                    value[0] = T.Cast("int32", (i64(value[0]) * i64(value[1])) >> T.int64(32))
                    value[0] = ((value[0] >> bits[2]) + value[2]) >> q[8]
                    out[y, c, i] = clamp_int8(value[0], q[1], q[2])

    return RowKernel(row, R)
