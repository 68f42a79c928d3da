"""Gathering: slices of a tensor along an axis, at constant or computed indices.

Padding with elements of the tensor itself is gathering, too.
"""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops

from .move import Move, Resolve, sliced
from .quantized import array_of, constant, ints


def take(call: Call, resolve: Resolve) -> Move | None:
    """A relax.take as a gather, or as a slice for indices in regular steps."""
    x, shape = call.args[0], ints(call.ty.shape)
    if call.attrs.axis is None or str(call.attrs.mode) == "wrap":
        return None
    axis = int(call.attrs.axis) % len(x.ty.shape)
    indices = array_of(resolve(call.args[1]))
    if indices is None:
        return _at_run_time(call, axis, resolve)
    inside = np.clip(indices, 0, int(x.ty.shape[axis]) - 1)
    steps = np.unique(np.diff(inside.reshape(-1)))
    if inside.size and (inside.size == 1 or (len(steps) == 1 and steps[0] != 0)):
        step = int(steps[0]) if steps.size else 1
        return _slice(x, axis, int(inside.reshape(-1)[0]), step, shape, inside.size)
    return Move(
        x,
        lambda data: ops.call("gather_fixed", [data, constant(inside)], axis=axis, shape=shape),
        lambda data: np.take(data, inside, axis=axis),
    )


# Relax's modes of padding with elements of the tensor -> NumPy's names of them.
_REPEATING = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def repeating_pad(call: Call) -> Move | None:
    """An nn.pad in a mode that repeats elements, as a gather for each padded axis."""
    mode = _REPEATING.get(str(call.attrs.pad_mode))
    widths = ints(call.attrs.pad_width)
    if mode is None or min(widths) < 0:
        return None
    shape = ints(call.args[0].ty.shape)
    pairs = list(zip(widths[::2], widths[1::2], strict=True))

    def gathered(data: relax.Expr) -> relax.Expr:
        sizes = list(shape)
        for axis, pair in enumerate(pairs):
            if any(pair):
                table = np.pad(np.arange(shape[axis]), pair, mode=mode)  # type: ignore[call-overload]
                sizes[axis] = table.size
                data = ops.call("gather_fixed", [data, constant(table)], axis=axis, shape=sizes)
        return data

    return Move(
        call.args[0],
        gathered,
        lambda data: np.pad(data, pairs, mode=mode),  # type: ignore[call-overload]
    )


def _slice(x: relax.Expr, axis: int, first: int, step: int, shape: list[int], count: int) -> Move:
    """A slice along one axis, reshaped to `shape`: `count` elements, `step` apart."""
    extents = ints(x.ty.shape)
    begin, strides = [0] * len(extents), [1] * len(extents)
    begin[axis], strides[axis], extents[axis] = first, step, count
    part = sliced(x, begin, strides, extents)
    if extents == shape:
        return part
    assert part.values is not None, "a slice is known at compile time"
    values = part.values
    return Move(
        x,
        lambda data: relax.op.reshape(part.call(data), shape),
        lambda data: values(data).reshape(shape),
    )


def _at_run_time(call: Call, axis: int, resolve: Resolve) -> Move | None:
    size = int(call.args[0].ty.shape[axis])
    indices, from_end = _counted_from_end(call.args[1], size, resolve)
    if str(indices.ty.dtype) not in ("int32", "int64"):
        return None
    attrs = {"axis": axis, "shape": ints(call.ty.shape), "from_end": int(from_end)}
    return Move(
        call.args[0], lambda data: ops.call("gather", [data, indices], **attrs), values=None
    )


def _counted_from_end(expr: relax.Expr, size: int, resolve: Resolve) -> tuple[relax.Expr, bool]:
    """(i, True) where `expr` is `where(i < 0, i + size, i)`, else (expr, False)."""
    choice = resolve(expr)
    if not isinstance(choice, Call) or getattr(choice.op, "name", "") != "relax.where":
        return expr, False
    below, counted, indices = choice.args
    parts = (below, "less", 0), (counted, "add", size)
    found = all(_is_with(resolve, *part, indices) for part in parts)
    return (indices, True) if found else (expr, False)


def _is_with(resolve: Resolve, expr: relax.Expr, name: str, number: int, first: relax.Expr) -> bool:
    """Whether `expr` is the operator `name` on `first` and the constant `number`."""
    call = resolve(expr)
    if not isinstance(call, Call) or getattr(call.op, "name", "") != f"relax.{name}":
        return False
    value = array_of(resolve(call.args[1]))
    return call.args[0].same_as(first) and value is not None and bool(np.all(value == number))
