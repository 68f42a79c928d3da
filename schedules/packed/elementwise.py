"""Packed elementwise operators, each row by one micro-kernel."""

from __future__ import annotations

import math

from tvm import s_tir, tirx
from tvm.ir import Call, Expr

from ..addressing import OUT, Addressing
from ..kernel import RowKernel, row_kernel, same_rows
from ..portable.elementwise import SUM, qadd
from ..shapes import row_indices, row_split, shape_of


def tensorize(call: Call, addressing: Addressing) -> tirx.PrimFunc:
    """The kernel as one call of a micro-kernel: (a, b, integers, out, row)."""
    shape = shape_of(call)
    lead, inner = row_split(shape)
    buffers = [tirx.decl_buffer(shape, "int8", name) for name in ("a", "b")]
    integers = tirx.decl_buffer((addressing.integers,), "int32", "q")
    out, row = tirx.decl_buffer(shape, "int8", "out"), tirx.Var("row", "int32")

    def address(operand: int, buffer: tirx.Var) -> Expr:
        index = list(row_indices(row, lead))
        if index:
            index[-1] = addressing.slot(operand, index[-1], integers)
        return tirx.address_of(buffer[tuple(index) + (0,) * len(inner)])

    places = [address(k, b) for k, b in zip((0, 1, OUT), (*buffers, out), strict=True)]
    function = f"tvm_tiny_{call.attrs['isa']}_add"
    arguments = [*places, math.prod(inner), tirx.address_of(integers[0])]
    body = tirx.Evaluate(tirx.call_extern("void", function, *arguments))
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", body))
    return tirx.PrimFunc([*buffers, integers, out, row], root)


@row_kernel("tvm_tiny.packed.qadd", scalars=SUM, streams=same_rows, tensorize=tensorize)
def packed_qadd(call: Call, addressing: Addressing) -> RowKernel:
    """The sum of two tensors of one shape, where no scale shifts to the left."""
    return qadd(call, addressing)
