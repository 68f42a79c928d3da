"""InplaceDepthwise: depthwise convolutions write over their input, one channel at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import tvm
from tvm import relax
from tvm.ir import Expr, IRModule

from tvm_tiny import ops
from tvm_tiny.lowering.row_kernels import overlap_bytes
from tvm_tiny.relax_rewrite import Binding, bindings_of, emit_named, rebuild_main, results_of
from tvm_tiny.schedules.shapes import shape_of


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.InplaceDepthwise")
class InplaceDepthwise:
    """Let depthwise convolutions write over their input where that takes less scratch.

    Before::

        y = tvm_tiny.qconv2d(x, w, ..., groups=C)       # y overlaps x but for some rows

    After::

        y = tvm_tiny.qdepthwise_planes(x, w, ...)       # y is at x, beside a scratch plane [H, W]

    The result of a row kernel has to stay about one row of all channels away from its input. A
    plane of one channel is smaller where the image is small and deep; but the input is copied once
    more. After MCUNet (Lin et al., NeurIPS 2020, section 3.2).

    always: replace operators even where the plane is not smaller.

    Requires: integer operators in main; a replaced operator cannot become part of a stage.
    Ensures: the same bytes; result and input of a replaced operator have the same memory.
    Does nothing when: no depthwise convolution with input and output of one shape is the only
    reader of its input, or none takes less memory this way. Inputs of the model are never
    overwritten.
    """

    def __init__(self, always: bool = False) -> None:
        self.always = always

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        main = mod["main"]
        readers = _readers(main)
        chosen = {b.var for b in bindings_of(main) if self._is_better(b.value, readers)}
        if not chosen:
            return mod

        def emit(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr | None:
            if binding.var not in chosen:
                return None
            planes = ops.call("qdepthwise_planes", value.args, **dict(value.attrs.items()))
            return emit_named(builder, binding.var.name, planes)

        env = {param: param for param in main.params}
        return rebuild_main(mod, list(main.params), env, results_of(main), emit)

    def _is_better(self, value: Expr, readers: Mapping[Expr, int]) -> bool:
        if getattr(getattr(value, "op", None), "name", "") != "tvm_tiny.qconv2d":
            return False
        shape = shape_of(value.args[0])
        depthwise = int(value.attrs["groups"]) == shape[3] == shape_of(value.args[1])[0]
        if not depthwise or shape_of(value) != shape or shape[0] != 1:
            return False
        if readers.get(value.args[0]) != 1:
            return False
        return self.always or shape[1] * shape[2] < overlap_bytes(value)


def _readers(main: relax.Function) -> Counter[Expr]:
    """The number of readers of each tensor that main computes; main's result is one."""
    made = {b.var for b in bindings_of(main)}
    used = [a for b in bindings_of(main) for a in relax.analysis.free_vars(b.value)]
    return Counter(a for a in [*used, *results_of(main)] if a in made)
