"""RunningSums: a global average adds up its input row by row."""

from __future__ import annotations

import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule

from tvm_tiny import ops
from tvm_tiny.relax_rewrite import Binding, bindings_of, emit_named, rebuild_main, results_of
from tvm_tiny.schedules.shapes import shape_of


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.RunningSums")
class RunningSums:
    """Split each global average into running sums of the rows and their scaling.

    Before::

        y = tvm_tiny.qmean(x, axes=[1, 2], ...)         or a qavg_pool2d of one window

    After::

        s = tvm_tiny.row_sums(x); y = tvm_tiny.qmean_of_sums(s, count=H * W, ...)

    So x may be computed row by row in a stage (`StreamStages`) and never be whole in memory. The
    sums take 4 bytes per channel.

    Requires: integer operators in main.
    Ensures: the same bytes at all outputs.
    Does nothing when: no operator averages a tensor [1, H, W, C] with H > 1 over H and W.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        main = mod["main"]
        if not any(is_global_average(b.value) for b in bindings_of(main)):
            return mod
        params = list(main.params)
        env = {param: param for param in params}
        return rebuild_main(mod, params, env, results_of(main), _split)


def is_global_average(value: Expr) -> bool:
    """Whether `value` averages [1, H, W, C], with H > 1, over rows and columns."""
    name = getattr(getattr(value, "op", None), "name", "")
    if name not in ("tvm_tiny.qmean", "tvm_tiny.qavg_pool2d"):
        return False
    shape = shape_of(value.args[0])
    if len(shape) != 4 or shape[0] != 1 or shape[1] < 2:
        return False
    if name == "tvm_tiny.qmean":
        return sorted(int(a) for a in value.attrs["axes"]) == [1, 2]
    window = tuple(int(v) for v in value.attrs["pool_size"])
    return window == shape[1:3] and not any(int(v) for v in value.attrs["padding"])


def _split(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr | None:
    if not is_global_average(binding.value):
        return None
    # `value` has new operands and no inferred type yet, so shapes are read off the old binding.
    _, height, width, _ = shape_of(binding.value.args[0])
    sums = emit_named(builder, f"{binding.var.name}_sums", ops.call("row_sums", [value.args[0]]))
    return emit_named(builder, binding.var.name, _scaled(binding.value, sums, height * width))


def _scaled(call: Call, sums: Expr, count: int) -> Call:
    shape = list(shape_of(call))
    if call.op.name == "tvm_tiny.qavg_pool2d":
        limits = {name: int(call.attrs[name]) for name in ("act_min", "act_max")}
        return ops.call("qavg_of_sums", [sums], count=count, shape=shape, **limits)
    attrs = {k: v for k, v in call.attrs.items() if k not in ("axes", "shape")}
    return ops.call("qmean_of_sums", [sums], count=count, shape=shape, **attrs)
