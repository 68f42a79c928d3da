"""Handlers of quantize, dequantize and elementwise operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relax

from .emitter import Emitter
from .values import AnyValue, Dequantized, Value, is_constant, moved_axis, shape_of


def dequantize(emitter: Emitter, call: Any) -> AnyValue | None:
    """A dequantize that each of its users will emit for itself.

    None where scale or zero point is not constant.
    """
    source = emitter.find(call.args[0])
    if isinstance(source, Dequantized):
        return None
    axis = int(call.attrs.axis)
    scale, zero_point = call.args[1:3]
    if not all(isinstance(part, tvm.ir.GenericConst) for part in (scale, zero_point)):
        return None
    # One scale needs no axis; TVM's frontend gives such a scale an axis and the shape (1,).
    single = int(np.prod(scale.ty.shape, initial=1)) == 1
    rank = len(shape_of(call.args[0]))
    axis = -1 if single else axis % rank
    if single:
        scale, zero_point = (
            relax.const(part.value.numpy().reshape(-1)[0]) for part in (scale, zero_point)
        )
    return Dequantized(source, scale, zero_point, axis, call)


def quantize(emitter: Emitter, call: Any) -> Value | None:
    """A quantize by one scale, in the layout of its operand; else None."""
    value = emitter.find(call.args[0])
    scale, zero_point = call.args[1:3]
    if any(int(np.prod(part.ty.shape, initial=1)) != 1 for part in (scale, zero_point)):
        return None
    if all(isinstance(part, tvm.ir.GenericConst) for part in (scale, zero_point)):
        scale, zero_point = (
            relax.const(part.value.numpy().reshape(-1)[0]) for part in (scale, zero_point)
        )
    form = "nhwc" if value.has_nhwc else "plain"
    source = emitter.nhwc(value) if value.has_nhwc else emitter.plain(value)
    dtype = str(call.attrs.out_dtype)
    result = relax.op.quantize(source, scale, zero_point, axis=-1, out_dtype=dtype)
    return Value(**{form: result}, quantized=(scale, zero_point))


def without_axes(emitter: Emitter, call: Any) -> Value | None:
    """An elementwise operator in NHWC, if any operand is and all can be."""
    operands = [a for a in call.args if isinstance(a, (relax.Var, tvm.ir.GenericConst))]
    values = [emitter.find(operand) for operand in operands]
    if not any(value.has_nhwc for value in values):
        return None
    rank = len(shape_of(call))
    if not all(value.rank == rank or is_constant(value) for value in values):
        return None
    moved = iter([emitter.nhwc(value, rank) for value in values])
    args = [
        next(moved) if isinstance(arg, (relax.Var, tvm.ir.GenericConst)) else arg
        for arg in call.args
    ]
    return Value(nhwc=relax.Call(call.op, args, call.attrs, call.ty_args))


def prelu(emitter: Emitter, call: Any) -> Value | None:
    """A PReLU in NHWC, with its slopes along the moved channel axis."""
    data = emitter.find(call.args[0])
    if not data.has_nhwc:
        return None
    axis = moved_axis(call.attrs.axis, data.rank)
    slopes = emitter.plain(emitter.find(call.args[1]))
    return Value(nhwc=relax.op.nn.prelu(emitter.nhwc(data), slopes, axis))
