"""Row kernels of comparisons, and of the choice between two tensors by one of bool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import tirx
from tvm.ir import Call, Expr

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel, same_rows
from ..pointwise import pointwise_kernel
from ..requantize import i32
from ..shapes import Index, shape_of
from .elementwise import broadcast

Buffers = Sequence[tirx.Var]

_RELATIONS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "equal": lambda a, b: tirx.EQ(a, b),
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= b,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "not_equal": lambda a, b: tirx.NE(a, b),
}


@row_kernel("tvm_tiny.compare", streams=same_rows, tiles=True)
def compare(call: Call, addressing: Addressing) -> RowKernel:
    """The relation of int8 a and b, or of their ranks.

    ranks: two further operands, tables int16 [256] of the rank of each value of a and b.
    """
    relation = _RELATIONS[str(call.attrs["relation"])]

    def value(buffers: Buffers, index: Index) -> Expr:
        def side(which: int) -> Expr:
            element = buffers[which][broadcast(shape_of(call.args[which]), index)]
            if len(call.args) == 2:
                return i32(element)
            return i32(buffers[2 + which][i32(element) + i32(128)])

        return relation(side(0), side(1))

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.select", streams=same_rows, tiles=True)
def select(call: Call, addressing: Addressing) -> RowKernel:
    """The element of the second operand if the first is true, else of the third."""

    def value(buffers: Buffers, index: Index) -> Expr:
        condition, yes, no = (
            buffers[k][broadcast(shape_of(call.args[k]), index)] for k in range(3)
        )
        return tirx.Select(condition, yes, no)

    return pointwise_kernel(call, addressing, value)
