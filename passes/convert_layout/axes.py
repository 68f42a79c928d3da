"""Handlers of operators with axes: the axes move with the data.

Each handler gives the operator on NHWC data, or None where it has to stay in its declared layout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relax

from .emitter import Emitter
from .values import MOVED, TO_NHWC, AnyValue, Value, image, ints, is_constant, moved_axis, shape_of


def reduction(emitter: Emitter, call: Any) -> Value | None:
    """A reduction in NHWC, unless the remaining axes would change their order.

    Covers mean, sum, max, min, argmax and argmin.
    """
    data = emitter.find(call.args[0])
    if not data.has_nhwc or call.attrs.axis is None:
        return None
    one = isinstance(call.attrs.axis, (int, tvm.tirx.IntImm))
    declared = ints([call.attrs.axis]) if one else ints(call.attrs.axis)
    axes = [axis % data.rank for axis in declared]
    keep = bool(call.attrs.keepdims)
    shape = image(shape_of(call.args[0]))
    stay = [axis for axis in TO_NHWC if axis not in axes and shape[axis] != 1]
    if not keep and stay != sorted(stay):
        return None
    moved = sorted(MOVED[axis] for axis in axes)
    make = getattr(relax.op, call.op.name.removeprefix("relax."))
    result = make(emitter.nhwc(data), moved[0] if one else moved, keepdims=keep)
    return Value(nhwc=result) if keep else Value(_reordered(emitter, result, call))


def _reordered(emitter: Emitter, result: Any, call: Any) -> Any:
    """`result`, reshaped to the declared shape where axes of size 1 are in another order."""
    wanted = shape_of(call)
    bound = emitter.normalize(result)
    if shape_of(bound) == wanted:
        return result
    return relax.op.reshape(emitter.emit(result), wanted)


def softmax(emitter: Emitter, call: Any) -> Value | None:
    """A softmax or log_softmax along the same axis, at its position in NHWC."""
    data = emitter.find(call.args[0])
    if not data.has_nhwc:
        return None
    axis = moved_axis(call.attrs.axis, data.rank)
    make = getattr(relax.op.nn, call.op.name.removeprefix("relax.nn."))
    return Value(nhwc=make(emitter.nhwc(data), -1 if axis == 3 else axis))


def concat(emitter: Emitter, call: Any) -> Value | None:
    """A concatenation in NHWC, if any part is in NHWC already.

    Constant parts keep all their axes: they do not broadcast.
    """
    if not isinstance(call.args[0], relax.Tuple):
        return None
    values = [emitter.find(field) for field in call.args[0].fields]
    if not any(value.has_nhwc for value in values) or call.attrs.axis is None:
        return None
    parts = [
        emitter.nhwc(value) if not is_constant(value) else _whole_constant(emitter, value)
        for value in values
    ]
    return Value(nhwc=relax.op.concat(parts, moved_axis(call.attrs.axis, len(shape_of(call)))))


def _whole_constant(emitter: Emitter, value: AnyValue) -> Any:
    """A constant in NHWC with all its axes; `moved_constant` would drop those that broadcast."""
    return emitter.emit(emitter.to_nhwc(emitter.plain(value), value.rank))


def split(emitter: Emitter, call: Any) -> Value | None:
    """A split in NHWC where the data is in NHWC; the result is a tuple."""
    data = emitter.find(call.args[0])
    if not data.has_nhwc:
        return None
    sections = call.attrs.indices_or_sections
    parts = int(sections) if isinstance(sections, (int, tvm.tirx.IntImm)) else list(ints(sections))
    axis = moved_axis(call.attrs.axis, data.rank)
    return Value(nhwc=relax.op.split(emitter.nhwc(data), parts, axis))


def pad(emitter: Emitter, call: Any) -> Value | None:
    """A pad in NHWC where the data is in NHWC."""
    data = emitter.find(call.args[0])
    if not data.has_nhwc:
        return None
    declared = (*ints(call.attrs.pad_width), 0, 0)[:8]
    pairs = np.asarray(declared).reshape(4, 2)[list(TO_NHWC)]
    widths = [int(width) for width in pairs.reshape(-1)]
    value = float(call.attrs.pad_value)
    return Value(nhwc=relax.op.nn.pad(emitter.nhwc(data), widths, call.attrs.pad_mode, value))


def take(emitter: Emitter, call: Any) -> Value | None:
    """A gather in NHWC, for data in NHWC and a vector of indices.

    Indices of another rank would change the rank of the result.
    """
    data = emitter.find(call.args[0])
    if not data.has_nhwc or call.attrs.axis is None or len(call.args[1].ty.shape) != 1:
        return None
    indices = emitter.plain(emitter.find(call.args[1]))
    axis = moved_axis(call.attrs.axis, data.rank)
    return Value(nhwc=relax.op.take(emitter.nhwc(data), indices, axis, str(call.attrs.mode)))


def tile(emitter: Emitter, call: Any) -> Value | None:
    """A tile in NHWC, where the data is and the rank stays."""
    data, repeats = emitter.find(call.args[0]), ints(call.attrs.repeats)
    if not data.has_nhwc or len(repeats) > data.rank:
        return None
    whole = image((1,) * (data.rank - len(repeats)) + repeats)
    return Value(nhwc=relax.op.tile(emitter.nhwc(data), [whole[axis] for axis in TO_NHWC]))


def broadcast_to(emitter: Emitter, call: Any) -> Value | None:
    """A broadcast_to in NHWC, where the data is and the rank stays."""
    data, shape = emitter.find(call.args[0]), image(shape_of(call))
    if not data.has_nhwc or len(shape_of(call)) != data.rank:
        return None
    return Value(nhwc=relax.op.broadcast_to(emitter.nhwc(data), [shape[a] for a in TO_NHWC]))


def strided_slice(emitter: Emitter, call: Any) -> Value | None:
    """A strided slice in NHWC where the data is in NHWC."""
    data = emitter.find(call.args[0])
    if not data.has_nhwc:
        return None
    axes = [moved_axis(axis, data.rank) for axis in ints(call.args[1])]
    bounds = [ints(arg) for arg in call.args[2:]]
    inbound = bool(call.attrs.assume_inbound)
    result = relax.op.strided_slice(emitter.nhwc(data), axes, *bounds, assume_inbound=inbound)
    return Value(nhwc=result)
