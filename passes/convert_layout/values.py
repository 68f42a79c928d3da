"""Values of a function during its rewrite to NHWC, and how their axes move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import tvm
from tvm import relax

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
# MOVED[k] is the position in NHWC (OHWI) of axis k of NCHW (OIHW), or of NCL (see `image`).
MOVED = (0, 3, 1, 2)
# Ranks of tensors that can be moved to NHWC.
RANKS = (3, 4)


@dataclass(eq=False)
class Value:
    """A computed value, in its declared layout (`plain`), in NHWC, or in both.

    quantized: its scale and zero point, or None. rank: the declared one; a tensor [N, C, L] is
    [N, L, 1, C] in NHWC.
    """

    plain: Any = None
    nhwc: Any = None
    quantized: tuple[Any, Any] | None = None
    rank: int = 4

    @property
    def has_nhwc(self) -> bool:
        """Whether the value is already in NHWC."""
        return self.nhwc is not None


@dataclass(eq=False)
class Constant:
    """A constant in its declared layout."""

    array: Any
    has_nhwc = False

    @property
    def rank(self) -> int:
        """The declared rank."""
        return int(self.array.ndim)


@dataclass(eq=False)
class Dequantized:
    """A dequantize that is not emitted yet; each of its users emits one."""

    source: Value | Constant
    scale: Any
    zero_point: Any
    axis: int
    call: Any

    @property
    def has_nhwc(self) -> bool:
        """Whether the quantized tensor is already in NHWC."""
        return self.source.has_nhwc

    @property
    def rank(self) -> int:
        """The declared rank."""
        return self.source.rank


AnyValue: TypeAlias = Value | Constant | Dequantized


def is_constant(value: AnyValue) -> bool:
    """Whether `value` is a constant or a constant dequantized."""
    if isinstance(value, Dequantized):
        return isinstance(value.source, Constant)
    return isinstance(value, Constant)


def constant(array: Any) -> Any:
    """An array as a Relax constant of its own element type.

    Without a type, `relax.const` turns int64 into int32.
    """
    return relax.const(array, str(array.dtype))


def op_name(value: Any) -> str:
    """The full name of the operator that `value` calls; empty where it calls none."""
    is_operator = isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op)
    return str(value.op.name) if is_operator else ""


def ints(values: Any) -> tuple[int, ...]:
    """A tuple of integers from Relax attributes, shapes and inline tuples."""
    fields = values.fields if isinstance(values, relax.Tuple) else values
    return tuple(int(getattr(item, "value", item)) for item in fields)


def shape_of(expr: Any) -> tuple[int, ...]:
    """The static shape of an expression whose type is inferred."""
    return tuple(int(dim) for dim in expr.ty.shape)


def moved_axis(axis: int, rank: int) -> int:
    """The position in NHWC of an axis of a tensor with `rank` axes.

    axis: from 0, or negative, counted from the end.
    """
    return MOVED[int(axis) % rank]


def image(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape [N, C, H, W]; [N, C, L] becomes [N, C, L, 1]."""
    return (*shape, *[1] * (4 - len(shape)))


def keeps_order(shape: Sequence[int], order: Sequence[int]) -> bool:
    """Whether permuting `shape` by `order` moves axes of size 1 only."""
    kept = [axis for axis in order if shape[axis] != 1]
    return kept == sorted(kept)


def moved_constant(array: Any, axis: int = -1, rank: int = 4) -> tuple[Any, int]:
    """A constant that broadcasts in NCHW or NCL, in NHWC, and its new quantization axis.

    int32 constants are biases: [1, 1, 1, C] becomes [C] with axis 0. A negative axis (one scale)
    stays.
    """
    if array.size == 1:
        return (array.reshape(()) if axis < 0 else array.reshape(-1)), (axis if axis < 0 else 0)
    missing = rank - array.ndim
    lifted = array.reshape(image((1,) * missing + array.shape))
    moved = np.ascontiguousarray(lifted.transpose(TO_NHWC))
    axis = MOVED[axis + missing] if axis >= 0 else axis
    if array.dtype == np.int32 and moved.size == moved.shape[3]:
        return moved.reshape(-1), (0 if axis >= 0 else axis)
    return moved, axis
