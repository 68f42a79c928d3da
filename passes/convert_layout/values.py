"""What is known of a value while its function is rewritten, and how axes move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import tvm
from tvm import relax

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
# Where each axis of NCHW (or OIHW) lies in NHWC (or OHWI).
MOVED = (0, 3, 1, 2)


@dataclass(eq=False)
class Value:
    """A computed value: as declared, permuted to NHWC, or both. `quantized`: scale, zero point."""

    plain: Any = None
    nhwc: Any = None
    quantized: tuple[Any, Any] | None = None

    @property
    def has_nhwc(self) -> bool:
        """Whether the value exists in NHWC already."""
        return self.nhwc is not None


@dataclass(eq=False)
class Constant:
    """A constant, as declared."""

    array: Any
    has_nhwc = False


@dataclass(eq=False)
class Dequantized:
    """A dequantize not yet emitted: every use emits its own."""

    source: Value | Constant
    scale: Any
    zero_point: Any
    axis: int
    call: Any

    @property
    def has_nhwc(self) -> bool:
        """Whether what is dequantized exists in NHWC already."""
        return self.source.has_nhwc


AnyValue: TypeAlias = Value | Constant | Dequantized


def is_constant(value: AnyValue) -> bool:
    """Whether `value` is a constant or a constant dequantized."""
    if isinstance(value, Dequantized):
        return isinstance(value.source, Constant)
    return isinstance(value, Constant)


def op_name(value: Any) -> str:
    """The operator's full name; empty where `value` calls none."""
    is_operator = isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op)
    return str(value.op.name) if is_operator else ""


def ints(values: Any) -> tuple[int, ...]:
    """A tuple of integers from Relax attributes, shapes and inline tuples."""
    fields = values.fields if isinstance(values, relax.Tuple) else values
    return tuple(int(getattr(item, "value", item)) for item in fields)


def shape_of(expr: Any) -> tuple[int, ...]:
    """The static shape of an expression that has its type."""
    return tuple(int(dim) for dim in expr.ty.shape)


def keeps_order(shape: Sequence[int], order: Sequence[int]) -> bool:
    """Whether permuting `shape` by `order` moves axes of size 1 only."""
    kept = [axis for axis in order if shape[axis] != 1]
    return kept == sorted(kept)


def permuted(expr: Any, order: Sequence[int]) -> Any:
    """A call that permutes `expr`: a reshape where only axes of size 1 move."""
    shape = shape_of(expr)
    if keeps_order(shape, order):
        return relax.op.reshape(expr, [shape[axis] for axis in order])
    return relax.op.permute_dims(expr, order)


def moved_constant(array: Any, axis: int = -1) -> tuple[Any, int]:
    """A constant that broadcasts in NCHW, in NHWC, and where its quantization axis went.

    int32 constants are biases: of [1, 1, 1, C] only [C] is kept, axis 0.
    """
    if array.size == 1:
        return (array.reshape(()) if axis < 0 else array.reshape(-1)), (axis if axis < 0 else 0)
    missing = 4 - array.ndim
    moved = np.ascontiguousarray(array.reshape((1,) * missing + array.shape).transpose(TO_NHWC))
    axis = MOVED[axis + missing] if axis >= 0 else axis
    if array.dtype == np.int32 and moved.size == moved.shape[3]:
        return moved.reshape(-1), (0 if axis >= 0 else axis)
    return moved, axis
