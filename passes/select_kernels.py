"""SelectKernels: operators become packed ones, which run micro-kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.ir import Call, Expr, GenericConst, IRModule

from tvm_tiny import ops
from tvm_tiny.lowering.channel_ranges import is_depthwise
from tvm_tiny.relax_rewrite import Binding, emit_named, rebuild_main, results_of
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.depthwise import pack_depthwise
from tvm_tiny.schedules.packed.isa import ISAS, Isa
from tvm_tiny.schedules.packed.packing import as_ints, pack_channels, padded
from tvm_tiny.schedules.shapes import shape_of

PORTABLE = "portable"
# The micro-kernel that reads input in place has loads one pixel apart, whose offset must stay
# below this many bytes.
_IN_PLACE_BYTES = 4096
_WINDOW = ("dilation", "groups", "padding", "strides")
_CHANNELS = ("x_zp", "y_zp", "act_min", "act_max")

Choices = Mapping[str, Choice]


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.SelectKernels")
class SelectKernels:
    """Pack the constants of operators for the micro-kernels of an instruction set.

    Before::

        y = tvm_tiny.qconv2d(x, w, bias, multiplier, shift, ...)

    After::

        y = tvm_tiny.packed.qconv2d(x, packed, params, isa="dsp", ...)

    An operator stays as it is where micro-kernels do not have its arithmetic (dilation, groups,
    weights of nine bits, shifts to the left).

    isa: a name of `schedules.packed.isa.ISAS`, or "portable" for no micro-kernels. choices:
    `workload` of a convolution or fully connected layer -> its tiling, if not the instruction set's
    default. scratch_levels: name of a tensor -> scratch level of the operator that computes it. 0
    is the fastest; each further one of `Isa.scratch_levels` needs less scratch; beyond these it is
    the portable kernel.

    Requires: integer operators in main.
    Ensures: the same bytes at all outputs.
    Does nothing when: `isa` is "portable", or no operator has micro-kernels.
    """

    def __init__(
        self,
        isa: str = PORTABLE,
        choices: Choices = MappingProxyType({}),
        scratch_levels: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.isa = isa
        self.choices = choices
        self.scratch_levels = scratch_levels

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        if self.isa == PORTABLE:
            return mod
        isa, main = ISAS[self.isa], mod["main"]

        def emit(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr | None:
            level = self.scratch_levels.get(binding.var.name, 0)
            packed = _packed(isa, binding.value, value, self.choices, level)
            return None if packed is None else emit_named(builder, binding.var.name, packed)

        env = {param: param for param in main.params}
        return rebuild_main(mod, list(main.params), env, results_of(main), emit)


def workload(isa: str, call: Call) -> str:
    """The key of a product in `choices`: all that its best choice depends on.

    These are instruction set, operator, shapes, window and padding.
    """
    attrs = {k: str(v) for k, v in sorted(call.attrs.items()) if k in _WINDOW}
    return repr((isa, call.op.name, shape_of(call.args[0]), shape_of(call.args[1]), attrs))


def _packed(isa: Isa, call: Expr, value: Expr, choices: Choices, level: int) -> Call | None:
    """The packed form of an operator, or None.

    call: the operator, with types. value: the operator with its operands replaced. level: its
    scratch level; 0 is the fastest.
    """
    name = getattr(getattr(call, "op", None), "name", "")
    if level > len(isa.scratch_levels):
        return None
    if name == "tvm_tiny.qadd":
        return _sum(isa, call, value)
    if is_depthwise(call):
        return _depthwise(isa, call, value, minimal_scratch=level > 0)
    if name in ("tvm_tiny.qconv2d", "tvm_tiny.qdense"):
        default = isa.choice if name == "tvm_tiny.qconv2d" else isa.dense
        tried: tuple[Choice, ...] = (choices.get(workload(isa.name, call), default),)
        if level > 0:
            tried = (*isa.scratch_levels[min(level, len(isa.scratch_levels)) - 1], default)
        product = _convolution if name == "tvm_tiny.qconv2d" else _dense
        found = (product(isa, call, value, choice) for choice in tried)
        return next((packed for packed in found if packed is not None), None)
    return None


def _sum(isa: Isa, call: Call, value: Call) -> Call | None:
    attrs = dict(call.attrs.items())
    shifts = [int(attrs[name]) for name in ("a_shift", "b_shift", "y_shift")]
    if any(shape_of(a) != shape_of(call) for a in call.args) or max(shifts) > 0:
        return None
    return ops.call("packed.qadd", value.args, **attrs, isa=isa.name)


def _window(call: Call) -> dict[str, Any] | None:
    """Attributes of the packed form of a convolution; None if there are no micro-kernels."""
    attrs = dict(call.attrs.items())
    if any(int(d) > 1 for d in attrs["dilation"]) or shape_of(call)[0] > 1:
        return None
    pairs = {name: [int(v) for v in attrs[name]] for name in ("strides", "padding")}
    return {"shape": shape_of(call), "kernel": shape_of(call.args[1])[1:3], **pairs}


def _depthwise(isa: Isa, call: Call, value: Call, *, minimal_scratch: bool) -> Call | None:
    window = _window(call)
    if window is None:
        return None
    widths = isa.depthwise_in_place
    in_place = widths is not None and (minimal_scratch or _is_fast_in_place(widths, call, window))
    if str(call.attrs["rounding"]) == "float32":
        # Models with this rounding have wide rows, and weights for the micro-kernel that reads
        # input in place take twice the flash.
        in_place = in_place and minimal_scratch
    extra = {**window, "in_place": int(in_place)}
    return _product(isa, call, value, "packed.qdepthwise", None, extra)


def _is_fast_in_place(
    widths: Mapping[tuple[int, int], int], call: Call, window: Mapping[str, Any]
) -> bool:
    """Whether the rows of a depthwise convolution are too short for gathering to pay."""
    height, across = window["kernel"]
    widest = widths.get((across, window["strides"][1]), 0) if height == across else 0
    return shape_of(call)[2] <= widest


def _convolution(isa: Isa, call: Call, value: Call, choice: Choice) -> Call | None:
    window = _window(call)
    if window is None or shape_of(call.args[1])[3] != shape_of(call.args[0])[3]:
        return None
    return _product(isa, call, value, "packed.qconv2d", choice, window)


def _dense(isa: Isa, call: Call, value: Call, choice: Choice) -> Call | None:
    shape = {"shape": shape_of(call)}
    return _product(isa, call, value, "packed.qdense", choice, shape)


def _product(
    isa: Isa,
    call: Call,
    value: Call,
    name: str,
    choice: Choice | None,
    extra: Mapping[str, Any],
) -> Call | None:
    arrays = [a.value.numpy() for a in call.args[1:] if isinstance(a, GenericConst)]
    if len(arrays) != 4 or arrays[0].dtype != np.int8:
        return None
    rounding = str(call.attrs["rounding"])
    isa = isa.rounding(rounding)
    weights = arrays[0].reshape(len(arrays[0]), -1)
    channels = as_ints(dict(call.attrs.items()), _CHANNELS)
    bias, multiplier, shift = arrays[1:]
    layout = isa.layout
    found = pack_channels(
        weights, bias, multiplier, shift, channels, folds=not isa.subtracts, layout=layout
    )
    if found is None:
        return None
    weights, params = found
    if choice is None:
        filters = weights.reshape(shape_of(call.args[1])[:3])
        in_place = bool(extra["in_place"])
        operands = [pack_depthwise(isa.name, filters, in_place=in_place), params]
    else:
        filters = isa.pack(weights, choice)
        if choice.chunk == 0 and not _in_place(isa, filters, call, extra):
            return None
        operands = [filters, padded(params, choice.filters, layout)]
        extra = {**extra, **choice.to_attrs()}
    kept = {key: channels[key] for key in _CHANNELS}
    constants = [relax.const(array) for array in operands]
    macs = math.prod(shape_of(call)) * weights.shape[1]
    attrs = {**extra, **kept, "isa": isa.name, "rounding": rounding, "macs": macs}
    return ops.call(name, [value.args[0], *constants], **attrs)


def _in_place(isa: Isa, filters: np.ndarray, call: Call, window: Mapping[str, Any]) -> bool:
    """Whether the micro-kernel that reads input without gathering it can compute a product."""
    channels = shape_of(call.args[0])[-1]
    step = window.get("strides", (1, 1))[1] * channels
    return (
        isa.paired is not None
        and filters.dtype == isa.paired.dtype
        and (channels % 4 == 0 and step < _IN_PLACE_BYTES)
    )
