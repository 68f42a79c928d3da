"""Bindings of the new function, and every value in the layout that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import tvm
from tvm import relax

from .values import (
    MOVED,
    TO_NCHW,
    TO_NHWC,
    AnyValue,
    Constant,
    Dequantized,
    moved_constant,
    permuted,
)


class Emitter:
    """Collects the new bindings; knows what stands for each variable of the old function."""

    def __init__(self) -> None:
        self._builder = relax.BlockBuilder()
        self.bindings: list[Any] = []
        self.values: dict[Any, AnyValue] = {}

    def normalize(self, expr: Any) -> Any:
        """`expr` with its type, not bound to a variable."""
        return self._builder.normalize(expr)

    def emit(self, call: Any, name: str = "", *, output: bool = False) -> Any:
        """Bind `call`; `output` variables stay visible behind the dataflow block."""
        expr = self.normalize(call)
        kind = relax.Var if output else relax.DataflowVar
        var = kind(name or f"v{len(self.bindings)}", expr.ty)
        self.bindings.append(relax.VarBinding(var, expr))
        return var

    def find(self, expr: Any) -> AnyValue:
        """What is known of an operand of the old function."""
        if isinstance(expr, tvm.ir.GenericConst):
            return Constant(expr.value.numpy())
        return self.values[expr]

    def plain(self, value: AnyValue) -> Any:
        """`value` in its declared layout."""
        if isinstance(value, Constant):
            return relax.const(value.array)
        if isinstance(value, Dequantized):
            return self.emit(self.plain_dequantize(value))
        if value.plain is None:
            value.plain = self.permuted(value.nhwc, TO_NCHW, value.quantized)
        return value.plain

    def plain_dequantize(self, value: Dequantized) -> Any:
        """A call that dequantizes in the declared layout."""
        return _dequantize(self.plain(value.source), value, value.axis)

    def nhwc(self, value: AnyValue) -> Any:
        """A 4-D value, or a constant that broadcasts to one, in NHWC."""
        if isinstance(value, Constant):
            return relax.const(moved_constant(value.array)[0])
        if isinstance(value, Dequantized):
            return self.emit(self._nhwc_dequantize(value))
        if value.nhwc is None:
            value.nhwc = self.permuted(value.plain, TO_NHWC, value.quantized)
        return value.nhwc

    def _nhwc_dequantize(self, value: Dequantized) -> Any:
        if isinstance(value.source, Constant):
            array, axis = moved_constant(value.source.array, value.axis)
            return _dequantize(relax.const(array), value, axis)
        axis = MOVED[value.axis] if value.axis >= 0 else value.axis
        return _dequantize(self.nhwc(value.source), value, axis)

    def permuted(
        self, expr: Any, order: tuple[int, ...], quantized: tuple[Any, Any] | None, name: str = ""
    ) -> Any:
        """`expr` permuted, by an island of its own where it is quantized."""
        if quantized is None:
            return self.emit(permuted(expr, order), name)
        scale, zero_point = quantized
        real = self.emit(relax.op.dequantize(expr, scale, zero_point, axis=-1))
        moved = self.emit(permuted(real, order), name)
        dtype = str(zero_point.ty.dtype)
        return self.emit(relax.op.quantize(moved, scale, zero_point, axis=-1, out_dtype=dtype))


def _dequantize(source: Any, value: Dequantized, axis: int) -> Any:
    dtype = str(value.call.attrs.out_dtype)
    return relax.op.dequantize(source, value.scale, value.zero_point, axis, dtype)


# A handler makes a new value of an old call; None where the declared layout is right.
Handler: TypeAlias = Callable[[Emitter, Any], AnyValue | None]
Handlers: TypeAlias = Mapping[str, Handler]
