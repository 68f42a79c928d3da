"""MaterializeOutputs: every output is the result of an operator of its own."""

from __future__ import annotations

from collections.abc import Mapping

import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule, Tuple, TupleGetItem

from tvm_tiny import ops
from tvm_tiny.relax_rewrite import bindings_of, rebuild_main, results_of


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.MaterializeOutputs")
class MaterializeOutputs:
    """Copy outputs that are inputs, constants, or the same memory as another output.

    Before::

        main(x): return (reshape(x), y, y)

    After::

        main(x): return (copy(reshape(x)), y, copy(y))

    Requires: one function "main".
    Ensures: no two outputs share memory, and none is an input or a constant, so that the caller
    may pass a buffer for each.
    Does nothing when: this holds already.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        main = mod["main"]
        values = {b.var: b.value for b in bindings_of(main)}
        taken: set[tuple[Expr, int]] = set()
        copies: list[int] = []
        results = results_of(main)
        for position, result in enumerate(results):
            memory = _memory(result, values)
            if memory in taken or memory[0] not in values:
                copies.append(position)
            taken.add(memory)
        if not copies:
            return mod
        return _with_copies(mod, results, copies)


def _memory(expr: Expr, values: Mapping[Expr, Expr]) -> tuple[Expr, int]:
    """The expression whose memory `expr` has, and which of its results it is.

    Renamings, tuples and reshapes are followed. The expression is a key of `values` if an operator
    computes it; inputs and constants are not.
    """
    position = 0
    while True:
        value = values.get(expr, expr)
        if isinstance(value, TupleGetItem):
            expr, position = value.tuple_value, int(value.index)
        elif isinstance(value, Tuple):
            expr, position = value.fields[position], 0
        elif isinstance(value, Call) and getattr(value.op, "name", "") == "relax.reshape":
            expr = value.args[0]
        elif isinstance(value, Call) or value.same_as(expr):
            return expr, position
        else:
            expr = value


def _with_copies(mod: IRModule, results: list[Expr], copies: list[int]) -> IRModule:
    main = mod["main"]
    bindings = bindings_of(main)
    copied = {position: _copy_binding(results[position], position) for position in copies}
    block = relax.DataflowBlock([*bindings, *copied.values()])
    outputs = [copied[k].var if k in copied else r for k, r in enumerate(results)]
    body = relax.SeqExpr([block], outputs[0] if len(outputs) == 1 else relax.Tuple(outputs))
    extended = relax.Function(main.params, body, main.ret_ty, main.is_pure, main.attrs)
    # rebuild_main normalizes this sketch into a well-formed function.
    sketch = IRModule({**dict(mod.functions.items()), mod.get_global_var("main"): extended})
    return rebuild_main(sketch, main.params, {}, outputs)


def _copy_binding(result: Expr, position: int) -> relax.VarBinding:
    call = ops.call("copy", [result], dtype=str(result.ty.dtype))
    name = getattr(result, "name", "") or f"output_{position}"
    return relax.VarBinding(relax.DataflowVar(f"{name}_copy", result.ty), call)
