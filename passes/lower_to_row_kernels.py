"""LowerToRowKernels: integer operators become TIR functions that call row kernels."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax
from tvm.ir import Call, GlobalVar, IRModule
from tvm.relax.expr_functor import PyExprMutator, mutator

from tvm_tiny.errors import UnsupportedError
from tvm_tiny.lowering.emit_layer import emit_layer
from tvm_tiny.lowering.emit_stage import MACS, emit_stage
from tvm_tiny.lowering.float_cost import float_macs
from tvm_tiny.relax_rewrite import bindings_of, mutate_main, results_of, substitute
from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules.stages.stage import BufferPolicy

from .qdq_form import check_lowered_qdq

# Attribute of a private Relax function whose operators are to run as one stage: "stream" (row by
# row) or "patch" (tile by tile); and for "patch" the number of rows and columns of tiles.
FORM = "tvm_tiny.form"
SPLIT = "tvm_tiny.split"
# Set for a stage that streams, if it has shifting line buffers, or skewed in-place allocation.
SHIFTS = "tvm_tiny.slides"
SKEWS = "tvm_tiny.climbs"


def attributes(policy: BufferPolicy) -> dict[str, object]:
    """The attributes of the function of a stage with this buffer policy."""
    if policy.tiles:
        return {FORM: "patch", SPLIT: list(policy.tiles)}
    moving = {SHIFTS: policy.shifts, SKEWS: policy.skews}
    return {FORM: "stream", **{name: True for name, chosen in moving.items() if chosen}}


def _policy_of(function: relax.Function) -> BufferPolicy:
    attrs = function.attrs
    if SPLIT in attrs:
        rows, columns = attrs[SPLIT]
        return BufferPolicy((int(rows), int(columns)))
    return BufferPolicy(shifts=SHIFTS in attrs, skews=SKEWS in attrs)


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.LowerToRowKernels")
class LowerToRowKernels:
    """Lower integer operators to row kernels, and float operators to TVM's own TIR.

    Before::

        y = tvm_tiny.qconv2d(x, w, bias, multiplier, shift, ...)
        z = stage_0(y)                     # a function with the attribute tvm_tiny.form

    After::

        y = call_tir(qconv2d, (x, w, bias, multiplier, shift, parameters))
        s = call_tir(stage_0, (y, ...), out_ty=[z, line buffers...]); z = s[0]
        qconv2d: for row in range(N * OH): qconv2d_row(x, w, ..., y, row)
        stage_0: while an operator is ready: run the row kernel of the last one that is

    An operator is ready when the rows that its next row kernel reads are there.

    Requires: tvm_tiny's operators or Relax operators that LegalizeOps knows, static shapes.
    Ensures: main consists of call_tir, reshape and renamings; kernels of equal structure are one
    function.
    Does nothing when: main has no operators.
    Raises: DataError where LowerQDQ has not run before; UnsupportedError for a float operator for
    which TVM has no kernel.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main and add the kernels; the module given is not changed."""
        check_lowered_qdq(mod)
        lowered = mutate_main(mod, _Lowering(mod))
        kept = _without_stages(lowered)
        return _with_float_macs(_legalize_rest(kept), kept)


def _without_stages(mod: IRModule) -> IRModule:
    """The module without the Relax functions of stages, which are TIR now."""
    kept = {var: f for var, f in mod.functions.items() if not _is_stage(f)}
    return mod if len(kept) == len(mod.functions) else IRModule(kept, attrs=mod.attrs)


def _is_stage(function: Any) -> bool:
    is_relax = isinstance(function, relax.Function)
    return is_relax and bool(function.attrs) and FORM in function.attrs


def _legalize_rest(mod: IRModule) -> IRModule:
    """The module with TVM's own kernels for the operators that stay in float.

    Raises UnsupportedError, which names all of them, where TVM has no kernel for one.
    """
    # A reshape moves no bytes: it stays, as an alias for the memory planner.
    keep = {"relax.reshape": lambda builder, call: call}
    try:
        return relax.transform.LegalizeOps(keep)(mod)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        cause = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
        names = [
            f"{b.value.op.name.removeprefix('relax.')} (tensor '{b.var.name}')"
            for b in bindings_of(mod["main"])
            if getattr(getattr(b.value, "op", None), "name", "").startswith("relax.")
            and b.value.op.name not in ("relax.call_tir", "relax.reshape")
        ]
        raise UnsupportedError(
            f"TVM cannot make a float kernel for one of: {', '.join(names)} ({cause}); "
            "express it by other operators, or quantize it"
        ) from error


def _with_float_macs(mod: IRModule, before: IRModule) -> IRModule:
    """The module with the number of multiply-accumulates as attribute of float kernels.

    before: the module whose main still has Relax operators.
    """
    counts = {
        binding.var.name: float_macs(binding.value, binding.var)
        for binding in bindings_of(before["main"])
        if isinstance(binding.value, Call)
    }
    functions = dict(mod.functions.items())
    for binding in bindings_of(mod["main"]):
        macs = counts.get(binding.var.name, 0)
        if macs > 0:
            kernel = binding.value.args[0]
            functions[kernel] = functions[kernel].with_attr(MACS, macs)
    return IRModule(functions, attrs=mod.attrs)


@mutator
class _Lowering(PyExprMutator):
    """Replaces operators that have a row kernel, and calls of stages, by call_tir."""

    def __init__(self, mod: IRModule) -> None:
        super().__init__(mod)
        self._module = mod

    def visit_call_(self, call: Call) -> relax.Expr:
        call = super().visit_call_(call)
        if kernels.lookup(call) is not None:
            return emit_layer(self.builder_, call)
        if isinstance(call.op, GlobalVar) and _is_stage(self._module[call.op]):
            return self._stage(call)
        return call

    def _stage(self, call: Call) -> relax.Expr:
        function = self._module[call.op]
        env: dict[relax.Expr, relax.Expr] = dict(zip(function.params, call.args, strict=True))
        body = []
        for binding in bindings_of(function):
            value = substitute(binding.value, env)
            if isinstance(value, relax.Var):
                env[binding.var] = value
            else:
                # Substituted calls have no type yet; the bound variable has.
                typed = Call(value.op, value.args, value.attrs, value.ty_args, None, binding.var.ty)
                body.append((binding.var, typed))
        wanted = [substitute(result, env) for result in results_of(function)]
        results = emit_stage(self.builder_, body, wanted, call.op.name_hint, _policy_of(function))
        return results[0] if len(results) == 1 else relax.Tuple(results)
