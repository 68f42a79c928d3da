"""Rules for sums and products of two tensors, and for PReLU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference import activation, elementwise
from tvm_tiny.reference.arithmetic import quantize_multiplier

from .expression import single
from .island import Island
from .quantized import Quantized, constant
from .tables import clamped, of_one_tensor

_REFERENCE: dict[str, Callable[..., np.ndarray]] = {
    "add": elementwise.add,
    "subtract": elementwise.sub,
    "multiply": elementwise.mul,
    "divide": elementwise.div,
}


def binary(island: Island) -> relax.Expr | None:
    """quantize(a op b) of two int8 tensors -> qadd, qsubtract, qmultiply, qdivide.

    Where both are functions of one tensor, the result is a table of the operator's values. With
    rounding "float32" the rule `one_tensor` takes an operand that is a number.
    """
    call = island.match(island.core, *_REFERENCE)
    if call is None:
        return None
    a, b = (island.activation(arg) for arg in call.args)
    if a is None or b is None or (island.rounding == "float32" and _has_number(a, b)):
        return None
    name = call.op.name.removeprefix("relax.")
    quants = a.quant, b.quant, island.quant
    table = of_one_tensor(island, [a, b], lambda x, y: _REFERENCE[name](x, y, *quants))
    return _two_tensors(name, a, b, island) if table is None else table


def _has_number(*operands: Quantized) -> bool:
    return any(single(operand) is not None for operand in operands)


def _two_tensors(name: str, a: Quantized, b: Quantized, island: Island) -> relax.Expr:
    if name == "multiply":
        attrs = {"a_zp": a.zp, "b_zp": b.zp, "y_zp": island.zp, **_product(a, b, island)}
        return ops.call("qmultiply", [a.expr, b.expr], **attrs, **island.clamp())
    if name == "divide":
        reciprocals = elementwise.reciprocals(b.quant, a.real_scale, island.scale)
        attrs = {"a_zp": a.zp, "y_zp": island.zp, **island.clamp()}
        return ops.call("qdivide", [a.expr, b.expr, *map(constant, reciprocals)], **attrs)
    multipliers = (
        elementwise.sub_multipliers if name == "subtract" else elementwise.add_multipliers
    )
    factors = multipliers(a.real_scale, b.real_scale, island.scale)
    return ops.call(f"q{name}", [a.expr, b.expr], **sum_attributes(a, b, island, factors))


def sum_attributes(
    a: Quantized, b: Quantized, island: Island, factors: tuple[elementwise.Pair, ...]
) -> dict[str, int]:
    """Attributes of a sum or difference; factors: (multiplier, shift) of a, b and output."""
    attrs = {"a_zp": a.zp, "b_zp": b.zp, "y_zp": island.zp, **island.clamp()}
    for operand, (multiplier, shift) in zip("aby", factors, strict=True):
        attrs |= {f"{operand}_multiplier": multiplier, f"{operand}_shift": shift}
    return attrs


def _product(a: Quantized, b: Quantized, island: Island) -> dict[str, int]:
    multiplier, shift = quantize_multiplier(a.real_scale * b.real_scale / island.scale)
    return {"multiplier": multiplier, "shift": shift}


def prelu(island: Island) -> relax.Expr | None:
    """quantize(prelu(x, alpha)) -> qprelu, or a table where all slopes are equal.

    The model may have it as relu(x) + alpha * min(x, 0), too.
    """
    found = _prelu_operands(island)
    if found is None:
        return None
    x, alpha, slopes = found
    distinct = np.unique(alpha.array) if alpha.array is not None else np.zeros(0)
    if distinct.size == 1:
        quants = x.quant, alpha.quant, island.quant
        return of_one_tensor(island, [x], lambda v: activation.prelu(v, distinct, *quants))
    multiplier, shift = quantize_multiplier(x.real_scale / island.scale)
    product = x.real_scale * alpha.real_scale / island.scale
    alpha_multiplier, alpha_shift = quantize_multiplier(product)
    result = ops.call(
        "qprelu",
        [x.expr, slopes],
        x_zp=x.zp,
        alpha_zp=alpha.zp,
        y_zp=island.zp,
        multiplier=multiplier,
        shift=shift,
        alpha_multiplier=alpha_multiplier,
        alpha_shift=alpha_shift,
    )
    return clamped(island, result)


def _prelu_operands(island: Island) -> tuple[Quantized, Quantized, relax.Expr] | None:
    """The operands (x, alpha, alpha reshaped to broadcast to x) of a PReLU, or None."""
    call = island.match(island.core, "nn.prelu")
    if call is not None:
        x, alpha = (island.activation(arg) for arg in call.args)
        if x is None or alpha is None or alpha.array is None:
            return None
        after = len(x.shape) - 1 - int(call.attrs.axis) % len(x.shape)
        return x, alpha, constant(alpha.array.reshape(-1, *[1] * after), "int8")
    total = island.match(island.core, "add")
    positive = island.match(total.args[0], "nn.relu") if total is not None else None
    scaled = island.match(total.args[1], "multiply") if total is not None else None
    negative = island.match(scaled.args[1], "minimum") if scaled is not None else None
    if positive is None or scaled is None or negative is None:
        return None
    x, below = island.activation(positive.args[0]), island.activation(negative.args[0])
    alpha = island.activation(scaled.args[0])
    if x is None or below is None or alpha is None or island.scalar(negative.args[1]) != 0.0:
        return None
    return (x, alpha, alpha.expr) if x.expr.same_as(below.expr) else None
