"""Relax operators that only move the values of one tensor, as moves of int8 tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from tvm import relax
from tvm.ir import Call, TupleGetItem

from tvm_tiny import ops

from . import gathering
from .move import Move, Resolve, reshaped, sliced
from .quantized import ints


def find(value: relax.Expr, resolve: Resolve) -> Move | None:
    """The move that `value` performs, or None.

    resolve: gives the expression that a variable is bound to.
    """
    if isinstance(value, TupleGetItem):
        return _split_part(value, resolve(value.tuple_value))
    name = getattr(value.op, "name", "") if isinstance(value, Call) else ""
    if name in _RESHAPES:
        return reshaped(value.args[0], ints(value.ty.shape))
    if name == "relax.permute_dims":
        return _transpose(value)
    if name == "relax.strided_slice":
        return _strided_slice(value, resolve)
    if name == "relax.take":
        return gathering.take(value, resolve)
    if name == "relax.nn.pad":
        return gathering.repeating_pad(value)
    if name == "relax.broadcast_to":
        return _broadcast(value.args[0], ints(value.ty.shape))
    if name == "relax.tile":
        return _tile(value)
    return None


_RESHAPES = {f"relax.{name}" for name in ("reshape", "squeeze", "expand_dims", "flatten")}


def axes_of(call: Call) -> list[int]:
    """Axes of a permute_dims, none negative; none given means all reversed."""
    rank = len(call.args[0].ty.shape)
    axes = call.attrs.axes
    return [a % rank for a in ints(axes)] if axes is not None else list(range(rank))[::-1]


def keeps_order(axes: Sequence[int], extents: Sequence[int]) -> bool:
    """Whether a transpose only moves axes of extent 1, so that it moves no byte."""
    long_axes = [a for a in axes if extents[a] != 1]
    return long_axes == sorted(long_axes)


def reordered(
    emit: Callable[[relax.Expr], relax.Var],
    x: relax.Expr,
    order: Sequence[int],
    operator: Callable[[relax.Expr], relax.Expr],
) -> relax.Expr:
    """The operator applied to `x` transposed to `order`, with its result transposed back."""
    if list(order) == sorted(order):
        return operator(x)
    moved = emit(ops.call("transpose", [x], axes=order))
    result = emit(operator(moved))
    return ops.call("transpose", [result], axes=[order.index(a) for a in range(len(order))])


# Above this rank a transpose joins axes that stay neighbours: fewer loops, and longer rows.
_RANK_AS_IT_IS = 4


def _transpose(call: Call) -> Move:
    """The move of a permute_dims; a reshape where only axes of extent 1 move."""
    axes, extents = axes_of(call), ints(call.args[0].ty.shape)
    if keeps_order(axes, extents):
        return reshaped(call.args[0], ints(call.ty.shape))

    shape, order = joined_axes(axes, extents)

    def transposed(x: relax.Expr) -> relax.Expr:
        if len(axes) <= _RANK_AS_IT_IS or len(order) == len(axes):
            return ops.call("transpose", [x], axes=axes)
        moved = ops.call("transpose", [relax.op.reshape(x, shape)], axes=order)
        return relax.op.reshape(moved, ints(call.ty.shape))

    return Move(call.args[0], transposed, lambda a: np.ascontiguousarray(a.transpose(axes)))


def joined_axes(axes: Sequence[int], extents: Sequence[int]) -> tuple[list[int], list[int]]:
    """A transpose as (shape, order) with axes that stay neighbours joined to one."""
    runs: list[list[int]] = []
    for axis in (a for a in axes if extents[a] != 1):
        if runs and math.prod(extents[runs[-1][-1] : axis]) == extents[runs[-1][-1]]:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    ordered = sorted(runs)
    shape = [math.prod(extents[axis] for axis in run) for run in ordered]
    return shape, [ordered.index(run) for run in runs]


def _strided_slice(call: Call, resolve: Resolve) -> Move:
    axes, begin, _, *rest = (_integers(resolve(arg)) for arg in call.args[1:])
    strides = rest[0] if rest and rest[0] else [1] * len(axes)
    extents = ints(call.args[0].ty.shape)
    starts, steps = [0] * len(extents), [1] * len(extents)
    for axis, first, stride in zip(axes, begin, strides, strict=True):
        axis %= len(extents)
        extent = extents[axis]
        first = first + extent if first < 0 else first
        starts[axis] = max(0, min(first, extent - 1 if stride < 0 else extent))
        steps[axis] = stride
    return sliced(call.args[0], starts, steps, ints(call.ty.shape))


def _broadcast(source: relax.Expr, shape: list[int]) -> Move:
    """The move of a broadcast_to; a reshape where it only adds axes of extent 1."""
    if math.prod(ints(source.ty.shape)) == math.prod(shape):
        return reshaped(source, shape)
    return Move(
        source,
        lambda x: ops.call("broadcast_to", [x], shape=shape),
        lambda a: np.ascontiguousarray(np.broadcast_to(a, shape)),
    )


def _tile(call: Call) -> Move:
    """The move of a tile: each axis repeats by broadcasting a new one before it.

    For one axis: [a] is reshaped to [1, a], broadcast to [r, a], reshaped to [r * a].
    """
    repeats = ints(call.attrs.repeats)
    extents = [1] * (len(repeats) - len(call.args[0].ty.shape)) + ints(call.args[0].ty.shape)
    repeats = [1] * (len(extents) - len(repeats)) + repeats
    narrow, wide = [1], [1]
    for repeat, extent in zip(repeats, extents, strict=True):
        if repeat != 1:
            narrow, wide = [*narrow, 1, extent], [*wide, repeat, extent]
        else:
            narrow[-1], wide[-1] = narrow[-1] * extent, wide[-1] * extent
    shape = ints(call.ty.shape)
    if narrow == wide:
        return reshaped(call.args[0], shape)

    def repeated(x: relax.Expr) -> relax.Expr:
        spread = ops.call("broadcast_to", [relax.op.reshape(x, narrow)], shape=wide)
        return relax.op.reshape(spread, shape)

    return Move(call.args[0], repeated, lambda a: np.tile(a, repeats))


def _integers(expr: relax.Expr) -> list[int]:
    """The integers of a Relax tuple or shape."""
    return ints(getattr(expr, "fields", getattr(expr, "values", [])))


def _split_part(item: TupleGetItem, call: relax.Expr) -> Move | None:
    if not isinstance(call, Call) or getattr(call.op, "name", "") != "relax.split":
        return None
    parts = [ints(t.shape) for t in call.ty.fields]
    rank, index = len(parts[0]), int(item.index)
    axis = int(call.attrs.axis) % rank
    starts = [0] * rank
    starts[axis] = sum(shape[axis] for shape in parts[:index])
    return sliced(call.args[0], starts, [1] * rank, parts[index])
