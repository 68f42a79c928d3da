"""Rules for sums and products of two tensors, and every function of one tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference import activation, elementwise
from tvm_tiny.reference.arithmetic import quantize_multiplier
from tvm_tiny.reference.quantization import Quant, requantize

from .island import Island
from .quantized import Quantized, constant, number

# All int8 values in the order of a table: index x + 128.
_DOMAIN = np.arange(-128, 128).astype("int8")


def quant(leaf: Quantized) -> Quant:
    """Scale and zero point of a per-tensor leaf."""
    return Quant(leaf.real_scale, leaf.zp)


def lookup_table(x: Quantized, table: np.ndarray, low: int = -128, high: int = 127) -> Call:
    """The table, clamped, applied to every element."""
    return ops.call("lut", [x.expr, constant(np.clip(table, low, high), "int8")])


def requantized(island: Island, x: Quantized) -> relax.Expr:
    """`x` at the island's output quantization; itself where that is its own."""
    target = Quant(island.scale, island.zp)
    if quant(x) == target:
        return x.expr
    table = requantize(_DOMAIN, quant(x), target, rounding=island.reference_rounding)
    if x.array is not None:
        return constant(table[x.array.astype("int32") + 128], "int8")
    return island.emit(lookup_table(x, table))


def finish(island: Island, expr: relax.Expr, source: Quantized) -> relax.Expr:
    """`expr`, computed at the quantization of `source`, taken to the island's and clamped."""
    target = Quant(island.scale, island.zp)
    limited = (island.low, island.high) != (-128, 127)
    if quant(source) == target and not limited:
        return expr
    table = requantize(_DOMAIN, quant(source), target, rounding=island.reference_rounding)
    inner = Quantized(island.emit(expr), source.scale, source.zero_point, 0)
    return lookup_table(inner, table, island.low, island.high)


def unary(island: Island) -> relax.Expr | None:
    """Any function of one int8 tensor is a table of 256 entries: the reference's, exactly."""
    target = Quant(island.scale, island.zp)
    x = island.leaf(island.core)
    if x is not None and x.per_tensor:
        table = requantize(_DOMAIN, quant(x), target, rounding=island.reference_rounding)
        return lookup_table(x, table, island.low, island.high)
    for function in (_clipped, _curve, _hard_swish):
        found = function(island)
        if found is not None:
            x, evaluate = found
            return lookup_table(x, evaluate(_DOMAIN, quant(x), target), island.low, island.high)
    return None


Evaluate = Callable[[np.ndarray, Quant, Quant], np.ndarray]


def _clipped(island: Island) -> tuple[Quantized, Evaluate] | None:
    limits = island.limits(island.core)
    if limits is None:
        return None
    x = island.activation(island.value(island.core).args[0])
    if x is None:
        return None
    rounding = island.reference_rounding
    return x, lambda values, xq, yq: activation.clip(values, xq, yq, limits, rounding)


def _curve(island: Island) -> tuple[Quantized, Evaluate] | None:
    call = island.match(island.core, "sigmoid", "tanh", "nn.leakyrelu")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    if call.op.name == "relax.sigmoid":
        return x, activation.logistic
    if call.op.name == "relax.tanh":
        return x, activation.tanh
    alpha = float(call.attrs.alpha)
    return x, lambda values, xq, yq: activation.leaky_relu(values, xq, yq, alpha=alpha)


def _hard_swish(island: Island) -> tuple[Quantized, Evaluate] | None:
    """x * (clip(x + 3, 0, 6) / 6), in either order of factors and with * 1/6 for / 6."""
    product = island.match(island.core, "multiply")
    if product is None:
        return None
    for left, right in (product.args, reversed(product.args)):
        x = island.activation(left)
        gate = island.match(right, "divide", "multiply")
        if x is None or gate is None:
            continue
        factor = island.scalar(gate.args[1])
        wanted = 6.0 if gate.op.name == "relax.divide" else 1.0 / 6.0
        clip = island.match(gate.args[0], "clip", "nn.relu6")
        if factor is None or clip is None or not np.isclose(factor, wanted, rtol=1e-6):
            continue
        shifted = island.match(clip.args[0], "add")
        if shifted is None or island.scalar(shifted.args[1]) != 3.0:
            continue
        same = island.activation(shifted.args[0])
        bounds = clip.op.name == "relax.nn.relu6" or _is_relu6(clip)
        if same is not None and bounds and same.expr.same_as(x.expr):
            return x, activation.hard_swish
    return None


def _is_relu6(clip: Call) -> bool:
    return [number(a) for a in clip.args[1:3]] == [0.0, 6.0]


def binary(island: Island) -> relax.Expr | None:
    """quantize(a op b) of two int8 tensors -> qadd, qsubtract, qmultiply."""
    call = island.match(island.core, "add", "subtract", "multiply")
    if call is None:
        return None
    a, b = (island.activation(arg) for arg in call.args)
    if a is None or b is None:
        return None
    name = call.op.name.removeprefix("relax.")
    if name == "multiply":
        attrs = {"a_zp": a.zp, "b_zp": b.zp, "y_zp": island.zp, **_product(a, b, island)}
        return ops.call("qmultiply", [a.expr, b.expr], **attrs, **island.clamp())
    multipliers = (
        elementwise.sub_multipliers if name == "subtract" else elementwise.add_multipliers
    )
    factors = multipliers(a.real_scale, b.real_scale, island.scale)
    return ops.call(f"q{name}", [a.expr, b.expr], **sum_attributes(a, b, island, factors))


def sum_attributes(
    a: Quantized, b: Quantized, island: Island, factors: tuple[elementwise.Pair, ...]
) -> dict[str, int]:
    """Attributes of a sum or a difference; factors: of a, b and the output."""
    attrs = {"a_zp": a.zp, "b_zp": b.zp, "y_zp": island.zp, **island.clamp()}
    for operand, (multiplier, shift) in zip("aby", factors, strict=True):
        attrs |= {f"{operand}_multiplier": multiplier, f"{operand}_shift": shift}
    return attrs


def _product(a: Quantized, b: Quantized, island: Island) -> dict[str, int]:
    multiplier, shift = quantize_multiplier(a.real_scale * b.real_scale / island.scale)
    return {"multiplier": multiplier, "shift": shift}


def prelu(island: Island) -> relax.Expr | None:
    """quantize(prelu(x, alpha)), or the same as relu(x) + alpha * min(x, 0) -> qprelu."""
    found = _prelu_operands(island)
    if found is None:
        return None
    x, alpha, slopes = found
    multiplier, shift = quantize_multiplier(x.real_scale / island.scale)
    product = x.real_scale * alpha.real_scale / island.scale
    alpha_multiplier, alpha_shift = quantize_multiplier(product)
    return ops.call(
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


def _prelu_operands(island: Island) -> tuple[Quantized, Quantized, relax.Expr] | None:
    """(x, alpha, alpha in a shape that broadcasts to x)."""
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
