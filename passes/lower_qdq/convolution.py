"""Rules for convolution, transposed convolution, fully connected layers and matrix products."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.arithmetic import quantize_multiplier, quantize_multipliers

from .island import Island, Quantized, constant


def _split_bias(island: Island, names: tuple[str, ...]) -> tuple[Call, Quantized | None] | None:
    """`core` as (call of one of `names`, int32 bias or None)."""
    direct = island.match(island.core, *names)
    if direct is not None:
        return direct, None
    add = island.match(island.core, "add")
    if add is None:
        return None
    for left, right in (add.args, reversed(add.args)):
        call, bias = island.match(left, *names), island.leaf(right)
        if call is not None and bias is not None and bias.dtype == "int32":
            return call, bias
    return None


def _weights(island: Island, expr: relax.Expr) -> Quantized | None:
    """A constant int8 tensor, symmetric, with scales per output channel or one for all."""
    leaf = island.leaf(expr)
    if leaf is None or leaf.array is None or leaf.dtype != "int8" or np.any(leaf.zero_point):
        return None
    return leaf if leaf.scale.size == 1 or leaf.axis == 0 else None


def _epilogue(
    x: Quantized, bias: Quantized | None, factors: np.ndarray, island: Island, channels: int
) -> tuple[list[relax.Expr], dict[str, int]]:
    """Bias, multiplier and shift operands [O], and the attributes every such operator has."""
    multiplier, shift = quantize_multipliers(np.broadcast_to(factors, (channels,)))
    values = np.zeros(channels, "int32") if bias is None else bias.array
    assert values is not None
    operands = [constant(values.reshape(channels)), constant(multiplier), constant(shift)]
    attrs = {"x_zp": x.zp, "y_zp": island.zp, "shifts_left": int(np.any(shift > 0))}
    return operands, attrs | island.clamp()


def _channel_factors(x: Quantized, w: Quantized, y_scale: float) -> np.ndarray:
    """s_x * s_w / s_y per channel, each float32 scale widened to double first."""
    return x.real_scale * w.scale.astype("float64").reshape(-1) / float(y_scale)


def conv2d(island: Island) -> relax.Expr | None:
    """quantize(conv2d(x, w) + bias) -> qconv2d."""
    found = _split_bias(island, ("nn.conv2d",))
    if found is None:
        return None
    call, bias = found
    attrs = call.attrs
    x, w = island.activation(call.args[0]), _weights(island, call.args[1])
    layouts = (str(attrs.data_layout), str(attrs.kernel_layout))
    if x is None or w is None or layouts != ("NHWC", "OHWI") or (bias and bias.array is None):
        return None
    factors = _channel_factors(x, w, island.scale)
    operands, common = _epilogue(x, bias, factors, island, w.shape[0])
    return ops.call(
        "qconv2d",
        [x.expr, w.expr, *operands],
        strides=_ints(attrs.strides),
        padding=_ints(attrs.padding),
        dilation=_ints(attrs.dilation),
        groups=int(attrs.groups),
        **common,
    )


def conv2d_transpose(island: Island) -> relax.Expr | None:
    """quantize(permute(conv2d_transpose(permute(x), permute(w))) + bias) -> qconv2d_transpose."""
    found = _split_bias(island, ("permute_dims",))
    call = island.match(found[0].args[0], "nn.conv2d_transpose") if found else None
    if found is None or call is None or not _permutes(found[0], (0, 2, 3, 1)):
        return None
    data = island.match(call.args[0], "permute_dims")
    attrs = call.attrs
    if data is None or not _permutes(data, (0, 3, 1, 2)) or int(attrs.groups) != 1:
        return None
    if _ints(attrs.dilation) != [1, 1]:
        return None
    x, w = island.activation(data.args[0]), _transposed_weights(island, call.args[1])
    bias = found[1]
    if x is None or w is None or (bias and bias.array is None):
        return None
    factors = _channel_factors(x, w, island.scale)
    operands, common = _epilogue(x, bias, factors, island, w.shape[0])
    return ops.call(
        "qconv2d_transpose",
        [x.expr, w.expr, *operands],
        strides=_ints(attrs.strides),
        padding=_ints(attrs.padding),
        shape=_ints(found[0].ty.shape),
        **common,
    )


def _transposed_weights(island: Island, expr: relax.Expr) -> Quantized | None:
    """Kernel of a transposed convolution as OHWI, from IOHW or a permuted OHWI."""
    permuted = island.match(expr, "permute_dims")
    leaf = island.leaf(permuted.args[0] if permuted else expr)
    if leaf is None or leaf.array is None or leaf.dtype != "int8" or np.any(leaf.zero_point):
        return None
    iohw = leaf.array.transpose(_ints(permuted.attrs.axes)) if permuted else leaf.array
    axis = _ints(permuted.attrs.axes).index(leaf.axis) if permuted else leaf.axis
    if leaf.scale.size != 1 and axis != 1:
        return None
    ohwi = constant(iohw.transpose(1, 2, 3, 0), "int8")
    return Quantized(ohwi, leaf.scale, leaf.zero_point, 0)


def matmul(island: Island) -> relax.Expr | None:
    """quantize(x @ permute(w) + bias) -> qdense; of two activations -> qbatch_matmul."""
    found = _split_bias(island, ("matmul",))
    if found is None:
        return None
    call, bias = found
    x = island.activation(call.args[0])
    if x is None or len(x.shape) < 2:
        return None
    dense = _dense(island, call, x, bias)
    if dense is not None or bias is not None:
        return dense
    return _batch_matmul(island, call, x)


def _dense(
    island: Island, call: Call, x: Quantized, bias: Quantized | None
) -> relax.Expr | None:
    w = _dense_weights(island, call.args[1])
    if w is None or (bias and bias.array is None):
        return None
    # With one scale TFLite multiplies the two float32 scales in single precision.
    factors = (
        np.float64(np.float32(x.real_scale) * w.scale.reshape(-1).astype("float32")) / island.scale
        if w.scale.size == 1
        else _channel_factors(x, w, island.scale)
    )
    operands, common = _epilogue(x, bias, factors, island, w.shape[0])
    return ops.call("qdense", [x.expr, w.expr, *operands], **common)


def _dense_weights(island: Island, expr: relax.Expr) -> Quantized | None:
    """Constant weights as [O, I], from permute_dims([O, I]) or a plain [I, O]."""
    permuted = island.match(expr, "permute_dims")
    if permuted is not None:
        return _rank(_weights(island, permuted.args[0]), 2)
    leaf = island.leaf(expr)
    if leaf is None or leaf.array is None or leaf.dtype != "int8" or np.any(leaf.zero_point):
        return None
    if len(leaf.shape) != 2 or (leaf.scale.size != 1 and leaf.axis != 1):
        return None
    return Quantized(constant(leaf.array.T, "int8"), leaf.scale, leaf.zero_point, 0)


def _rank(leaf: Quantized | None, rank: int) -> Quantized | None:
    return leaf if leaf is not None and len(leaf.shape) == rank else None


def _batch_matmul(island: Island, call: Call, a: Quantized) -> relax.Expr | None:
    swap = island.match(call.args[1], "permute_dims")
    b = island.activation(swap.args[0] if swap else call.args[1])
    if b is None or len(b.shape) < 2:
        return None
    operand = b.expr
    if swap is not None:
        operand = island.emit(ops.call("transpose", [b.expr], axes=_axes(swap)))
    if len({*a.shape[:-2]} - {1}) and a.shape[:-2] != b.shape[:-2] and _count(b.shape[:-2]) != 1:
        return None
    # TFLite multiplies the two float32 scales in single precision here too.
    product = float(np.float32(a.real_scale) * np.float32(b.real_scale))
    multiplier, shift = quantize_multiplier(product / island.scale)
    return ops.call(
        "qbatch_matmul",
        [a.expr, operand],
        a_zp=a.zp,
        b_zp=b.zp,
        y_zp=island.zp,
        multiplier=multiplier,
        shift=shift,
        **island.clamp(),
    )


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype="int64"))


def _ints(values: object) -> list[int]:
    return [int(v) for v in values]  # type: ignore[attr-defined]


def _axes(call: Call) -> list[int]:
    """Axes of a permute_dims; none given means all reversed."""
    rank = len(call.args[0].ty.shape)
    return _ints(call.attrs.axes) if call.attrs.axes is not None else list(range(rank))[::-1]


def _permutes(call: Call, axes: tuple[int, ...]) -> bool:
    return tuple(_axes(call)) == axes
