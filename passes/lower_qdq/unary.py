"""Functions of one int8 tensor that TFLite's kernels compute in integers, as tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny.reference import activation
from tvm_tiny.reference.quantization import Quant, requantize

from .expression import DOMAIN
from .island import Island
from .quantized import Quantized, number
from .tables import lookup_table

Evaluate = Callable[[np.ndarray, Quant, Quant], np.ndarray]
Found = tuple[Quantized, Evaluate]


def tflite_unary(island: Island) -> relax.Expr | None:
    """quantize(f(x)), where TFLite computes f in integers -> a lut of the reference's values."""
    if island.rounding != "tflite":
        return None
    for function in (_requantize, _clip, _operator, _hard_swish):
        found = function(island)
        if found is not None:
            x, evaluate = found
            table = evaluate(DOMAIN, x.quant, island.quant)
            return lookup_table(x.expr, table, island.low, island.high)
    return None


def _requantize(island: Island) -> Found | None:
    x = island.leaf(island.core)
    return (x, requantize) if x is not None and x.per_tensor else None


def _clip(island: Island) -> Found | None:
    limits = island.limits(island.core)
    x = island.activation(island.value(island.core).args[0]) if limits is not None else None
    if limits is None or x is None:
        return None
    return x, lambda values, xq, yq: activation.clip(values, xq, yq, limits)


_OPERATORS: dict[str, Evaluate] = {
    "abs": activation.absolute,
    "rsqrt": activation.rsqrt,
    "sigmoid": activation.logistic,
    "tanh": activation.tanh,
}


def _operator(island: Island) -> Found | None:
    call = island.match(island.core, *_OPERATORS, "nn.leakyrelu")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    name = call.op.name.removeprefix("relax.")
    if name in _OPERATORS:
        return x, _OPERATORS[name]
    alpha = float(call.attrs.alpha)
    return x, lambda values, xq, yq: activation.leaky_relu(values, xq, yq, alpha=alpha)


def _hard_swish(island: Island) -> Found | None:
    """A hard-swish, x times clip(x + 3, 0, 6) / 6, in any spelling."""
    product = island.match(island.core, "multiply")
    for left, right in (product.args, reversed(product.args)) if product is not None else ():
        x, gated = island.activation(left), _gated(island, right)
        same = island.activation(gated) if gated is not None else None
        if x is not None and same is not None and same.expr.same_as(x.expr):
            return x, activation.hard_swish
    return None


def _gated(island: Island, expr: relax.Expr) -> relax.Expr | None:
    """The expression x, where `expr` is clip(x + 3, 0, 6) / 6; else None."""
    gate = island.match(expr, "divide", "multiply")
    factor = island.scalar(gate.args[1]) if gate is not None else None
    clip = island.match(gate.args[0], "clip", "nn.relu6") if gate is not None else None
    if gate is None or clip is None or factor is None or not _is_relu6(clip):
        return None
    wanted = 6.0 if gate.op.name == "relax.divide" else 1.0 / 6.0
    shifted = island.match(clip.args[0], "add")
    if shifted is None or island.scalar(shifted.args[1]) != 3.0:
        return None
    return shifted.args[0] if np.isclose(factor, wanted, rtol=1e-6) else None


def _is_relu6(clip: Call) -> bool:
    is_named = clip.op.name == "relax.nn.relu6"
    return is_named or [number(a) for a in clip.args[1:3]] == [0.0, 6.0]
