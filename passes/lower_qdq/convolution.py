"""Rules for convolution and transposed convolution."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.arithmetic import quantize_multipliers
from tvm_tiny.reference.convolution import bias_steps, float32_ratio, safe_bias

from .island import Island
from .moves import axes_of
from .quantized import Quantized, array_of, constant, ints


def split_bias(island: Island, names: tuple[str, ...]) -> tuple[Call, relax.Expr | None] | None:
    """The island's core as (call of one of `names`, expression added to it or None)."""
    direct = island.match(island.core, *names)
    if direct is not None:
        return direct, None
    add = island.match(island.core, "add")
    if add is None:
        return None
    for left, right in (add.args, reversed(add.args)):
        call = island.match(left, *names)
        if call is not None:
            return call, right
    return None


def bias_of(
    island: Island, expr: relax.Expr | None, x: Quantized, w: Quantized, channels: int
) -> np.ndarray | None:
    """An added constant in steps of the accumulator, s_x * s_w, as int64 [channels].

    The constant may be float or quantized by any scale. None where `expr` cannot be a bias.
    """
    if expr is None:
        return np.zeros(channels, "int64")
    leaf = island.leaf(expr)
    values = array_of(island.value(expr)) if leaf is None else leaf.array
    if (
        values is None
        or values.size not in (1, channels)
        or values.shape[-1:] != (values.size,)[: values.ndim]
    ):
        island.decline("what is added is no constant along the output channels")
        return None
    own = None
    if leaf is not None:
        values, own = values.astype("int64").reshape(-1) - leaf.zero_point.reshape(-1), leaf.scale
    steps = np.broadcast_to(bias_steps(values, own, x.real_scale, w.scale), channels)
    if not np.abs(steps).max() <= -float(np.iinfo("int32").min):
        island.decline("a bias that does not fit int32 in steps of the accumulator")
        return None
    return np.asarray(steps, "int64")


def weights(island: Island, expr: relax.Expr, axis: int = 0) -> Quantized | None:
    """Constant weights with zero point 0, and one scale or one per output channel (`axis`).

    Values minus the zero point are int8 where all fit, else int16: they have nine bits, which
    portable kernels can multiply and micro-kernels cannot.
    """
    leaf = island.leaf(expr)
    reason = _unfit(leaf, axis) if leaf is not None else _no_leaf(island, expr)
    if leaf is None or leaf.array is None or reason is not None:
        island.decline(str(reason))
        return None
    if not np.any(leaf.zero_point):
        return leaf
    along = [-1 if k == leaf.axis else 1 for k in range(len(leaf.shape))]
    offsets = leaf.zero_point.reshape(along if leaf.zero_point.size > 1 else [])
    values = leaf.array.astype("int16") - offsets
    narrow = np.array_equal(values, values.astype("int8"))
    return Quantized(
        constant(values, "int8" if narrow else "int16"),
        leaf.scale,
        np.zeros_like(leaf.zero_point),
        leaf.axis,
    )


def _no_leaf(island: Island, expr: relax.Expr) -> str:
    is_constant = array_of(island.value(expr)) is not None
    return "weights that are not quantized" if is_constant else "weights made at run time"


def _unfit(leaf: Quantized, axis: int) -> str | None:
    """The reason why a quantized tensor cannot be weights; None if it can."""
    if leaf.array is None:
        return "weights made at run time"
    if leaf.dtype != "int8":
        return f"weights of {leaf.dtype}"
    several = leaf.scale.size != 1 and leaf.axis != axis
    return "weights whose scales do not go along the output channels" if several else None


def epilogue(
    x: Quantized, w: Quantized, bias: np.ndarray, factors: np.ndarray, island: Island
) -> tuple[list[relax.Expr], dict[str, int | str]]:
    """Operands bias, multiplier and shift of a product, and its attributes for requantizing.

    bias: the result of `bias_of`. factors: s_x * s_w / s_y, one or [O]. With rounding "float32"
    the multipliers are float32 ratios [O], and the shifts are unused.
    """
    channels = w.shape[0]
    assert w.array is not None
    # Weights that are almost all zero have biases near the int32 limits; see safe_bias.
    operands = [constant(safe_bias(bias, w.array, x.zp))]
    attrs: dict[str, int | str] = {"x_zp": x.zp, "y_zp": island.zp, **island.clamp()}
    attrs["rounding"] = island.rounding
    if island.rounding == "float32":
        ratio = float32_ratio(x.real_scale, w.scale, island.scale)
        operands += [constant(np.broadcast_to(ratio, (channels,)), "float32")]
        return [*operands, constant(np.zeros(1))], attrs
    multiplier, shift = quantize_multipliers(np.broadcast_to(factors, (channels,)))
    attrs["shifts_left"] = int(np.any(shift > 0))
    return [*operands, constant(multiplier), constant(shift)], attrs


def channel_factors(x: Quantized, w: Quantized, y_scale: float) -> np.ndarray:
    """Factors s_x * s_w / s_y per channel, computed in double from float32 scales."""
    return x.real_scale * w.scale.astype("float64").reshape(-1) / float(y_scale)


def conv2d(island: Island) -> relax.Expr | None:
    """quantize(conv2d(x, w) + bias) -> qconv2d."""
    found = split_bias(island, ("nn.conv2d",))
    if found is None:
        return None
    call, added = found
    attrs = call.attrs
    x, w = island.activation(call.args[0]), weights(island, call.args[1])
    layouts = (str(attrs.data_layout), str(attrs.kernel_layout))
    if x is None or w is None or layouts != ("NHWC", "OHWI"):
        return None
    bias = bias_of(island, added, x, w, w.shape[0])
    if bias is None:
        return None
    factors = channel_factors(x, w, island.scale)
    operands, common = epilogue(x, w, bias, factors, island)
    return ops.call(
        "qconv2d",
        [x.expr, w.expr, *operands],
        strides=ints(attrs.strides),
        padding=ints(attrs.padding),
        dilation=ints(attrs.dilation),
        groups=int(attrs.groups),
        **common,
    )


def conv2d_transpose(island: Island) -> relax.Expr | None:
    """quantize(permute(conv2d_transpose(permute(x), w)) + bias) -> qconv2d_transpose."""
    found = split_bias(island, ("permute_dims",))
    call = island.match(found[0].args[0], "nn.conv2d_transpose") if found else None
    if found is None or call is None or not _permutes(found[0], (0, 2, 3, 1)):
        return None
    data = island.match(call.args[0], "permute_dims")
    attrs = call.attrs
    if data is None or not _permutes(data, (0, 3, 1, 2)):
        return None
    groups = int(attrs.groups)
    x, w = island.activation(data.args[0]), _transposed_weights(island, call.args[1], groups)
    bias = None if x is None or w is None else bias_of(island, found[1], x, w, w.shape[0])
    if x is None or w is None or bias is None:
        return None
    factors = channel_factors(x, w, island.scale)
    operands, common = epilogue(x, w, bias, factors, island)
    return ops.call(
        "qconv2d_transpose",
        [x.expr, w.expr, *operands],
        strides=ints(attrs.strides),
        padding=ints(attrs.padding),
        dilation=ints(attrs.dilation),
        groups=groups,
        shape=ints(found[0].ty.shape),
        **common,
    )


def _transposed_weights(island: Island, expr: relax.Expr, groups: int) -> Quantized | None:
    """A transposed convolution's kernel as [O, KH, KW, I / groups].

    expr: a kernel [I, O / groups, KH, KW], where each group has I / groups adjacent inputs. It has
    one scale, or O / groups scales that all groups share.
    """
    w = weights(island, expr, axis=1)
    if w is None or w.array is None:
        return None
    inputs, share, height, width = w.shape
    grouped = w.array.reshape(groups, inputs // groups, share, height, width)
    ohwi = grouped.transpose(0, 2, 3, 4, 1).reshape(groups * share, height, width, -1)
    scale = w.scale if w.scale.size == 1 else np.tile(w.scale, groups)
    return Quantized(constant(ohwi, w.dtype), scale, np.zeros_like(scale), 0)


def _permutes(call: Call, axes: tuple[int, ...]) -> bool:
    return tuple(axes_of(call)) == axes
