"""Rules for operators that move values without arithmetic, each by one int8 operator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tvm import relax
from tvm.ir import Tuple

from tvm_tiny import ops
from tvm_tiny.reference.movement import (
    bilinear_positions,
    linear_positions,
    nearest_positions,
    real_positions,
)
from tvm_tiny.reference.quantization import quantize, quantize_value

from . import moves
from .island import Island
from .quantized import Quantized, array_of, constant, ints
from .tables import clamped, finish, requantized


def move(island: Island) -> relax.Expr | None:
    """quantize(move(x)) -> the move of int8 values, where moves are those of `moves.find`."""
    found = moves.find(island.value(island.core), island.value)
    x = operand(island, found.source) if found is not None else None
    if found is None or x is None:
        return None
    if x.array is not None:
        return clamped(island, found.call(requantized(island, x)))
    return finish(island, found.call(x.expr), x.quant)


def operand(island: Island, expr: relax.Expr) -> Quantized | None:
    """An activation, or a float constant quantized as the island's output is; else None."""
    values = array_of(island.value(expr))
    if values is None or values.dtype != np.float32:
        return island.activation(expr)
    stored = quantize(values, island.quant, rounding=island.reference_rounding)
    return Quantized.of(constant(stored, "int8"), island.quant)


def pad(island: Island) -> relax.Expr | None:
    """quantize(pad(x, real value)) -> pad with the quantized value."""
    call = island.match(island.core, "nn.pad")
    x = island.activation(call.args[0]) if call is not None else None
    real = island.pad_value(call) if call is not None else None
    if call is None or x is None or real is None:
        return None
    widths = ints(call.attrs.pad_width)
    if min(widths, default=0) < 0:
        return None
    value = quantize_value(real, island.quant, island.reference_rounding)
    padded = ops.call(
        "pad",
        [requantized(island, x)],
        before=widths[::2],
        value=max(-128, min(127, value)),
        shape=ints(call.ty.shape),
    )
    return clamped(island, padded)


def concat(island: Island) -> relax.Expr | None:
    """quantize(concat(xs)) -> concat of the parts in the output's quantization."""
    call = island.match(island.core, "concat")
    if call is None:
        return None
    parts = [island.activation(field) for field in _fields(island, call.args[0])]
    if any(part is None for part in parts) or not parts:
        return None
    axis = int(call.attrs.axis) % len(call.ty.shape)
    operands = [requantized(island, part) for part in parts if part is not None]
    return clamped(island, ops.call("concat", operands, axis=axis))


def _fields(island: Island, expr: relax.Expr) -> list[relax.Expr]:
    value = island.value(expr)
    return list(value.fields) if isinstance(value, Tuple) else []


def resize(island: Island) -> relax.Expr | None:
    """quantize(resize2d(x)) -> resize_nearest or resize_bilinear with tables of indices."""
    call = island.match(island.core, "image.resize2d")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None or str(call.attrs.layout) != "NHWC":
        return None
    mode, method = str(call.attrs.coordinate_transformation_mode), str(call.attrs.method)
    sizes = list(zip(x.shape[1:3], ints(call.ty.shape)[1:3], strict=True))
    if method == "nearest_neighbor":
        indices = [_nearest(mode, str(call.attrs.rounding_method), *size) for size in sizes]
        if any(index is None for index in indices):
            return island.decline(f"no integer form for coordinates '{mode}'")
        tables = [constant(index) for index in indices if index is not None]
        return finish(island, ops.call("resize_nearest", [x.expr, *tables]), x.quant)
    if method != "linear" or mode not in _TFLITE_ROUNDING:
        return island.decline(f"no integer form for method {method} and coordinates '{mode}'")
    if island.rounding == "float32" and island.scale < x.real_scale:
        # The kernel rounds to steps of the input's scale, which would be several of the output's.
        return island.decline("linear resize to a finer scale than its input's")
    tables = [_bilinear_table(island.rounding, mode, *size) for size in sizes]
    return finish(island, ops.call("resize_bilinear", [x.expr, *tables]), x.quant)


# Coordinate mode -> the rounding of TFLite's kernels.
_TFLITE_ROUNDING = {
    "asymmetric": "floor",
    "align_corners": "round_prefer_ceil",
    "half_pixel": "round_prefer_ceil",
}

_ROUNDINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda position: np.ceil(position - 0.5),
    "round_prefer_ceil": lambda position: np.floor(position + 0.5),
}


def _nearest(mode: str, rounding: str, size: int, out: int) -> np.ndarray | None:
    """The source index of each of `out` positions; None for an unknown mode.

    TFLite's modes are computed in float32 as its kernels do, others as ONNX defines Resize.
    """
    if rounding in ("", _TFLITE_ROUNDING.get(mode)):
        options = {"align_corners": mode == "align_corners", "half_pixel": mode == "half_pixel"}
        return np.asarray(nearest_positions(size, out, **options))
    positions = real_positions(mode, size, out)
    if positions is None or rounding not in _ROUNDINGS:
        return None
    return np.asarray(np.clip(_ROUNDINGS[rounding](positions), 0, size - 1))


def _bilinear_table(rounding: str, mode: str, size: int, out: int) -> relax.Expr:
    """A table [out, 4] of lower index, upper index, weight of lower, weight of upper."""
    if rounding == "float32":
        lower, upper, weight = linear_positions(mode, size, out)
    else:
        options = {"align_corners": mode == "align_corners", "half_pixel": mode == "half_pixel"}
        lower, upper, weight = bilinear_positions(size, out, **options)
    return constant(np.stack([lower, upper, 1024 - weight, weight], axis=1))
