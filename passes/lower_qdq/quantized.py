"""Quantized tensors of islands, and conversions between Relax constants and arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import relax, tirx
from tvm.ir import Call, GenericConst

from tvm_tiny.reference.quantization import Quant


@dataclass(frozen=True)
class Quantized:
    """A quantized tensor that enters an island.

    expr: the Relax expression, int8 (int32 for a bias). scale: float32 [] or [channels].
    zero_point: of the shape of scale. axis: the channel axis, where there are several scales.
    """

    expr: relax.Expr
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    @classmethod
    def of(cls, expr: relax.Expr, quant: Quant) -> Quantized:
        """A tensor with one scale and zero point."""
        return cls(expr, np.array(quant.scale, "float32"), np.array(quant.zero_point), 0)

    @property
    def shape(self) -> tuple[int, ...]:
        """The static shape."""
        return tuple(int(d) for d in self.expr.ty.shape)

    @property
    def dtype(self) -> str:
        """The element type."""
        return str(self.expr.ty.dtype)

    @property
    def array(self) -> np.ndarray | None:
        """The values of a constant tensor, else None."""
        return array_of(self.expr)

    @property
    def per_tensor(self) -> bool:
        """Whether this is an int8 tensor with one scale and zero point."""
        return self.dtype == "int8" and self.scale.size == 1 and self.zero_point.size == 1

    @property
    def real_scale(self) -> float:
        """The scale of a per-tensor quantization: a float32 value as a Python float."""
        return float(self.scale.reshape(-1)[0])

    @property
    def zp(self) -> int:
        """The zero point of a per-tensor quantization."""
        return int(self.zero_point.reshape(-1)[0])

    @property
    def quant(self) -> Quant:
        """Scale and zero point of a per-tensor quantization."""
        return Quant(self.real_scale, self.zp)


def number(expr: relax.Expr) -> float:
    """The value of a scalar argument (a PrimValue or a TIR constant)."""
    inner = getattr(expr, "value", expr)
    return float(getattr(inner, "value", inner))


def array_of(expr: relax.Expr) -> np.ndarray | None:
    """The values of a constant tensor or scalar; None for anything else."""
    if isinstance(expr, GenericConst):
        return np.asarray(expr.value.numpy())
    if isinstance(expr, tirx.IntImm | tirx.FloatImm):
        return np.array(expr.value, str(expr.dtype))
    return None


def int8_table(value: relax.Expr) -> np.ndarray | None:
    """The table of a lut from int8 to int8; None for anything else."""
    return _table(value, "int8")


def bool_table(value: relax.Expr) -> np.ndarray | None:
    """The table of a lut from int8 to bool; None for anything else."""
    return _table(value, "bool")


def _table(value: relax.Expr, dtype: str) -> np.ndarray | None:
    if not isinstance(value, Call) or getattr(value.op, "name", "") != "tvm_tiny.lut":
        return None
    table = array_of(value.args[1])
    fits = table is not None and str(value.args[0].ty.dtype) == "int8" and table.dtype == dtype
    return table if fits else None


def constant(array: np.ndarray, dtype: str = "int32") -> GenericConst:
    """A Relax constant of the given element type."""
    return relax.const(np.asarray(array, dtype=dtype, order="C"))


def ints(values: object) -> list[int]:
    """Integers of Relax shapes, axes and attributes as Python integers."""
    return [int(number(v)) for v in values]  # type: ignore[attr-defined]
