"""Operators that rename or reorder axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from .emitter import Emitter
from .values import (
    MOVED,
    TO_NCHW,
    TO_NHWC,
    AnyValue,
    Constant,
    Dequantized,
    Value,
    ints,
    is_constant,
    keeps_order,
    shape_of,
)


def reshape(emitter: Emitter, call: Any) -> AnyValue | None:
    """reshape, squeeze, expand_dims, flatten: constants at compile time; NHWC where order stays."""
    value = emitter.find(call.args[0])
    wanted = shape_of(call)
    if is_constant(value):
        return _reshaped_constant(value, wanted)
    if value.has_nhwc and keeps_order(shape_of(call.args[0]), TO_NHWC):
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
    """An explicit transpose: it may be the one to or from NHWC, and then costs nothing."""
    value = emitter.find(call.args[0])
    if len(shape_of(call.args[0])) != 4 or is_constant(value):
        return None
    axes = ints(call.attrs.axes) if call.attrs.axes is not None else (3, 2, 1, 0)
    if value.has_nhwc:
        composed = tuple(MOVED[axis] for axis in axes)
        source = emitter.nhwc(value)
        if composed == (0, 1, 2, 3):
            return Value(source)
        return Value(relax.op.permute_dims(source, composed))
    if axes == TO_NCHW:
        return Value(nhwc=emitter.plain(value))
    return None
