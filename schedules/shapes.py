"""The rows of a tensor: shapes, numbers and indices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tvm import tirx
from tvm.ir import Expr

Index = tuple[Expr, ...]
Spec = tuple[tuple[int, ...], str]


def spec(expr: Expr) -> Spec:
    """(shape, dtype) of a Relax tensor expression of static shape."""
    return tuple(int(d) for d in expr.ty.shape), str(expr.ty.dtype)


def shape_of(expr: Expr) -> tuple[int, ...]:
    """The static shape of a Relax tensor expression."""
    return spec(expr)[0]


def dilation_of(call: Expr) -> tuple[int, int]:
    """The dilation (down, across) of a window; (1, 1) without such an attribute."""
    down, across = call.attrs.get("dilation", (1, 1))
    return int(down), int(across)


def row_split(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape as (dimensions that count rows, dimensions of a row).

    [N, H, W, C] has N * H rows of [W, C]; lower ranks have shape[0] rows; a vector is one row.
    """
    lead = 0 if len(shape) < 2 else max(1, len(shape) - 2)
    return tuple(shape[:lead]), tuple(shape[lead:])


def memory_shape(shape: Sequence[int], rows: int | None, width: int | None) -> tuple[int, ...]:
    """The shape of a tensor's memory, which may have fewer rows or columns.

    rows, width: the rows and columns that there is memory for; None for all of them.
    """
    if rows is None and width is None:
        return tuple(shape)
    lead, inner = row_split(shape)
    count = math.prod(lead) if rows is None else rows
    return (count, *inner) if width is None else (count, width, *inner[1:])


def row_indices(row: Expr, lead: Sequence[int]) -> Index:
    """The indices along `lead` of row number `row`, with as few divisions as possible."""
    indices: list[Expr] = []
    rest = row
    for extent in reversed(lead):
        if extent == 1:
            indices.append(tirx.const(0, "int32"))
        elif math.prod(lead) == extent:
            indices.append(rest)
        else:
            indices.append(tirx.truncmod(rest, tirx.const(extent, "int32")))
            rest = tirx.truncdiv(rest, tirx.const(extent, "int32"))
    return tuple(reversed(indices))


def batch_and_row(
    batch: int, height: int
) -> tuple[Callable[[Expr], Expr | int], Callable[[Expr], Expr]]:
    """Functions from a row number of [N, H, ...] to its image and line.

    There is no division for a single image.
    """
    if batch == 1:
        return (lambda row: 0), (lambda row: row)
    extent = tirx.const(height, "int32")
    return (lambda row: tirx.truncdiv(row, extent)), (lambda row: tirx.truncmod(row, extent))


def inside(position: Expr, extent: int) -> Expr:
    """The condition 0 <= position < extent."""
    return tirx.all(position >= 0, position < tirx.const(extent, "int32"))


def row_count(shape: Sequence[int]) -> int:
    """The number of rows of a tensor of this shape."""
    return math.prod(row_split(shape)[0])
