"""FoldEdges: inputs and outputs in float or NCHW become int8 tensors in NHWC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule

from tvm_tiny.interface import ATTRIBUTE, INPUT_QUANTIZATION, ROUNDING, Interface, Port
from tvm_tiny.relax_rewrite import Binding, bindings_of, rebuild_main, results_of

from .lower_qdq.quantized import array_of


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.FoldEdges")
class FoldEdges:
    """Move quantize, dequantize and layout changes at the model's edges into its interface.

    Before::

        main(x: float32 [1,3,H,W]): q = quantize(permute_dims(x)); ...; return dequantize(y)

    After::

        main(x: int8 [1,H,W,3]): ...; return y

    Main's attribute `tvm_tiny.interface` records both forms and the quantization.

    fold: False leaves the model's own inputs and outputs.

    Requires: one function "main" in QDQ form.
    Ensures: the attribute is set. With `fold`, an input that all of its users quantize in the same
    way is quantized, no output is a dequantize, and no edge is a permute_dims.
    Does nothing when: `fold` is False, except for setting the attribute.
    """

    def __init__(self, fold: bool = True) -> None:
        self.fold = fold

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        main = mod["main"]
        graph = _Graph(main)
        declared = (main.attrs or {}).get(INPUT_QUANTIZATION, [[]] * len(main.params))
        inputs = [
            _Input(graph, param, self.fold, quantization)
            for param, quantization in zip(main.params, declared, strict=True)
        ]
        env: dict[Expr, Expr] = {}
        params = []
        for edge in inputs:
            params.append(edge.param)
            env |= dict.fromkeys(edge.skipped, edge.param)
            env |= dict.fromkeys(edge.aliases, edge.view)
        names = [str(n) for n in (main.attrs or {}).get("tvm_tiny.output_names", [])]
        results = [_Output(graph, r, self.fold) for r in results_of(main)]
        names = names or [f"output_{k}" for k in range(len(results))]
        rounding = str((main.attrs or {}).get(ROUNDING, "tflite"))
        interface = Interface(
            tuple(replace(edge.port, rounding=rounding) for edge in inputs),
            tuple(
                replace(result.port, name=name, rounding=rounding)
                for result, name in zip(results, names, strict=True)
            ),
        )
        return rebuild_main(
            mod, params, env, [r.expr for r in results], attrs={ATTRIBUTE: interface.to_json()}
        )


class _Graph:
    """Main's values, the expressions that produce them, and their users."""

    def __init__(self, main: relax.Function) -> None:
        self.value = {b.var: b.value for b in bindings_of(main)}
        self.results = results_of(main)
        self._users: dict[Expr, list[Binding]] = {}
        for binding in bindings_of(main):
            for arg in _operands(binding.value):
                self._users.setdefault(arg, []).append(binding)
        self.kept = {value for result in self.results for value in self._behind(result)}

    def _behind(self, result: Expr) -> Iterator[Expr]:
        """The values that may be returned in place of `result`, itself included."""
        expr: Expr | None = result
        while expr is not None:
            yield expr
            expr = self.source(expr)
            yield expr
            calls = (self.call(expr, op) for op in ("permute_dims", "reshape", "dequantize"))
            expr = next((call.args[0] for call in calls if call is not None), None)

    def users(self, expr: Expr) -> list[Binding]:
        """Bindings that read `expr`."""
        return self._users.get(expr, [])

    def call(self, expr: Expr, name: str) -> Call | None:
        """The call of relax.`name` that `expr` is bound to."""
        value = self.value.get(expr, expr)
        is_call = isinstance(value, Call) and getattr(value.op, "name", "") == f"relax.{name}"
        return value if is_call else None

    def source(self, expr: Expr) -> Expr:
        """The variable that `expr` is a renaming of, or `expr` itself."""
        while isinstance(self.value.get(expr), relax.Var):
            expr = self.value[expr]
        return expr


def _operands(value: Expr) -> list[Expr]:
    if isinstance(value, Call):
        return [leaf for arg in value.args for leaf in _operands_of_arg(arg)]
    return _operands_of_arg(value)


def _operands_of_arg(arg: Expr) -> list[Expr]:
    fields = getattr(arg, "fields", None)
    if fields is not None:
        return [leaf for field in fields for leaf in _operands_of_arg(field)]
    return [arg] if isinstance(arg, relax.Var) else []


@dataclass(frozen=True)
class _Quantization:
    scale: float
    zero_point: int
    dtype: str


def _quantization(call: Call, dtype: str) -> _Quantization | None:
    scale, zero_point = (array_of(arg) for arg in call.args[1:3])
    if scale is None or zero_point is None or scale.size != 1:
        return None
    return _Quantization(float(scale.reshape(-1)[0]), int(zero_point.reshape(-1)[0]), dtype)


def _shape(expr: Expr) -> tuple[int, ...]:
    return tuple(int(d) for d in expr.ty.shape)


class _Input:
    """A parameter, its new form, and the old values that the new parameter replaces."""

    def __init__(
        self, graph: _Graph, param: relax.Var, fold: bool, declared: Sequence[float]
    ) -> None:
        self._graph = graph
        shape, dtype = _shape(param), str(param.ty.dtype)
        self.port = Port(str(param.name), shape, dtype, shape, dtype)
        self.param: relax.Var = param
        self.aliases: list[Expr] = []
        # Values between the parameter and its aliases; nothing else reads them.
        self.skipped: list[Expr] = []
        self._reshape: tuple[int, ...] | None = None
        if fold and param not in graph.kept:
            self._fold(param)
        if self.port.scale is None and declared:
            scale, zero_point = declared
            self.port = replace(self.port, scale=float(scale), zero_point=int(zero_point))
        elif self.port.scale is None and dtype in ("int8", "uint8"):
            self._read_quantization(self.aliases or [param])
        self.param = relax.Var(param.name, relax.TensorType(self.port.shape, self.port.dtype))
        self.aliases = self.aliases or [param]

    @property
    def view(self) -> Expr:
        """The expression that replaces the aliases: the new parameter, reshaped if they were."""
        return self.param if self._reshape is None else relax.op.reshape(self.param, self._reshape)

    def _fold(self, param: relax.Var) -> None:
        aliases: list[Expr] = [param]
        permutation = self._common_permutation(param)
        if permutation is not None:
            aliases = [user.var for user in self._graph.users(param)]
            shape = tuple(self.port.shape[a] for a in permutation)
            self.port = replace(self.port, shape=shape, permutation=permutation)
            self.aliases = aliases
        passed = aliases[:]
        reshaped = self._common_reshape(aliases)
        if reshaped is not None:
            aliases = [user.var for alias in aliases for user in self._graph.users(alias)]
            passed += aliases
        quantization = self._common_quantization(aliases)
        if quantization is not None and self._graph.kept.isdisjoint(passed):
            self._reshape = reshaped
            self.skipped = passed
            self.aliases = [u.var for alias in aliases for u in self._graph.users(alias)]
            self.port = replace(
                self.port,
                dtype=quantization.dtype,
                scale=quantization.scale,
                zero_point=quantization.zero_point,
            )

    def _common_permutation(self, param: relax.Var) -> tuple[int, ...] | None:
        found = {
            tuple(int(a) for a in call.attrs.axes) if call is not None and call.attrs.axes else None
            for call in (self._graph.call(u.var, "permute_dims") for u in self._graph.users(param))
        }
        return found.pop() if len(found) == 1 else None

    def _common_reshape(self, aliases: Sequence[Expr]) -> tuple[int, ...] | None:
        """The shape that all users reshape the parameter to; None where they differ.

        Quantizing commutes with reshaping, so a quantize behind the reshapes can be folded.
        """
        found = {
            _shape(user.var) if self._graph.call(user.var, "reshape") is not None else None
            for alias in aliases
            for user in self._graph.users(alias)
        }
        return found.pop() if len(found) == 1 else None

    def _common_quantization(self, aliases: Sequence[Expr]) -> _Quantization | None:
        found = set()
        for user in (u for alias in aliases for u in self._graph.users(alias)):
            call = self._graph.call(user.var, "quantize")
            found.add(_quantization(call, str(call.attrs.out_dtype)) if call is not None else None)
        return found.pop() if len(found) == 1 else None

    def _read_quantization(self, aliases: Sequence[Expr]) -> None:
        for user in (u for alias in aliases for u in self._graph.users(alias)):
            call = self._graph.call(user.var, "dequantize")
            found = _quantization(call, "") if call is not None else None
            if found is not None:
                self.port = replace(self.port, scale=found.scale, zero_point=found.zero_point)
                return


class _Output:
    """A result of main, and the expression that is returned in its place."""

    def __init__(self, graph: _Graph, result: Expr, fold: bool) -> None:
        shape, dtype = _shape(result), str(result.ty.dtype)
        self.expr: Expr = result
        self.port = Port("", shape, dtype, shape, dtype)
        self._reshaped = False
        source = graph.source(result)
        if fold:
            source = self._fold_permutation(graph, source)
            source = self._fold_dequantize(graph, source)
            if self.port.permutation is None and not self._reshaped:
                source = self._fold_permutation(graph, source)
        quantize = graph.call(source, "quantize")
        found = _quantization(quantize, "") if quantize is not None else None
        # The scale of a folded dequantize holds, whichever quantize made the integers.
        if found is not None and self.port.scale is None:
            self.port = replace(self.port, scale=found.scale, zero_point=found.zero_point)

    def _fold_permutation(self, graph: _Graph, source: Expr) -> Expr:
        call = graph.call(source, "permute_dims")
        if call is None or call.attrs.axes is None:
            return source
        # Axis k of the result is axis axes[k] of the inner tensor; a port holds the inverse.
        axes = [int(a) for a in call.attrs.axes]
        inverse = tuple(axes.index(a) for a in range(len(axes)))
        inner = graph.source(call.args[0])
        self.expr = inner
        self.port = replace(self.port, shape=_shape(inner), permutation=inverse)
        return inner

    def _fold_dequantize(self, graph: _Graph, source: Expr) -> Expr:
        reshape = graph.call(source, "reshape")
        call = graph.call(reshape.args[0] if reshape is not None else source, "dequantize")
        found = _quantization(call, str(call.args[0].ty.dtype)) if call is not None else None
        if call is None or found is None or not isinstance(call.args[0], relax.Var):
            return source
        inner = graph.source(call.args[0])
        self._reshaped = reshape is not None
        self.expr = relax.op.reshape(inner, self.port.shape) if self._reshaped else inner
        self.port = replace(
            self.port, dtype=found.dtype, scale=found.scale, zero_point=found.zero_point
        )
        return inner
