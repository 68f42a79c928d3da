"""The emitter of the new function's bindings, which gives each value in either layout."""

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
    Value,
    constant,
    image,
    keeps_order,
    moved_constant,
    shape_of,
)


class Emitter:
    """Collects the new bindings, and the new value of each variable of the old function."""

    def __init__(self) -> None:
        self._builder = relax.BlockBuilder()
        self.bindings: list[Any] = []
        self.values: dict[Any, AnyValue] = {}

    def normalize(self, expr: Any) -> Any:
        """`expr` with its type inferred, not bound to a variable."""
        return self._builder.normalize(expr)

    def emit(self, call: Any, name: str = "", *, output: bool = False) -> Any:
        """Bind `call` to a variable; with `output` to one visible outside the dataflow block."""
        expr = self.normalize(call)
        kind = relax.Var if output else relax.DataflowVar
        var = kind(name or f"v{len(self.bindings)}", expr.ty)
        self.bindings.append(relax.VarBinding(var, expr))
        return var

    def find(self, expr: Any) -> AnyValue:
        """The new value of an operand of the old function."""
        if isinstance(expr, tvm.ir.GenericConst):
            return Constant(expr.value.numpy())
        return self.values[expr]

    def plain(self, value: AnyValue) -> Any:
        """`value` in its declared layout."""
        if isinstance(value, Constant):
            return constant(value.array)
        if isinstance(value, Dequantized):
            return self.emit(self.plain_dequantize(value))
        if value.plain is None:
            value.plain = self._moved(value, value.nhwc, self.to_plain)
        return value.plain

    def plain_dequantize(self, value: Dequantized) -> Any:
        """A call that dequantizes in the declared layout."""
        return _dequantize(self.plain(value.source), value, value.axis)

    def nhwc(self, value: AnyValue, rank: int = 4) -> Any:
        """`value` in NHWC.

        It is [N, C, H, W], [N, C, L], or a constant that broadcasts to a tensor of `rank` axes.
        """
        if isinstance(value, Constant):
            return constant(moved_constant(value.array, rank=rank)[0])
        if isinstance(value, Dequantized):
            return self.emit(self._nhwc_dequantize(value, rank))
        if value.nhwc is None:
            value.nhwc = self._moved(value, value.plain, self.to_nhwc)
        return value.nhwc

    def _nhwc_dequantize(self, value: Dequantized, rank: int) -> Any:
        if isinstance(value.source, Constant):
            array, axis = moved_constant(value.source.array, value.axis, rank)
            return _dequantize(constant(array), value, axis)
        axis = MOVED[value.axis] if value.axis >= 0 else value.axis
        return _dequantize(self.nhwc(value.source), value, axis)

    def to_nhwc(self, expr: Any, rank: int) -> Any:
        """A call that gives `expr` in NHWC.

        It is a reshape where only axes of size 1 move, else a permute_dims.
        """
        shape = image(shape_of(expr))
        moved = [shape[axis] for axis in TO_NHWC]
        if keeps_order(shape, TO_NHWC):
            return relax.op.reshape(expr, moved)
        if rank == 4:
            return relax.op.permute_dims(expr, TO_NHWC)
        return relax.op.reshape(self.emit(relax.op.permute_dims(expr, (0, 2, 1))), moved)

    def to_plain(self, expr: Any, rank: int) -> Any:
        """A call that gives `expr`, now in NHWC, in its declared layout."""
        n, h, w, c = shape_of(expr)
        if keeps_order((n, h, w, c), TO_NCHW):
            return relax.op.reshape(expr, (n, c, h, w)[:rank])
        if rank == 4:
            return relax.op.permute_dims(expr, TO_NCHW)
        return relax.op.permute_dims(self.emit(relax.op.reshape(expr, (n, h, c))), (0, 2, 1))

    def _moved(self, value: Value, expr: Any, move: Callable[[Any, int], Any]) -> Any:
        """`expr`, which is `value` in one layout, moved to the other layout.

        A quantized value is moved between a dequantize and a quantize of its own, so that
        LowerQDQ finds a complete island.
        """
        if value.quantized is None:
            return self.emit(move(expr, value.rank))
        scale, zero_point = value.quantized
        real = self.emit(relax.op.dequantize(expr, scale, zero_point, axis=-1))
        moved = self.emit(move(real, value.rank))
        dtype = str(zero_point.ty.dtype)
        return self.emit(relax.op.quantize(moved, scale, zero_point, axis=-1, out_dtype=dtype))


def _dequantize(source: Any, value: Dequantized, axis: int) -> Any:
    dtype = str(value.call.attrs.out_dtype)
    return relax.op.dequantize(source, value.scale, value.zero_point, axis, dtype)


# Gives the new value of an old call; None where the call stays in its declared layout.
Handler: TypeAlias = Callable[[Emitter, Any], AnyValue | None]
Handlers: TypeAlias = Mapping[str, Handler]
