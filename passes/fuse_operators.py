"""FuseOperators: paddings, clamps, tables and reorderings become part of their neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule

from tvm_tiny import ops
from tvm_tiny.relax_rewrite import bindings_of, emit_named, rebuild_main, results_of, substitute

from .lower_qdq.moves import keeps_order
from .lower_qdq.quantized import constant, int8_table, ints
from .merge_moves import merge_moves

# New values of variables; empty where a rule does not apply.
Changes = dict[relax.Var, Expr]


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.FuseOperators")
class FuseOperators:
    """Replace two integer operators by one where that gives the same bytes.

    Before::

        qconv2d(pad(x, value=z), ..., x_zp=z); lut(qadd(a, b), clamp); transpose(transpose(x))

    After::

        qconv2d(x, ..., padding=...); qadd(a, b, act_min=..., act_max=...); transpose(x)

    Requires: one function "main" of integer operators, as LowerQDQ leaves it.
    Ensures: the same bytes at all outputs; a chain of transposes and reshapes is one transpose
    (see `merge_moves`). An operator whose result another operator reads, too, is not fused, nor a
    table that requantizes a convolution's result: two roundings differ from one.
    Does nothing when: no rule matches.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        mod = merge_moves(mod)
        graph = _Graph(mod["main"])
        while graph.change():
            pass
        if not graph.changed:
            return mod
        env: dict[Expr, Expr] = {}

        def emit(builder: relax.BlockBuilder, binding: relax.VarBinding, value: Expr) -> Expr:
            value = substitute(graph.values[binding.var], env)
            is_renaming = isinstance(value, relax.Var)
            return value if is_renaming else emit_named(builder, binding.var.name, value)

        main = mod["main"]
        fused = rebuild_main(mod, main.params, env, results_of(main), emit)
        return relax.transform.DeadCodeElimination(["main"])(fused)


class _Graph:
    """Main's variables, their current values, and their users."""

    def __init__(self, main: relax.Function) -> None:
        self.values: dict[relax.Var, Expr] = {b.var: b.value for b in bindings_of(main)}
        self.changed = False
        self._results = results_of(main)
        self._users = self._find_users()

    def change(self) -> bool:
        """Apply every rule to every variable once; return whether a value changed."""
        before = dict(self.values)
        for var in before:
            for rule in _RULES:
                is_renaming = isinstance(self.values[var], relax.Var)
                changes = {} if is_renaming else rule(self, var)
                if changes:
                    self.values |= changes
                    self._users = self._find_users()
        again = any(self.values[v] is not before[v] for v in before)
        self.changed |= again
        return again

    def call(self, expr: Expr, *names: str) -> Call | None:
        """The value of a variable, where it calls one of `names`; else None."""
        value = self.values.get(self.source(expr)) if isinstance(expr, relax.Var) else None
        is_match = isinstance(value, Call) and getattr(value.op, "name", "") in names
        return value if is_match else None

    def source(self, expr: Expr) -> Expr:
        """The variable that `expr` is a renaming of, or `expr` itself."""
        while isinstance(self.values.get(expr), relax.Var):
            expr = self.values[expr]
        return expr

    def users(self, var: Expr) -> list[relax.Var]:
        """The variables whose values read `var`, once per read, results of main included."""
        return self._users.get(self.source(var), [])

    def only_user(self, var: Expr) -> bool:
        """Whether `var` is read exactly once."""
        return len(self.users(var)) == 1

    def _find_users(self) -> dict[Expr, list[relax.Var]]:
        users: dict[Expr, list[relax.Var]] = {}
        for result in map(self.source, self._results):
            users.setdefault(result, []).append(result)
        live = list(users)
        seen = set(live)
        while live:
            var = live.pop()
            for operand in _variables(self.values.get(var)):
                source = self.source(operand)
                users.setdefault(source, []).append(var)
                if source not in seen:
                    seen.add(source)
                    live.append(source)
        return users


def _variables(value: Expr | None) -> list[relax.Var]:
    """Variables that an expression reads."""
    if isinstance(value, relax.Var):
        return [value]
    parts = value.args if isinstance(value, Call) else getattr(value, "fields", [])
    tuples = [value.tuple_value] if isinstance(value, relax.TupleGetItem) else []
    return [var for part in [*parts, *tuples] for var in _variables(part)]


def _shape(expr: Expr) -> tuple[int, ...]:
    return tuple(ints(expr.ty.shape))


def _attributes(call: Call) -> dict[str, object]:
    return {str(key): call.attrs[key] for key in call.attrs.keys()}  # noqa: SIM118  no mapping


def _replaced(call: Call, args: list[Expr], **attrs: object) -> Call:
    """A copy of `call` with operands `args` and some attributes changed."""
    return ops.call(call.op.name.removeprefix("tvm_tiny."), args, **_attributes(call) | attrs)


# Consumer -> its attribute that the value of the padding must equal; None means -128.
_PADDED = {"tvm_tiny.qconv2d": "x_zp", "tvm_tiny.qmax_pool2d": None}


def _pad(graph: _Graph, var: relax.Var) -> Changes:
    """qconv2d(pad(x)), qmax_pool2d(pad(x)) -> their own padding in height and width."""
    pad = graph.call(var, "tvm_tiny.pad")
    users = graph.users(var)
    if pad is None or not users or not _is_spatial(pad):
        return {}
    calls = {user: graph.call(user, *_PADDED) for user in users}
    value = int(pad.attrs["value"])
    for call in calls.values():
        if call is None or any(arg.same_as(var) for arg in call.args[1:]):
            return {}
        attribute = _PADDED[call.op.name]
        if value != (-128 if attribute is None else int(call.attrs[attribute])):
            return {}
    return {user: _with_padding(call, pad) for user, call in calls.items() if call is not None}


def _is_spatial(pad: Call) -> bool:
    before, shape, out = ints(pad.attrs["before"]), _shape(pad.args[0]), ints(pad.attrs["shape"])
    return len(shape) == 4 and all(before[a] == 0 and shape[a] == out[a] for a in (0, 3))


def _with_padding(call: Call, pad: Call) -> Call:
    _, height, width, _ = _shape(pad.args[0])
    _, padded_height, padded_width, _ = ints(pad.attrs["shape"])
    _, top, left, _ = ints(pad.attrs["before"])
    added = [top, left, padded_height - height - top, padded_width - width - left]
    padding = [a + b for a, b in zip(ints(call.attrs["padding"]), added, strict=True)]
    return _replaced(call, [pad.args[0], *call.args[1:]], padding=padding)


_IDENTITY = np.arange(-128, 128)


def _clamp(graph: _Graph, var: relax.Var) -> Changes:
    """A lut that only limits x -> act_min, act_max of the producer of x."""
    lut = graph.call(var, "tvm_tiny.lut")
    table = int8_table(lut) if lut is not None else None
    if lut is None or table is None or not graph.only_user(lut.args[0]):
        return {}
    producer = graph.call(lut.args[0], *ops.OPERATORS)
    if producer is None or "act_min" not in _attributes(producer):
        return {}
    low, high = int(table[0]), int(table[-1])
    if not np.array_equal(table, np.clip(_IDENTITY, low, high)):
        return {}
    limits = {key: max(low, min(high, int(producer.attrs[key]))) for key in ("act_min", "act_max")}
    return {var: _replaced(producer, list(producer.args), **limits)}


def _tables(graph: _Graph, var: relax.Var) -> Changes:
    """lut(lut(x)) -> one lut; a lut that changes nothing -> x."""
    lut = graph.call(var, "tvm_tiny.lut")
    table = int8_table(lut) if lut is not None else None
    if lut is None or table is None:
        return {}
    if np.array_equal(table, _IDENTITY):
        return {var: lut.args[0]}
    inner = graph.call(lut.args[0], "tvm_tiny.lut")
    first = int8_table(inner) if inner is not None else None
    if inner is None or first is None or not graph.only_user(lut.args[0]):
        return {}
    composed = table[first.astype("int32") + 128]
    return {var: ops.call("lut", [inner.args[0], constant(composed, "int8")])}


# Operators that move the values of one tensor, whatever these are.
_MOVES = ("relax.reshape", "tvm_tiny.copy", "tvm_tiny.strided_slice", "tvm_tiny.transpose")


def _tables_around_a_move(graph: _Graph, var: relax.Var) -> Changes:
    """lut(move(lut(x))) -> one lut of the moved x."""
    lut = graph.call(var, "tvm_tiny.lut")
    move = graph.call(lut.args[0], *_MOVES) if lut is not None else None
    inner = graph.call(move.args[0], "tvm_tiny.lut") if move is not None else None
    if lut is None or move is None or inner is None:
        return {}
    table, first = int8_table(lut), int8_table(inner)
    alone = graph.only_user(lut.args[0]) and graph.only_user(move.args[0])
    if table is None or first is None or not alone:
        return {}
    moved = Call(move.op, [inner.args[0], *move.args[1:]], move.attrs, move.ty_args)
    composed = constant(table[first.astype("int32") + 128], "int8")
    return {graph.source(lut.args[0]): moved, var: ops.call("lut", [lut.args[0], composed])}


def _transposes(graph: _Graph, var: relax.Var) -> Changes:
    """transpose(transpose(x)) -> one transpose, a reshape, or x."""
    outer = graph.call(var, "tvm_tiny.transpose")
    if outer is None:
        return {}
    source, axes = outer.args[0], ints(outer.attrs["axes"])
    inner = graph.call(source, "tvm_tiny.transpose") if graph.only_user(source) else None
    if inner is not None:
        first = ints(inner.attrs["axes"])
        source, axes = inner.args[0], [first[a] for a in axes]
    if axes == sorted(axes):
        return {var: source}
    if keeps_order(axes, _shape(source)):
        return {var: relax.op.reshape(source, [_shape(source)[a] for a in axes])}
    return {var: ops.call("transpose", [source], axes=axes)} if inner is not None else {}


def _reshapes(graph: _Graph, var: relax.Var) -> Changes:
    """reshape(reshape(x)) -> one reshape, or x."""
    outer = graph.call(var, "relax.reshape")
    if outer is None:
        return {}
    inner = graph.call(outer.args[0], "relax.reshape")
    source = inner.args[0] if inner is not None else outer.args[0]
    shape = ints(outer.args[1].values)
    if _shape(source) == tuple(shape):
        return {var: source}
    return {var: relax.op.reshape(source, shape)} if inner is not None else {}


# Applied in this order to every variable, until nothing changes.
_RULES: tuple[Callable[[_Graph, relax.Var], Changes], ...] = (
    _pad,
    _tables,
    _tables_around_a_move,
    _clamp,
    _transposes,
    _reshapes,
)
