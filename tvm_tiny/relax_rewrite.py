"""Rewrites a Relax function binding by binding, for passes that change parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule, Tuple, TupleGetItem

Binding: TypeAlias = Any  # relax.VarBinding


def with_main(mod: IRModule, main: relax.Function) -> IRModule:
    """A copy of `mod` with another main (IRModule.update_func would change `mod`)."""
    functions = dict(mod.functions.items())
    functions[mod.get_global_var("main")] = main
    return IRModule(functions, attrs=mod.attrs)


def mutate_main(mod: IRModule, rewriter: Any) -> IRModule:
    """A copy of `mod` whose main a PyExprMutator, made for `mod`, has rewritten."""
    with blocks_ended(rewriter.builder_):
        main = rewriter.visit_expr(mod["main"])
    return with_main(rewriter.builder_.get(), main)


@contextmanager
def blocks_ended(builder: relax.BlockBuilder) -> Iterator[None]:
    """Ends the blocks that an exception leaves open in a builder."""
    try:
        yield
    except BaseException:
        end_blocks(builder)
        raise


def end_blocks(builder: relax.BlockBuilder) -> None:
    """Ends all blocks of an abandoned builder, of which TVM would print a warning."""
    with suppress(tvm.error.InternalError):  # no block is left
        while True:
            builder._end_block()


def bindings_of(function: relax.Function) -> list[Binding]:
    """All bindings of a function whose body is a sequence of blocks, in order."""
    return [binding for block in function.body.blocks for binding in block.bindings]


def results_of(function: relax.Function) -> list[Expr]:
    """The function's results: the fields of the tuple that it returns, or one value."""
    result = function.body.body
    bound = {b.var: b.value for b in bindings_of(function)}
    value = bound.get(result, result)
    return list(value.fields) if isinstance(value, Tuple) else [result]


def substitute(expr: Expr, env: Mapping[Expr, Expr]) -> Expr:
    """The value of a binding with its variables replaced."""
    if expr in env:
        return env[expr]
    if isinstance(expr, Call):
        args = [substitute(arg, env) for arg in expr.args]
        return Call(expr.op, args, expr.attrs, expr.ty_args)
    if isinstance(expr, Tuple):
        return Tuple([substitute(field, env) for field in expr.fields])
    if isinstance(expr, TupleGetItem):
        return TupleGetItem(substitute(expr.tuple_value, env), expr.index)
    return expr


def emit_named(builder: relax.BlockBuilder, name: str, value: Expr) -> relax.Var:
    """Binds `value` to a variable of exactly this name.

    BlockBuilder.emit would change dots in the name. Names are those of the model's tensors, by
    which reports and traces are matched.
    """
    normalized = builder.normalize(value)
    var = relax.DataflowVar(name, normalized.ty)
    builder.emit_normalized(relax.VarBinding(var, normalized))
    return var


def rebuild_main(
    mod: IRModule,
    params: Sequence[relax.Var],
    env: dict[Expr, Expr],
    results: Sequence[Expr],
    emit: Callable[[relax.BlockBuilder, Binding, Expr], Expr] | None = None,
    attrs: Mapping[str, object] | None = None,
) -> IRModule:
    """A new module with a rewritten main; `mod` is unchanged.

    params   the new parameters
    env      replacements of old variables, to which each written binding is added; a binding whose
             variable is in it is dropped
    results  old expressions to return
    emit     writes one binding given its substituted value; by default under its own name
    attrs    function attributes to add
    """
    main = mod["main"]
    builder = relax.BlockBuilder(IRModule({g: f for g, f in mod.functions.items() if f != main}))
    with blocks_ended(builder), builder.function("main", list(params)):
        with builder.dataflow():
            for binding in bindings_of(main):
                if binding.var in env:
                    continue
                value = substitute(binding.value, env)
                written = emit(builder, binding, value) if emit is not None else None
                env[binding.var] = (
                    emit_named(builder, binding.var.name, value) if written is None else written
                )
            outputs = [builder.emit_output(substitute(r, env)) for r in results]
        builder.emit_func_output(outputs[0] if len(outputs) == 1 else Tuple(outputs))
    result = builder.get()
    kept = dict(main.attrs) if main.attrs else {}
    function = result["main"].with_attrs({**kept, **(attrs or {})})
    return with_main(result, function)
