"""The accesses of TIR expressions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import tvm
from tvm import tirx
from tvm.ir import Expr, PrimType, Range

from .sums import Sum
from .traces import NOTHING, Bytes, Trace, any_order, beside, guarded
from .values import BINARY, Values

_READ, _WRITE = 1, 2  # access masks of tvm_access_ptr

# Class of an expression -> the attributes that are its operands.
_OPERANDS: dict[str, tuple[str, ...]] = {
    "IntImm": (),
    "FloatImm": (),
    "StringImm": (),
    "Cast": ("value",),
    "Not": ("a",),
    "BitwiseNot": ("a",),
    "Ramp": ("base", "stride"),
    "Broadcast": ("value",),
    **dict.fromkeys(
        [*BINARY, "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LShift", "RShift"], ("a", "b")
    ),
}


class UnknownCodeError(Exception):
    """The analysis does not know which elements some code touches."""


class Operands:
    """The accesses of expressions.

    places: number of each buffer that counts; the output has the highest, and all other buffers
    are constants or local. values: the values of variables.
    """

    def __init__(self, places: Mapping[tirx.Var, int], values: Values) -> None:
        self._places = places
        self._output = max(places.values())
        self._views: dict[tirx.Var, tuple[int, Bytes]] = {}
        self._values = values

    def of(self, *exprs: Expr) -> Trace:
        """The accesses of expressions that are evaluated in any order.

        Raises UnknownCodeError or sums.TooLargeError.
        """
        return any_order(reduce(beside, map(self._of, exprs), NOTHING))

    def stored(self, buffer: tirx.Var, indices: Sequence[Expr]) -> Trace:
        """The write of one element."""
        if not self._counts(buffer):
            return NOTHING
        return self._used(buffer, self._elements(buffer, indices), _WRITE)

    def bound(self, variable: tirx.Var, value: Expr) -> Trace:
        """The accesses of `value`, to which the variable is bound."""
        refuse_pointer(value)
        self._values.bind(variable, self._values.of(value))
        return self._of(value)

    def name_part(self, name: tirx.Var, source: tirx.Var, region: Iterable[Range]) -> None:
        """Count each later access to `name` as one to a whole region of `source`."""
        if source in self._views:
            self._views[name] = self._views[source]
        elif source in self._places:
            low, _ = self._elements(source, [r.min for r in region])
            _, high = self._elements(source, [r.min + r.extent - 1 for r in region])
            self._views[name] = self._places[source], _bytes(source, low, high)

    def _of(self, expr: Expr) -> Trace:
        kind = type(expr).__name__
        if kind in _OPERANDS:
            return self.of(*(getattr(expr, name) for name in _OPERANDS[kind]))
        handler = getattr(self, f"_{kind.lower()}", None)
        if handler is None:
            raise UnknownCodeError(kind)
        found: Trace = handler(expr)
        return found

    def _var(self, variable: tirx.Var) -> Trace:
        if self._counts(variable):
            raise UnknownCodeError(str(variable))
        return NOTHING

    def _tensorload(self, load: Expr) -> Trace:
        asked = self.of(*load.indices)
        if not self._counts(load.source):
            return asked
        elements = self._elements(load.source, load.indices)
        return beside(asked, self._used(load.source, elements, _READ))

    def _let(self, let: tirx.Let) -> Trace:
        return beside(self.bound(let.var, let.value), self._of(let.body))

    def _select(self, select: tirx.Select) -> Trace:
        return self._choice(select.condition, select.true_value, select.false_value)

    def _call(self, call: Expr) -> Trace:
        name = getattr(call.op, "name", "")
        if name == "prim.if_then_else":
            return self._choice(*call.args)
        if name == "tirx.tvm_access_ptr":
            return self._pointer(*call.args)
        if name == "tirx.buffer_data":
            return self._anywhere(call.args[0])
        if name == "tirx.address_of":
            return beside(self.of(*call.args[0].indices), self._anywhere(call.args[0].source))
        return self.of(*call.args)

    def _choice(self, condition: Expr, yes: Expr, no: Expr) -> Trace:
        """The accesses of a choice, which evaluates the chosen value only."""
        inside, outside = self._values.branches(condition)
        chosen = beside(guarded(self._of(yes), inside), guarded(self._of(no), outside))
        return beside(self._of(condition), chosen)

    def _pointer(self, kind: Expr, data: Expr, offset: Expr, extent: Expr, mode: Expr) -> Trace:
        """The accesses through tvm_access_ptr: elements offset .. offset + extent - 1."""
        if getattr(getattr(data, "op", None), "name", "") != "tirx.buffer_data":
            raise UnknownCodeError(str(data))
        buffer = data.args[0]
        first, count = self._values.of(offset), self._values.of(extent)
        if first is None or count is None or str(kind.ty.dtype) != str(buffer.dtype):
            return self._used(buffer, _all(buffer), int(mode))
        return self._used(buffer, (first, first + count - Sum(1)), int(mode))

    def _anywhere(self, buffer: tirx.Var) -> Trace:
        """The accesses through a pointer without region; only the output can be written."""
        if not self._counts(buffer):
            return NOTHING
        writes = _WRITE if self._number(buffer) == self._output else 0
        return self._used(buffer, _all(buffer), _READ | writes)

    def _counts(self, buffer: tirx.Var) -> bool:
        return buffer in self._places or buffer in self._views

    def _number(self, buffer: tirx.Var) -> int:
        return self._views[buffer][0] if buffer in self._views else self._places[buffer]

    def _elements(self, buffer: tirx.Var, indices: Sequence[Expr]) -> tuple[Sum, Sum]:
        return self._values.address(indices, _shape(buffer))

    def _used(self, buffer: tirx.Var, elements: tuple[Sum, Sum], mode: int) -> Trace:
        if not self._counts(buffer):
            return NOTHING
        which = self._number(buffer)
        span = self._views[buffer][1] if buffer in self._views else _bytes(buffer, *elements)
        assert which == self._output or not mode & _WRITE, f"{buffer} is not the kernel's output"
        return Trace({which: span} if mode & _READ else {}, span if mode & _WRITE else None)


def refuse_pointer(value: Expr) -> None:
    """Raise UnknownCodeError for a pointer that is stored, since its uses are not followed."""
    if not isinstance(value.ty, PrimType):
        raise UnknownCodeError(str(value))


def size_of(buffer: tirx.Var) -> tuple[int, int]:
    """The number of elements of a buffer, and the bytes of one."""
    dtype = tvm.DataType(str(buffer.dtype))
    return math.prod(_shape(buffer)), -(-dtype.bits * dtype.lanes // 8)


def _shape(buffer: tirx.Var) -> tuple[int, ...]:
    return tuple(int(d) for d in buffer.shape)


def _all(buffer: tirx.Var) -> tuple[Sum, Sum]:
    return Sum(0), Sum(size_of(buffer)[0] - 1)


def _bytes(buffer: tirx.Var, low: Sum, high: Sum) -> Bytes:
    if len(buffer.ty.strides) or getattr(buffer.ty.elem_offset, "value", None) != 0:
        raise UnknownCodeError(f"layout of {buffer}")
    size = size_of(buffer)[1]
    return low.times(size), (high + Sum(1)).times(size)
