"""StreamStages: consecutive operators become stages, which run them row by row."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule, Tuple, TupleGetItem

from tvm_tiny.errors import DataError
from tvm_tiny.relax_rewrite import (
    Binding,
    bindings_of,
    emit_named,
    rebuild_main,
    results_of,
    substitute,
)
from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules.stages.stage import STEADY, BufferPolicy

from .lower_to_row_kernels import attributes

Place = str | int


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.StreamStages")
class StreamStages:
    """Move consecutive operators into stages, which run them row by row.

    Before::

        a = tvm_tiny.qconv2d(x, ...); b = tvm_tiny.qconv2d(a, ...); y = tvm_tiny.qadd(a, b, ...)

    After::

        y = stage_0(x)          # a private function of these operators: tvm_tiny.form = "stream"

    A stage computes each row as soon as the rows that it reads are there. So LowerToRowKernels can
    keep a tensor inside a stage in a line buffer of the rows that are still needed.

    stages: (first, last) operator of each stage, both included, by the name of their result or
    by their position in main.

    Requires: integer operators in main, in the order in which they are to run.
    Ensures: the same bytes at all outputs; nothing is computed twice.
    Does nothing when: there are no stages.
    Raises: DataError for a stage with an unknown end, ends out of order, stages that share an
    operator, or an operator that has no row kernel.
    """

    def __init__(self, stages: Sequence[tuple[Place, Place]] = ()) -> None:
        self.stages = tuple(stages)

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Move operators into functions; the module given is not changed."""
        ranges = find_ranges(self.stages, bindings_of(mod["main"]), "stream")
        return extract_stages(mod, dict.fromkeys(ranges, STEADY))


def extract_stages(mod: IRModule, stages: Mapping[tuple[int, int], BufferPolicy]) -> IRModule:
    """A copy of `mod` in which these ranges of main's operators are functions.

    stages: positions of the first and last operator of each stage, in order -> its policy.
    """
    # From the last stage on, so that the positions of earlier ones stay valid.
    for number, ((first, last), policy) in reversed(list(enumerate(stages.items()))):
        mod = _extract(mod, first, last, f"stage_{number}", attributes(policy))
    return mod


def find_ranges(
    stages: Sequence[tuple[Place, Place]], bindings: Sequence[Binding], form: str
) -> list[tuple[int, int]]:
    """Positions of the first and last operator of each stage, in order.

    form: the word for the stages in messages. Raises DataError, see `StreamStages`.
    """
    names = {b.var.name: k for k, b in reversed(list(enumerate(bindings)))}

    def find(place: Place) -> int:
        position = names.get(place) if isinstance(place, str) else place
        if position is None or not 0 <= position < len(bindings):
            raise DataError(
                f"{form} stage: no operator '{place}' in main; name the tensor that it "
                f"makes, such as '{bindings[0].var.name}'"
                if bindings
                else f"{form} stage: no operator '{place}': main has none"
            )
        return position

    ranges = sorted((find(first), find(last)) for first, last in stages)
    for first, last in ranges:
        if last < first:
            raise DataError(
                f"{form} stage: '{bindings[last].var.name}' comes before "
                f"'{bindings[first].var.name}'; give the first operator first"
            )
        for binding in bindings[first : last + 1]:
            _require_row_kernel(binding, form)
    for (_, last), (first, _) in itertools.pairwise(ranges):
        if first <= last:
            raise DataError(f"{form} stages: two of them run '{bindings[first].var.name}'")
    return ranges


def _require_row_kernel(binding: Binding, form: str) -> None:
    value = binding.value
    if kernels.lookup(value) is None:
        name = getattr(getattr(value, "op", None), "name", type(value).__name__)
        raise DataError(
            f"{form} stage: '{binding.var.name}' ({name}) has no row kernel; "
            "end the stage before it"
        )


def _extract(
    mod: IRModule, first: int, last: int, name: str, attrs: Mapping[str, object]
) -> IRModule:
    """A copy of `mod` in which operators `first` to `last` are a function."""
    bindings = bindings_of(mod["main"])
    body = bindings[first : last + 1]
    inputs = _inputs(body)
    results = stage_results(mod, body, bindings[last + 1 :])
    builder = relax.BlockBuilder(mod)
    function = builder.add_func(_function(body, inputs, results, attrs), name)
    main = mod["main"]
    env: dict[Expr, Expr] = {param: param for param in main.params}
    # The call replaces the last operator; the others are removed from main.
    env |= {b.var: b.var for b in body[:-1]}

    def emit(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr | None:
        if not binding.var.same_as(body[-1].var):
            return None
        call = Call(function, [env[x] for x in inputs])
        if len(results) == 1:
            env[results[0]] = emit_named(builder, results[0].name, call)
        else:
            step = emit_named(builder, name, call)
            for k, result in enumerate(results):
                env[result] = emit_named(builder, result.name, TupleGetItem(step, k))
        return env.get(binding.var, env[results[0]])

    return rebuild_main(builder.get(), list(main.params), env, results_of(main), emit)


def _inputs(body: Sequence[Binding]) -> list[relax.Var]:
    """The variables that the operators read and do not compute, each once."""
    made = {b.var for b in body}
    found: dict[relax.Var, None] = {}
    for binding in body:
        found |= {a: None for a in binding.value.args if isinstance(a, relax.Var) and a not in made}
    return list(found)


def stage_results(
    mod: IRModule, body: Sequence[Binding], rest: Sequence[Binding]
) -> list[relax.Var]:
    """The variables that the operators compute and others, or main's result, read."""
    used: set[Expr] = set(results_of(mod["main"]))
    for binding in rest:
        used |= set(relax.analysis.free_vars(binding.value))
    return [b.var for b in body if b.var in used]


def _function(
    body: Sequence[Binding],
    inputs: Sequence[relax.Var],
    results: Sequence[relax.Var],
    attrs: Mapping[str, object],
) -> relax.Function:
    """The private function of a stage."""
    builder = relax.BlockBuilder()
    params = [relax.Var(x.name, x.ty) for x in inputs]
    env: dict[Expr, Expr] = dict(zip(inputs, params, strict=True))
    with builder.function("stage", params, attrs=dict(attrs), private=True):
        with builder.dataflow():
            for binding in body:
                value = substitute(binding.value, env)
                env[binding.var] = emit_named(builder, binding.var.name, value)
            outputs = [builder.emit_output(env[r]) for r in results]
        builder.emit_func_output(outputs[0] if len(outputs) == 1 else Tuple(outputs))
    return builder.get()["stage"]
