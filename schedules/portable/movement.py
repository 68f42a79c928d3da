"""Row kernels of operators that move elements, and of resizing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tvm import tirx
from tvm.ir import Call, Expr

from ..addressing import Addressing
from ..kernel import RowKernel, first_operand, row_kernel, same_rows
from ..pointwise import Steps, pointwise_kernel
from ..requantize import i32
from ..shapes import Index, shape_of, spec
from .elementwise import broadcast

Buffers = Sequence[tirx.Var]


@row_kernel("tvm_tiny.pad", streams=first_operand, tiles=True)
def pad(call: Call, addressing: Addressing) -> RowKernel:
    """Constant padding of a tensor of any rank, by a quantized value."""
    before = [int(v) for v in call.attrs["before"]]
    fill = tirx.const(int(call.attrs["value"]), "int8")
    shape = shape_of(call.args[0])

    def value(buffers: Buffers, index: Index) -> Expr:
        source = [i - b for i, b in zip(index, before, strict=True)]
        inside = tirx.const(True, "bool")
        for i, b, extent, total in zip(source, before, shape, shape_of(call), strict=True):
            if total != extent:
                inside = tirx.all(inside, i >= 0) if b else inside
                inside = tirx.all(inside, i < extent)
        return tirx.if_then_else(inside, buffers[0][source], fill)

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.transpose")
def transpose(call: Call, addressing: Addressing) -> RowKernel:
    """A transpose: output axis k is input axis axes[k]."""
    axes = [int(a) for a in call.attrs["axes"]]

    def value(buffers: Buffers, index: Index) -> Expr:
        source: list[Expr] = [i32(0)] * len(axes)
        for position, axis in enumerate(axes):
            source[axis] = index[position]
        return buffers[0][source]

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.strided_slice", streams=first_operand, tiles=True)
def strided_slice(call: Call, addressing: Addressing) -> RowKernel:
    """A strided slice: every strides[k]-th element of axis k, from begin[k] on.

    Strides may be negative.
    """
    begin = [int(v) for v in call.attrs["begin"]]
    strides = [int(v) for v in call.attrs["strides"]]

    def value(buffers: Buffers, index: Index) -> Expr:
        return buffers[0][[b + i * s for b, i, s in zip(begin, index, strides, strict=True)]]

    return pointwise_kernel(call, addressing, value)


def _gathered(call: Call, addressing: Addressing, at: Callable[[Expr], Expr]) -> RowKernel:
    """A gather of slices of the first operand along an axis.

    at: function of an element of the second operand to the index of a slice.
    """
    axis = int(call.attrs["axis"])
    rank = len(shape_of(call.args[1]))

    def value(buffers: Buffers, index: Index) -> Expr:
        which = buffers[1][list(index[axis : axis + rank])]
        return buffers[0][[*index[:axis], at(which), *index[axis + rank :]]]

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.gather_fixed", streams=first_operand, tables=(1,))
def gather_fixed(call: Call, addressing: Addressing) -> RowKernel:
    """A gather at constant int32 indices, all of them in range."""
    return _gathered(call, addressing, lambda which: which)


@row_kernel("tvm_tiny.gather")
def gather(call: Call, addressing: Addressing) -> RowKernel:
    """A gather at int32 or int64 indices from another tensor, clipped to the range.

    With `from_end` negative indices count from the end.
    """
    size = shape_of(call.args[0])[int(call.attrs["axis"])]
    dtype = spec(call.args[1])[1]
    zero, count, last = (tirx.const(value, dtype) for value in (0, size, size - 1))

    def at(which: Expr) -> Expr:
        if int(call.attrs["from_end"]):
            which = tirx.Select(which < zero, which + count, which)
        return tirx.max(tirx.min(which, last), zero).astype("int32")

    return _gathered(call, addressing, at)


@row_kernel("tvm_tiny.broadcast_to", streams=same_rows, tiles=True)
def broadcast_to(call: Call, addressing: Addressing) -> RowKernel:
    """A tensor broadcast to a shape by NumPy's rules."""
    shape = shape_of(call.args[0])

    def value(buffers: Buffers, index: Index) -> Expr:
        return buffers[0][broadcast(shape, index)]

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.concat", streams=lambda call: tuple(range(len(call.args))), tiles=True)
def concat(call: Call, addressing: Addressing) -> RowKernel:
    """The concatenation of tensors of one scale along an axis."""
    axis = int(call.attrs["axis"])
    extents = [shape_of(arg)[axis] for arg in call.args]

    def value(buffers: Buffers, index: Index) -> Expr:
        start = sum(extents)
        result: Expr | None = None
        for buffer, extent in reversed(list(zip(buffers[: len(extents)], extents, strict=True))):
            start -= extent
            source = [*index[:axis], index[axis] - start, *index[axis + 1 :]]
            element = buffer[source]
            result = (
                element
                if result is None
                else tirx.if_then_else(index[axis] < start + extent, element, result)
            )
        assert result is not None
        return result

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.resize_nearest", streams=first_operand, tables=(1, 2), tiles=True)
def resize_nearest(call: Call, addressing: Addressing) -> RowKernel:
    """A resize of x [N,H,W,C] by nearest neighbours.

    Operands: x; int32 tables [OH] and [OW] of the input row and column of each output.
    """

    def value(buffers: Buffers, index: Index) -> Expr:
        n, y, x, c = index
        return buffers[0][n, buffers[1][y], buffers[2][x], c]

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.resize_bilinear", streams=first_operand, tables=(1, 2), tiles=True)
def resize_bilinear(call: Call, addressing: Addressing) -> RowKernel:
    """A bilinear resize of x [N,H,W,C].

    Operands: x; int32 tables [OH,4] and [OW,4], for each output row and column two source indices
    and two weights. The weights add up to 1024, and none exceeds 1536 in magnitude, so that all
    sums stay below 2**30.
    """
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        x, rows, columns = buffers[:3]
        n, oy, ox, c = index

        def corner(top: int, left: int) -> Expr:
            element = i32(x[n, rows[oy, top], columns[ox, left], c])
            return element * rows[oy, 2 + top] * columns[ox, 2 + left]

        total = steps.keep(corner(0, 0) + corner(1, 0) + corner(0, 1) + corner(1, 1))
        half = tirx.Select(total > i32(0), i32(1 << 19), i32(-(1 << 19)))
        return tirx.truncdiv(total + half, i32(1 << 20)).astype("int8")

    return pointwise_kernel(call, addressing, value, steps=steps)
