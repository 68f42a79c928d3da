"""HoistScratch: buffers inside TVM's kernels become tensors that PlanMemory places."""

from __future__ import annotations

import tvm
from tvm import relax, s_tir, tirx
from tvm.ir import Call, GlobalVar, IRModule, TupleGetItem
from tvm.relax.expr_functor import PyExprMutator, mutator

from tvm_tiny.relax_rewrite import mutate_main


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.HoistScratch")
class HoistScratch:
    """Turn a kernel's intermediate buffers into further outputs of its call.

    Before::

        y = call_tir(softmax, (x,), out_ty=y)          softmax(x, y): alloc_buffer(e) ...

    After::

        t = call_tir(softmax, (x,), out_ty=[y, e]); y = t[0]        softmax(x, y, e): ...

    Requires: kernels as LegalizeOps makes them, called by call_tir.
    Ensures: no kernel of main allocates a buffer in its root block, so that no C function puts a
    tensor on the stack.
    Does nothing when: no kernel allocates; tvm_tiny's row kernels have a few local scalars only.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite kernels and their calls; the module given is not changed."""
        hoisted = {
            var: function
            for var, function in mod.functions.items()
            if isinstance(function, tirx.PrimFunc) and _allocated(function)
        }
        if not hoisted:
            return mod
        return relax.transform.DeadCodeElimination(["main"])(mutate_main(mod, _Hoist(mod, hoisted)))


def _root(function: tirx.PrimFunc) -> s_tir.SBlock | None:
    body = function.body
    return body.block if isinstance(body, s_tir.SBlockRealize) else None


def _allocated(function: tirx.PrimFunc) -> list[tirx.Var]:
    """Buffers that the root block allocates."""
    root = _root(function)
    return list(root.alloc_buffers) if root is not None else []


def _with_parameters(function: tirx.PrimFunc) -> tirx.PrimFunc:
    """`function` with its root block's buffers as its last parameters."""
    root, buffers = _root(function), _allocated(function)
    assert root is not None
    block = s_tir.SBlock(
        root.iter_vars,
        root.reads,
        root.writes,
        root.name_hint,
        root.body,
        root.init,
        None,
        root.match_buffers,
        root.annotations,
    )
    body = s_tir.SBlockRealize([], True, block)
    return tirx.PrimFunc([*function.params, *buffers], body, None, function.attrs)


@mutator
class _Hoist(PyExprMutator):
    """Replaces calls of kernels by calls that pass their buffers, too."""

    def __init__(self, mod: IRModule, hoisted: dict[GlobalVar, tirx.PrimFunc]) -> None:
        super().__init__(mod)
        self._hoisted = hoisted
        self._name = ""

    def visit_var_binding_(self, binding: relax.VarBinding) -> None:
        self._name = binding.var.name
        super().visit_var_binding_(binding)

    def visit_call_(self, call: Call) -> relax.Expr:
        call = super().visit_call_(call)
        if getattr(call.op, "name", "") != "relax.call_tir" or call.args[0] not in self._hoisted:
            return call
        kernel = self._hoisted[call.args[0]]
        name = f"{call.args[0].name_hint}_hoisted"
        var = self.builder_.add_func(_with_parameters(kernel), name)
        own = list(getattr(call.ty, "fields", [call.ty]))
        scratch = [
            relax.TensorType([int(d) for d in b.shape], str(b.dtype)) for b in _allocated(kernel)
        ]
        with_room = relax.op.call_tir(var, call.args[1], [*own, *scratch])
        results = self.builder_.emit(with_room, name_hint=self._name)
        if len(own) == 1:
            return TupleGetItem(results, 0)
        return relax.Tuple([TupleGetItem(results, k) for k in range(len(own))])
