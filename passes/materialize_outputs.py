"""MaterializeOutputs: every output is computed by a step of its own."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule

from tvm_tiny import ops

from .rebuild import bindings_of, rebuild_main, results_of


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.MaterializeOutputs")
class MaterializeOutputs:
    """Copy outputs that are inputs, constants, or the same memory as another output.

    Before::

        main(x): return (reshape(x), y, y)

    After::

        main(x): return (copy(reshape(x)), y, copy(y))

    Requires: one function "main".
    Ensures: no two outputs share memory, and none is an input or a constant, so that each may
    be a buffer of the caller's.
    Does nothing when: this holds already.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        main = mod["main"]
        values = {b.var: b.value for b in bindings_of(main)}
        taken: set[Expr] = set(main.params)
        copies: list[int] = []
        results = results_of(main)
        for position, result in enumerate(results):
            root = _memory(result, values)
            if root in taken or root not in values:
                copies.append(position)
            taken.add(root)
        if not copies:
            return mod
        return _with_copies(mod, results, copies)


def _memory(expr: Expr, values: dict[Expr, Expr]) -> Expr:
    """The value whose memory `expr` is: behind renamings and reshapes."""
    while True:
        value = values.get(expr, expr)
        if isinstance(value, relax.Var) and not value.same_as(expr):
            expr = value
        elif isinstance(value, Call) and getattr(value.op, "name", "") == "relax.reshape":
            expr = value.args[0]
        else:
            return expr


def _with_copies(mod: IRModule, results: list[Expr], copies: list[int]) -> IRModule:
    main = mod["main"]
    bindings = bindings_of(main)
    copied = {position: _copy_binding(results[position], position) for position in copies}
    block = relax.DataflowBlock([*bindings, *copied.values()])
    outputs = [copied[k].var if k in copied else r for k, r in enumerate(results)]
    body = relax.SeqExpr([block], outputs[0] if len(outputs) == 1 else relax.Tuple(outputs))
    extended = relax.Function(main.params, body, main.ret_ty, main.is_pure, main.attrs)
    # rebuild_main normalizes the sketch above into a well-formed function.
    sketch = IRModule({**dict(mod.functions.items()), mod.get_global_var("main"): extended})
    return rebuild_main(sketch, main.params, {}, outputs)


def _copy_binding(result: Expr, position: int) -> relax.VarBinding:
    call = ops.call("copy", [result], dtype=str(result.ty.dtype))
    name = getattr(result, "name", "") or f"output_{position}"
    return relax.VarBinding(relax.DataflowVar(f"{name}_copy", result.ty), call)
