"""One integer operator as row kernels in a loop: what LegalizeOps makes of it, too.

Importing this module tells Relax how tvm_tiny's operators are legalized, so that a module that
holds them runs on the host's virtual machine with the kernels that become C.
"""

from __future__ import annotations

from tvm import relax
from tvm.ir import Call
from tvm.relax.transform.legalize_ops.common import register_legalize

from tvm_tiny import ops

from .emit_stage import emit_in_place, emit_stage
from .row_kernels import short_name

# Operators whose kernel computes all rows at once, over its own input.
_WHOLE = ("qdepthwise_planes",)


def emit_layer(builder: relax.BlockBuilder, call: Call) -> relax.Expr:
    """The stage that runs one operator, layer by layer."""
    result = relax.Var(short_name(call), call.ty)
    (value,) = emit_stage(builder, [(result, call)], [result], short_name(call))
    return value


for _name in ops.OPERATORS:
    _whole = _name.removeprefix("tvm_tiny.") in _WHOLE
    register_legalize(_name, emit_in_place if _whole else emit_layer)
