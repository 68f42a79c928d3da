"""Rules for operators that move values: one int8 operator each, no arithmetic."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call, Tuple, TupleGetItem

from tvm_tiny import ops
from tvm_tiny.reference.arithmetic import round_half_away
from tvm_tiny.reference.movement import bilinear_positions, nearest_positions

from .elementwise import finish, requantized
from .island import Island, Quantized, constant, number


def _ints(values: object) -> list[int]:
    return [int(number(v)) for v in values]  # type: ignore[attr-defined]


def reshape(island: Island) -> relax.Expr | None:
    """quantize(reshape(x)) of any form: the bytes stay where they are."""
    call = island.match(island.core, "reshape", "squeeze", "expand_dims", "flatten")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    return finish(island, relax.op.reshape(x.expr, _ints(call.ty.shape)), x)


def transpose(island: Island) -> relax.Expr | None:
    """quantize(permute_dims(x)) -> transpose; a reshape where only extents of 1 move."""
    call = island.match(island.core, "permute_dims")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    rank = len(x.shape)
    axes = _ints(call.attrs.axes) if call.attrs.axes is not None else list(range(rank))[::-1]
    axes = [a % rank for a in axes]
    long_axes = [a for a in axes if x.shape[a] != 1]
    if long_axes == sorted(long_axes):
        return finish(island, relax.op.reshape(x.expr, _ints(call.ty.shape)), x)
    return finish(island, ops.call("transpose", [x.expr], axes=axes), x)


def pad(island: Island) -> relax.Expr | None:
    """quantize(pad(x, real value)) -> pad with the value as the output quantizes it."""
    call = island.match(island.core, "nn.pad")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None or str(call.attrs.pad_mode) != "constant":
        return None
    widths = _ints(call.attrs.pad_width)
    if min(widths, default=0) < 0:
        return None
    real = float(number(call.args[1])) if len(call.args) > 1 else float(call.attrs.pad_value)
    steps = round_half_away(float(np.float32(real) / np.float32(island.scale)))
    padded = ops.call(
        "pad",
        [requantized(island, x)],
        before=widths[::2],
        value=max(-128, min(127, island.zp + steps)),
        shape=_ints(call.ty.shape),
    )
    return _clamped(island, padded)


def concat(island: Island) -> relax.Expr | None:
    """quantize(concat(xs)) -> concat of the parts at the output's quantization."""
    call = island.match(island.core, "concat")
    if call is None:
        return None
    parts = [island.activation(field) for field in _fields(island, call.args[0])]
    if any(part is None for part in parts) or not parts:
        return None
    axis = int(call.attrs.axis) % len(call.ty.shape)
    operands = [requantized(island, part) for part in parts if part is not None]
    return _clamped(island, ops.call("concat", operands, axis=axis))


def _fields(island: Island, expr: relax.Expr) -> list[relax.Expr]:
    value = island.value(expr)
    return list(value.fields) if isinstance(value, Tuple) else []


def strided_slice(island: Island) -> relax.Expr | None:
    """quantize(strided_slice(x)) or one part of a split -> strided_slice."""
    value = island.value(island.core)
    if isinstance(value, TupleGetItem):
        return _split_part(island, value)
    call = island.match(value, "strided_slice")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    axes, begin, _, *rest = (_ints(_tuple(island, arg)) for arg in call.args[1:])
    strides = rest[0] if rest and rest[0] else [1] * len(axes)
    starts, steps = [0] * len(x.shape), [1] * len(x.shape)
    for axis, first, stride in zip(axes, begin, strides, strict=True):
        extent = x.shape[axis]
        first = first + extent if first < 0 else first
        starts[axis] = max(0, min(first, extent - 1 if stride < 0 else extent))
        steps[axis] = stride
    return _slice(island, x, starts, steps, _ints(call.ty.shape))


def _split_part(island: Island, item: TupleGetItem) -> relax.Expr | None:
    call = island.match(item.tuple_value, "split")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    axis = int(call.attrs.axis) % len(x.shape)
    parts = [_ints(t.shape) for t in call.ty.fields]
    starts = [0] * len(x.shape)
    starts[axis] = sum(shape[axis] for shape in parts[: int(item.index)])
    return _slice(island, x, starts, [1] * len(x.shape), parts[int(item.index)])


def _slice(
    island: Island, x: Quantized, begin: list[int], strides: list[int], shape: list[int]
) -> relax.Expr:
    sliced = ops.call("strided_slice", [x.expr], begin=begin, strides=strides, shape=shape)
    return finish(island, sliced, x)


def _tuple(island: Island, expr: relax.Expr) -> list[relax.Expr]:
    value = island.value(expr)
    return list(getattr(value, "fields", getattr(value, "values", [])))


def resize(island: Island) -> relax.Expr | None:
    """quantize(resize2d(x)) -> resize_nearest, resize_bilinear with their index tables."""
    call = island.match(island.core, "image.resize2d")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None or str(call.attrs.layout) != "NHWC":
        return None
    mode, method = str(call.attrs.coordinate_transformation_mode), str(call.attrs.method)
    if mode not in ("asymmetric", "align_corners", "half_pixel"):
        return None
    if not _is_tflite_rounding(call, mode, method):
        return None
    options = {"align_corners": mode == "align_corners", "half_pixel": mode == "half_pixel"}
    sizes = list(zip(x.shape[1:3], _ints(call.ty.shape)[1:3], strict=True))
    if method == "nearest_neighbor":
        tables = [constant(nearest_positions(size, out, **options)) for size, out in sizes]
        return finish(island, ops.call("resize_nearest", [x.expr, *tables]), x)
    tables = [_bilinear_table(size, out, options) for size, out in sizes]
    return finish(island, ops.call("resize_bilinear", [x.expr, *tables]), x)


def _is_tflite_rounding(call: Call, mode: str, method: str) -> bool:
    """True where TFLite has this form of resizing; others stay in float."""
    if method == "linear":
        return True
    expected = "floor" if mode == "asymmetric" else "round_prefer_ceil"
    return method == "nearest_neighbor" and str(call.attrs.rounding_method) in ("", expected)


def _bilinear_table(size: int, out: int, options: dict[str, bool]) -> relax.Expr:
    """[out, 4]: lower index, upper index, weight of the lower, weight of the upper."""
    lower, upper, weight = bilinear_positions(size, out, **options)
    return constant(np.stack([lower, upper, 1024 - weight, weight], axis=1))


def _clamped(island: Island, expr: relax.Expr) -> relax.Expr:
    """`expr`, already at the output's quantization, with a fused activation applied."""
    if (island.low, island.high) == (-128, 127):
        return expr
    own = np.array(island.scale, "float32"), np.array(island.zp)
    return finish(island, expr, Quantized(expr, *own, 0))
