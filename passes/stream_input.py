"""StreamInput: the caller passes the input row by row; it is never whole in memory."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.ir import IRModule

from tvm_tiny import ops
from tvm_tiny.errors import UnsupportedError
from tvm_tiny.relax_rewrite import (
    Binding,
    bindings_of,
    rebuild_main,
    results_of,
    substitute,
    with_main,
)
from tvm_tiny.schedules.shapes import row_split, spec


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.StreamInput")
class StreamInput:
    """Let the caller pass the input row by row, through the operator `tvm_tiny.push`.

    Before::

        main(x): y = tvm_tiny.qconv2d(x, ...)

    After::

        main(x): p = tvm_tiny.push(x); y = tvm_tiny.qconv2d(p, ...)

    On the virtual machine push is a copy; in C it is the function `tvmgen_<name>_push_row`, which
    the caller calls for each row. A stage that begins with it keeps only the rows that it still
    needs.

    Requires: integer operators in main.
    Ensures: the same bytes at all outputs; only push reads the input.
    Does nothing when: never.
    Raises: UnsupportedError unless main has one input, of several rows and without batch, that is
    not an output too.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Add the operator; the module given is not changed."""
        main = mod["main"]
        _require_streamable(main)
        (source,) = main.params
        rows = relax.DataflowVar(f"{source.name}_rows", source.ty)
        stream = relax.VarBinding(rows, ops.call("push", [source]))
        bindings = [_reading(rows, source, b) for b in bindings_of(main)]
        # rebuild_main normalizes this sketch into a well-formed function.
        body = relax.SeqExpr([relax.DataflowBlock([stream, *bindings])], main.body.body)
        sketch = relax.Function([source], body, main.ret_ty, main.is_pure, main.attrs)
        moved = with_main(mod, sketch)
        return rebuild_main(moved, [source], {}, results_of(sketch))


def _reading(rows: relax.Var, source: relax.Var, binding: Binding) -> Binding:
    """The binding with the streamed rows in place of the input."""
    return relax.VarBinding(binding.var, substitute(binding.value, {source: rows}))


def _require_streamable(main: relax.Function) -> None:
    if len(main.params) != 1:
        raise UnsupportedError(
            f"streamed input: the model has {len(main.params)} inputs, one is supported; "
            "compile it without --stream-input"
        )
    (source,) = main.params
    shape, dtype = spec(source)
    lead, _ = row_split(shape)
    if not lead or lead[-1] < 2 or any(extent != 1 for extent in lead[:-1]):
        raise UnsupportedError(
            f"streamed input: input '{source.name}' is {dtype} {list(shape)}: it has no rows to "
            "stream; [1, H, W, C] or [H, C] would; compile it without --stream-input"
        )
    if any(result.same_as(source) for result in results_of(main)):
        raise UnsupportedError(f"streamed input: input '{source.name}' is an output as well")
