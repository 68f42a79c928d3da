"""SubsampleShortcuts: a strided 1x1 shortcut first copies the pixels that it reads."""

from __future__ import annotations

from collections import Counter

import tvm
from tvm import relax
from tvm.ir import Expr, IRModule

from tvm_tiny import ops
from tvm_tiny.relax_rewrite import Binding, bindings_of, emit_named, rebuild_main, results_of
from tvm_tiny.schedules.shapes import shape_of


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.SubsampleShortcuts")
class SubsampleShortcuts:
    """Split strided 1x1 convolutions on shared tensors into a slice and a convolution.

    Before::

        y = tvm_tiny.qconv2d(x, w [O,1,1,I], strides=[2, 2], ...)

    After::

        s = tvm_tiny.strided_slice(x, strides=[1, 2, 2, 1]); y = tvm_tiny.qconv2d(s, w, ...)

    Residual networks have such convolutions in their shortcuts. In a stage the convolution can
    then wait for the other branch while only a quarter of the pixels (for stride 2) is kept.

    Requires: integer operators in main.
    Ensures: the same bytes at all outputs, the same number of multiply-accumulates.
    Does nothing when: no strided 1x1 convolution reads a tensor that has another reader.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        main = mod["main"]
        readers = Counter(
            arg
            for b in bindings_of(main)
            for arg in getattr(b.value, "args", [])
            if isinstance(arg, relax.Var)
        )
        chosen = {b.var for b in bindings_of(main) if _is_shortcut(b.value, readers)}
        if not chosen:
            return mod

        def emit(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr | None:
            return _split(builder, binding, value) if binding.var in chosen else None

        env = {param: param for param in main.params}
        return rebuild_main(mod, list(main.params), env, results_of(main), emit)


def _is_shortcut(value: Expr, readers: Counter[relax.Var]) -> bool:
    if getattr(getattr(value, "op", None), "name", "") != "tvm_tiny.qconv2d":
        return False
    strided = any(int(v) > 1 for v in value.attrs["strides"])
    pointwise = shape_of(value.args[1])[1:3] == (1, 1)
    padded = any(int(v) for v in value.attrs["padding"])
    return strided and pointwise and not padded and readers[value.args[0]] > 1


def _split(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr:
    call = binding.value
    batch, height, width, _ = shape_of(call)
    channels = shape_of(call.args[0])[3]
    strides = [1, *(int(v) for v in call.attrs["strides"]), 1]
    picked = ops.call(
        "strided_slice",
        [value.args[0]],
        begin=[0, 0, 0, 0],
        strides=strides,
        shape=[batch, height, width, channels],
    )
    source = emit_named(builder, f"{binding.var.name}_pixels", picked)
    attrs = {**dict(call.attrs.items()), "strides": [1, 1]}
    return emit_named(
        builder, binding.var.name, ops.call("qconv2d", [source, *value.args[1:]], **attrs)
    )
