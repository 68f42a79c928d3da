"""Handlers of reshapes and of explicit transposes."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from .emitter import Emitter
from .values import (
    MOVED,
    RANKS,
    TO_NCHW,
    TO_NHWC,
    AnyValue,
    Constant,
    Dequantized,
    Value,
    image,
    ints,
    is_constant,
    keeps_order,
    shape_of,
)


def reshape(emitter: Emitter, call: Any) -> AnyValue | None:
    """A reshape: of constants at compile time, in NHWC where the order allows it.

    Covers reshape, squeeze, expand_dims and flatten.
    """
    value = emitter.find(call.args[0])
    shape, wanted = shape_of(call.args[0]), shape_of(call)
    if is_constant(value):
        return _reshaped_constant(value, wanted)
    if not value.has_nhwc:
        return None
    if len(wanted) in RANKS and wanted[:2] == shape[:2]:
        # Only [H, W] is reshaped. In NHWC that is a reshape, too, since the channels stay last.
        n, c, h, w = image(wanted)
        return Value(nhwc=relax.op.reshape(emitter.nhwc(value), (n, h, w, c)))
    if keeps_order(image(shape), TO_NHWC):
        return Value(relax.op.reshape(emitter.nhwc(value), wanted))
    return None


def _reshaped_constant(value: AnyValue, shape: tuple[int, ...]) -> AnyValue | None:
    if isinstance(value, Constant):
        return Constant(value.array.reshape(shape))
    if not isinstance(value, Dequantized) or not isinstance(value.source, Constant):
        return None
    array, axis = value.source.array, value.axis
    if axis >= 0:
        sizes = [i for i, n in enumerate(shape) if n == array.shape[axis]]
        before = int(np.prod(array.shape[:axis], initial=1))
        fits = [i for i in sizes if int(np.prod(shape[:i], initial=1)) == before]
        if not fits:
            return None
        axis = fits[-1]
    moved = Constant(array.reshape(shape))
    return Dequantized(moved, value.scale, value.zero_point, axis, value.call)


def permute_dims(emitter: Emitter, call: Any) -> AnyValue | None:
    """An explicit transpose, composed with the move to or from NHWC.

    Where the model transposes to or from NHWC itself, nothing is left to do.
    """
    value = emitter.find(call.args[0])
    rank = value.rank
    if rank not in RANKS or is_constant(value):
        return None
    axes = ints(call.attrs.axes) if call.attrs.axes is not None else tuple(range(rank))[::-1]
    if rank == 3:
        return _sequence(emitter, value, axes)
    if value.has_nhwc:
        composed = tuple(MOVED[axis] for axis in axes)
        source = emitter.nhwc(value)
        if composed == (0, 1, 2, 3):
            return Value(source)
        return Value(relax.op.permute_dims(source, composed))
    if axes == TO_NCHW:
        return Value(nhwc=emitter.plain(value))
    return None


def _sequence(emitter: Emitter, value: AnyValue, axes: tuple[int, ...]) -> Value | None:
    """A transpose between [N, C, L] and [N, L, C], as a reshape in NHWC."""
    if axes != (0, 2, 1):
        return None
    if value.has_nhwc:
        source = emitter.nhwc(value)
        n, length, _, c = shape_of(source)
        return Value(relax.op.reshape(source, (n, length, c)))
    source = emitter.plain(value)
    n, length, c = shape_of(source)
    return Value(nhwc=relax.op.reshape(source, (n, length, 1, c)))
