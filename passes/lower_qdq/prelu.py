"""The rule for PReLU, whose slopes broadcast to its input."""

from __future__ import annotations

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference import activation
from tvm_tiny.reference.arithmetic import quantize_multiplier

from .island import Island
from .quantized import Quantized, constant
from .tables import clamped, of_one_tensor


def prelu(island: Island) -> relax.Expr | None:
    """quantize(prelu(x, slopes)) -> qprelu, or a table where all slopes are equal.

    The model may have it as relu(x) + slopes * min(x, 0), too. With rounding "float32" the slopes
    are real numbers, and it is qprelu_float32.
    """
    found = _along_an_axis(island) or _as_a_sum(island)
    if found is None:
        return None
    return (_float32 if island.rounding == "float32" else _tflite)(island, *found)


# The tensor, the slopes, and the shape in which they broadcast to it (None: their own).
_Operands = tuple[Quantized, relax.Expr, tuple[int, ...] | None]


def _along_an_axis(island: Island) -> _Operands | None:
    """The operands of an nn.prelu, which has a slope for each element of one axis."""
    call = island.match(island.core, "nn.prelu")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    after = len(x.shape) - 1 - int(call.attrs.axis) % len(x.shape)
    return x, call.args[1], (-1, *[1] * after)


def _as_a_sum(island: Island) -> _Operands | None:
    """The operands of relu(x) + slopes * min(x, 0)."""
    total = island.match(island.core, "add")
    positive = island.match(total.args[0], "nn.relu") if total is not None else None
    scaled = island.match(total.args[1], "multiply") if total is not None else None
    negative = island.match(scaled.args[1], "minimum") if scaled is not None else None
    if positive is None or scaled is None or negative is None:
        return None
    x, below = island.activation(positive.args[0]), island.activation(negative.args[0])
    if x is None or below is None or island.scalar(negative.args[1]) != 0.0:
        return None
    return (x, scaled.args[0], None) if x.expr.same_as(below.expr) else None


def _tflite(
    island: Island, x: Quantized, slopes: relax.Expr, shape: tuple[int, ...] | None
) -> relax.Expr | None:
    alpha = island.activation(slopes)
    values = alpha.array if alpha is not None else None
    if alpha is None or (shape is not None and values is None):
        return None
    if values is not None and (distinct := np.unique(values)).size == 1:
        quants = x.quant, alpha.quant, island.quant
        return of_one_tensor(island, [x], lambda v: activation.prelu(v, distinct, *quants))
    multiplier, shift = quantize_multiplier(x.real_scale / island.scale)
    product = x.real_scale * alpha.real_scale / island.scale
    alpha_multiplier, alpha_shift = quantize_multiplier(product)
    result = ops.call(
        "qprelu",
        [x.expr, alpha.expr if values is None else _constant(values, shape, "int8")],
        x_zp=x.zp,
        alpha_zp=alpha.zp,
        y_zp=island.zp,
        multiplier=multiplier,
        shift=shift,
        alpha_multiplier=alpha_multiplier,
        alpha_shift=alpha_shift,
    )
    return clamped(island, result)


def _float32(
    island: Island, x: Quantized, slopes: relax.Expr, shape: tuple[int, ...] | None
) -> relax.Expr | None:
    known = island.constant(slopes)
    if known is None or not np.isfinite(known).all():
        return None
    real = known.astype("float32")
    quants = x.quant, island.quant
    if np.unique(real).size == 1:
        one = real.reshape(-1)[:1]
        return of_one_tensor(island, [x], lambda v: activation.prelu_float32(v, one, *quants))
    result = ops.call(
        "qprelu_float32",
        [x.expr, _constant(real, shape, "float32")],
        x_zp=x.zp,
        y_zp=island.zp,
        x_scale=x.real_scale,
        y_scale=island.scale,
    )
    return clamped(island, result)


def _constant(values: np.ndarray, shape: tuple[int, ...] | None, dtype: str) -> relax.Expr:
    return constant(values if shape is None else values.reshape(shape), dtype)
