"""FoldConstantChannels: channels that always have one value are not computed."""

from __future__ import annotations

import json

import numpy as np
import tvm
from tvm import relax
from tvm.ir import Call, Expr, GenericConst, IRModule

from tvm_tiny import ops
from tvm_tiny.lowering.channel_ranges import (
    Ranges,
    any_value,
    channel_ranges,
    is_depthwise,
    is_product,
    keeps_channels,
    name_of,
    pads,
)
from tvm_tiny.relax_rewrite import Binding, bindings_of, emit_named, rebuild_main, results_of
from tvm_tiny.schedules.shapes import shape_of

# Attribute of main: JSON of tensor name -> its channels that are kept, for tensors that lost some.
CHANNELS = "tvm_tiny.channels"

# Channels are kept in multiples of this: the number that SIMD instructions take at once.
_MULTIPLE = 4


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.FoldConstantChannels")
class FoldConstantChannels:
    """Remove channels that have the same value for every input, and fold that into biases.

    Before::

        a = tvm_tiny.qconv2d(x, w [128, ...]); y = tvm_tiny.qconv2d(a, v [..., 128], bias)

    After, if 108 channels of `a` have a constant value::

        a = tvm_tiny.qconv2d(x, w [20, ...]); y = tvm_tiny.qconv2d(a, v [..., 20], bias')

    Requires: integer operators in main.
    Ensures: the same bytes at all outputs. A tensor inside keeps the channels that main's
    attribute `tvm_tiny.channels` lists, with the same bytes; its other channels are gone.
    Does nothing when: fewer than four channels of each tensor between convolutions, pooling and
    fully connected layers are constant.
    """

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Rewrite main; the module given is not changed."""
        main = mod["main"]
        bindings, results = bindings_of(main), results_of(main)
        ranges = _all_ranges(main)
        kept = _kept(bindings, results, ranges)
        fewer = {var: np.flatnonzero(k) for var, k in kept.items() if not k.all()}
        if not fewer:
            return mod

        def emit(builder: relax.BlockBuilder, binding: Binding, value: Expr) -> Expr | None:
            changed = _without(binding, value, fewer, ranges)
            return None if changed is None else emit_named(builder, binding.var.name, changed)

        env = {param: param for param in main.params}
        names = {var.name: channels.tolist() for var, channels in fewer.items()}
        attrs = {CHANNELS: json.dumps(names, sort_keys=True)}
        return rebuild_main(mod, list(main.params), env, results, emit, attrs)


def folded_channels(mod: IRModule) -> dict[str, list[int]]:
    """Tensor name -> its channels that are kept, for the tensors that lost some."""
    attrs = mod["main"].attrs
    text = str(attrs[CHANNELS]) if attrs and CHANNELS in attrs else "{}"
    return dict(json.loads(text))


def _all_ranges(main: relax.Function) -> dict[relax.Var, Ranges]:
    ranges = {param: any_value(shape_of(param)) for param in main.params}
    for binding in bindings_of(main):
        if isinstance(binding.var.ty, relax.TensorType):
            ranges[binding.var] = channel_ranges(binding.value, ranges)
    return ranges


def _kept(
    bindings: list[Binding], results: list[Expr], ranges: dict[relax.Var, Ranges]
) -> dict[relax.Var, np.ndarray]:
    """Tensor -> mask of the channels that have to be kept."""
    calls = {b.var: b.value for b in bindings}
    kept = {
        var: np.full(len(bounds), var in results or not _can_shrink(calls.get(var)))
        for var, bounds in ranges.items()
    }
    total = -1
    while total != (total := sum(int(k.sum()) for k in kept.values())):
        for binding in reversed(bindings):
            _want(binding, kept, ranges)
        for channels in kept.values():
            missing = -int(channels.sum()) % _MULTIPLE if channels.any() else _MULTIPLE
            channels[np.flatnonzero(~channels)[:missing]] = True
    return kept


def _can_shrink(call: Expr | None) -> bool:
    return call is not None and (is_product(call) or keeps_channels(call))


def _want(
    binding: Binding, kept: dict[relax.Var, np.ndarray], ranges: dict[relax.Var, Ranges]
) -> None:
    """Mark in `kept` the channels of its operands that an operator needs."""
    call = binding.value
    if is_product(call):
        source = call.args[0]
        weights = call.args[1].value.numpy()[kept[binding.var]]
        used = weights.reshape(-1, weights.shape[-1]).any(axis=0)
        kept[source] |= used & ~_absorbed(call, ranges[source])
    elif keeps_channels(call):
        both = kept[call.args[0]] | kept[binding.var]
        kept[call.args[0]] |= both
        kept[binding.var] |= both
    else:
        for operand in relax.analysis.free_vars(call):
            if operand in kept:
                kept[operand] |= True


def _absorbed(call: Call, ranges: Ranges) -> np.ndarray:
    """Mask of the input channels that add the same to every sum of a product.

    Where the window may lie in the padding, these are only the channels that add nothing.
    """
    constant = ranges[:, 0] == ranges[:, 1]
    nothing = ranges[:, 0] == int(call.attrs["x_zp"])
    return np.asarray(constant & nothing if pads(call) else constant)


def _without(
    binding: Binding,
    value: Expr,
    fewer: dict[relax.Var, np.ndarray],
    ranges: dict[relax.Var, Ranges],
) -> Expr | None:
    """The operator on the kept channels alone; None where it has lost none.

    value: the binding's value, with its operands replaced already.
    """
    call, source = binding.value, getattr(binding.value, "args", [None])[0]
    outputs, inputs = fewer.get(binding.var), fewer.get(source)
    if (outputs is None and inputs is None) or not _can_shrink(call):
        return None
    if name_of(call) == "relax.reshape":
        assert outputs is not None, "a reshape has the channels of its operand"
        shape = [*shape_of(call)[:-1], len(outputs)]
        return relax.op.reshape(value.args[0], shape)
    if not is_product(call) and not is_depthwise(call):
        return None
    weights, bias, multiplier, shift = (
        a.value.numpy() for a in call.args[1:] if isinstance(a, GenericConst)
    )
    attrs = dict(call.attrs.items())
    if inputs is not None and is_product(call):
        bias = bias + _gone(call, weights, inputs, ranges[source])
        weights = weights[..., inputs]
    if outputs is not None:
        weights, bias, multiplier = weights[outputs], bias[outputs], multiplier[outputs]
        shift = shift if len(shift) == 1 else shift[outputs]
        if is_depthwise(call):
            attrs["groups"] = len(outputs)
    arrays = (weights, bias.astype("int32"), multiplier, shift)
    constants = [relax.const(np.ascontiguousarray(array)) for array in arrays]
    return ops.call(name_of(call).removeprefix("tvm_tiny."), [value.args[0], *constants], **attrs)


def _gone(call: Call, weights: np.ndarray, inputs: np.ndarray, ranges: Ranges) -> np.ndarray:
    """The amount that the removed channels, those not in `inputs`, add to each sum."""
    values = ranges[:, 0] - int(call.attrs["x_zp"])
    values[inputs] = 0
    wide = weights.astype(np.int64).reshape(len(weights), -1, weights.shape[-1])
    return np.asarray((wide * values).sum(axis=(1, 2)))
