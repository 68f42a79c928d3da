"""Rules for fully connected layers and products of two activations."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.arithmetic import quantize_multiplier
from tvm_tiny.reference.convolution import float32_ratio, safe_bias_of_product

from .convolution import bias_of, channel_factors, epilogue, split_bias, weights
from .island import Island
from .moves import axes_of
from .quantized import Quantized, constant


def matmul(island: Island) -> relax.Expr | None:
    """quantize(x @ w + bias) -> qdense, or qbatch_matmul for weights of run time."""
    found = split_bias(island, ("matmul",))
    if found is None:
        return None
    call, added = found
    x = island.activation(call.args[0])
    if x is None or len(x.shape) < 2:
        return None
    b = island.activation(call.args[1])
    if b is not None and (b.array is None or len(b.shape) != 2):
        return _batch_matmul(island, x, b, added)
    return _dense(island, call, x, added)


def _dense(island: Island, call: Call, x: Quantized, added: relax.Expr | None) -> relax.Expr | None:
    w = _dense_weights(island, call.args[1])
    bias = None if w is None else bias_of(island, added, x, w, w.shape[0])
    if w is None or bias is None:
        return None
    # With one scale TFLite multiplies the two float32 scales in single precision.
    factors = (
        np.float64(np.float32(x.real_scale) * w.scale.reshape(-1).astype("float32")) / island.scale
        if w.scale.size == 1
        else channel_factors(x, w, island.scale)
    )
    operands, common = epilogue(x, w, bias, factors, island)
    return ops.call("qdense", [x.expr, w.expr, *operands], **common)


def _dense_weights(island: Island, expr: relax.Expr) -> Quantized | None:
    """Constant weights as [O, I], from permute_dims of [O, I] or from [I, O] itself."""
    permuted = island.match(expr, "permute_dims")
    if permuted is not None:
        leaf = weights(island, permuted.args[0])
        return leaf if leaf is not None and axes_of(permuted) == [1, 0] else None
    leaf = weights(island, expr, axis=1)
    if leaf is None or leaf.array is None or len(leaf.shape) != 2:
        return None
    return Quantized(constant(leaf.array.T, leaf.dtype), leaf.scale, leaf.zero_point, 0)


def _batch_matmul(
    island: Island, a: Quantized, b: Quantized, added: relax.Expr | None
) -> relax.Expr | None:
    if len(b.shape) < 2:
        return None
    bias = bias_of(island, added, a, b, 1 if added is None else b.shape[-1])
    if bias is None:
        return None
    # TFLite multiplies the two float32 scales in single precision here too.
    product = float(np.float32(a.real_scale) * np.float32(b.real_scale))
    multiplier, shift = quantize_multiplier(product / island.scale)
    return ops.call(
        "qbatch_matmul",
        [a.expr, b.expr, constant(safe_bias_of_product(bias, a.shape[-1], a.zp, b.zp))],
        a_zp=a.zp,
        b_zp=b.zp,
        y_zp=island.zp,
        multiplier=multiplier,
        shift=shift,
        ratio=float(float32_ratio(a.real_scale, b.scale, island.scale)[0]),
        rounding=island.rounding,
        **island.clamp(),
    )
