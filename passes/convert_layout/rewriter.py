"""Writes one function anew in NHWC, binding by binding."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax

from tvm_tiny.relax_rewrite import bindings_of

from .emitter import Emitter, Handlers
from .sensitive import names_nchw
from .values import RANKS, Dequantized, Value, op_name, shape_of

# Operators whose operand may stay in the declared layout even if their result is in NHWC.
REORDERING = tuple(
    f"relax.{name}" for name in ("permute_dims", "reshape", "squeeze", "expand_dims", "flatten")
)


class Rewriter:
    """Rebuilds one function; handlers: operator name -> the handler that moves it to NHWC."""

    def __init__(self, function: Any, handlers: Handlers) -> None:
        self._function = function
        self._handlers = handlers
        self._emitter = Emitter()
        self._emitter.values.update(
            (param, Value(param, rank=len(shape_of(param)))) for param in function.params
        )
        self._tuples: dict[Any, tuple[Any, bool]] = {}
        body = function.body.body
        self._results = list(body.fields) if isinstance(body, relax.Tuple) else [body]

    def rewrite(self) -> Any:
        """The function in NHWC."""
        emitter = self._emitter
        bindings = bindings_of(self._function)
        self._permute_parameters(bindings)
        for binding in bindings:
            self._rewrite_binding(binding.var, binding.value)
        results = [self._result(var) for var in self._results]
        is_tuple = isinstance(self._function.body.body, relax.Tuple)
        body = emitter.normalize(relax.Tuple(results)) if is_tuple else results[0]
        seq = relax.SeqExpr([relax.DataflowBlock(emitter.bindings)], body)
        function = relax.Function(list(self._function.params), emitter.normalize(seq), body.ty)
        return function.with_attrs(self._function.attrs) if self._function.attrs else function

    # The function's edges.

    def _permute_parameters(self, bindings: list[Any]) -> None:
        """Move each parameter that reaches a layout-sensitive operator, once, at the start."""
        wanted: set[Any] = set()
        for binding in reversed(bindings):
            name = op_name(binding.value)
            if names_nchw(binding.value):
                wanted.add(binding.value.args[0])
            elif binding.var in wanted and name in self._handlers and name not in REORDERING:
                wanted.update(_operands(binding.value))
        for param in self._function.params:
            rank = len(shape_of(param))
            if param in wanted and rank in RANKS:
                moved = self._emitter.to_nhwc(param, rank)
                nhwc = self._emitter.emit(moved, f"{param.name}_nhwc")
                self._emitter.values[param] = Value(param, nhwc, rank=rank)

    def _result(self, expr: Any) -> Any:
        """A result in its declared layout, in a variable visible outside the dataflow block."""
        emitter = self._emitter
        value = emitter.find(expr)
        name = expr.name if isinstance(expr, relax.Var) else ""
        if isinstance(value, Dequantized) and value.has_nhwc:
            value = Value(nhwc=emitter.nhwc(value), rank=value.rank)
        if isinstance(value, Value) and value.plain is None:
            moved = emitter.to_plain(value.nhwc, value.rank)
            value.plain = emitter.emit(moved, f"{name}_nchw", output=True)
            return value.plain
        if isinstance(value, Dequantized):
            return emitter.emit(emitter.plain_dequantize(value), name, output=True)
        result = emitter.plain(value)
        outlives = isinstance(result, relax.Var) and not isinstance(result, relax.DataflowVar)
        return result if outlives else emitter.emit(result, name, output=True)

    # Bindings.

    def _rewrite_binding(self, var: Any, value: Any) -> None:
        emitter = self._emitter
        output = any(var.same_as(result) for result in self._results)
        if isinstance(value, relax.TupleGetItem) and value.tuple_value in self._tuples:
            source, in_nhwc = self._tuples[value.tuple_value]
            item = emitter.emit(relax.TupleGetItem(source, value.index), var.name, output=output)
            form = {"nhwc" if in_nhwc else "plain": item}
            emitter.values[var] = Value(**form, rank=len(shape_of(var)))
            return
        if isinstance(value, (relax.Var, tvm.ir.GenericConst)):
            emitter.values[var] = emitter.find(value)
            return
        handler = self._handlers.get(op_name(value))
        result = handler(emitter, value) if handler is not None else None
        if result is None:
            result = Value(self._copy(value))
        emitter.values[var] = result
        if not isinstance(result, Value):
            return
        self._name_last(result, var.name, output=output)
        if isinstance(value.ty, tvm.ir.TupleType):
            form = result.nhwc if result.has_nhwc else result.plain
            self._tuples[var] = (form, result.has_nhwc)
        else:
            result.rank = len(shape_of(value))

    def _copy(self, value: Any) -> Any:
        """An expression on the new operands, all in their declared layouts."""
        if isinstance(value, relax.Call):
            return relax.Call(
                value.op, [self._argument(arg) for arg in value.args], value.attrs, value.ty_args
            )
        return self._argument(value)

    def _argument(self, arg: Any) -> Any:
        if isinstance(arg, relax.Tuple):
            return relax.Tuple([self._argument(field) for field in arg.fields])
        if isinstance(arg, relax.Var) and arg in self._tuples:
            return self._tuples[arg][0]
        if isinstance(arg, (relax.Var, tvm.ir.GenericConst)):
            return self._emitter.plain(self._emitter.find(arg))
        return arg

    def _name_last(self, result: Value, name: str, *, output: bool) -> None:
        """Bind the call that a handler returned under the old name."""
        for form in ("plain", "nhwc"):
            expr = getattr(result, form)
            if expr is not None and not isinstance(expr, relax.Var):
                setattr(result, form, self._emitter.emit(expr, name, output=output))


def _operands(call: Any) -> list[Any]:
    """Variables that a call reads, inside tuples too."""
    found = []
    for arg in call.args:
        fields = arg.fields if isinstance(arg, relax.Tuple) else [arg]
        found += [field for field in fields if isinstance(field, relax.Var)]
    return found
