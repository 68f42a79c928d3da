"""Elementwise functions of one operand with attributes, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import relax

from ..graph import Node
from .context import Context, dims
from .tail import convert_by_tvm

op = relax.op


Do = Callable[..., Any]


def steps(context: Context) -> Do:
    """A function that emits a Relax operator; float operands become float32 constants."""

    def do(operator: Callable[..., Any], *args: Any) -> Any:
        operands = [relax.const(a, "float32") if isinstance(a, float) else a for a in args]
        return context.emit(operator(*operands))

    return do


def formula(function: Do, **defaults: float) -> Callable[[Context, Node], list[Any]]:
    """A converter that spells a function out in steps.

    `function` takes the emitter of `steps`, the operand, and the attributes with these defaults.
    """

    def convert(context: Context, node: Node) -> list[Any]:
        given = {name: float(node.attrs.get(name, value)) for name, value in defaults.items()}
        return [function(steps(context), context.value(node.inputs[0]), **given)]

    return convert


def celu(do: Do, x: Any, alpha: float) -> Any:
    """Celu: alpha * (exp(x / alpha) - 1) where x < 0, else x."""
    return _negative_part(do, x, do(op.divide, x, alpha), alpha)


def elu(do: Do, x: Any, alpha: float) -> Any:
    """Elu: alpha * (exp(x) - 1) where x < 0, else x."""
    return _negative_part(do, x, x, alpha)


def _negative_part(do: Do, x: Any, exponent: Any, factor: float) -> Any:
    power = do(op.subtract, do(op.exp, exponent), 1.0)
    return do(op.where, do(op.less, x, 0.0), do(op.multiply, power, factor), x)


def selu(do: Do, x: Any, alpha: float, gamma: float) -> Any:
    """Selu: gamma * elu(x)."""
    return do(op.multiply, elu(do, x, alpha), gamma)


def hard_sigmoid(do: Do, x: Any, alpha: float, beta: float) -> Any:
    """HardSigmoid: alpha * x + beta, clipped to 0 .. 1."""
    return do(_clip(0.0, 1.0), do(op.add, do(op.multiply, x, alpha), beta))


def hard_swish(do: Do, x: Any) -> Any:
    """HardSwish: x * hard_sigmoid(x)."""
    return do(op.multiply, x, hard_sigmoid(do, x, 1.0 / 6.0, 0.5))


def swish(do: Do, x: Any, alpha: float) -> Any:
    """Swish: x * sigmoid(alpha * x)."""
    return do(op.multiply, x, do(op.sigmoid, do(op.multiply, x, alpha)))


def mish(do: Do, x: Any) -> Any:
    """Mish: x * tanh(softplus(x))."""
    return do(op.multiply, x, do(op.tanh, do(op.nn.softplus, x)))


def softsign(do: Do, x: Any) -> Any:
    """Softsign: x / (1 + |x|)."""
    return do(op.divide, x, do(op.add, do(op.abs, x), 1.0))


def thresholded_relu(do: Do, x: Any, alpha: float) -> Any:
    """ThresholdedRelu: x where x > alpha, else 0."""
    return do(op.where, do(op.greater, x, alpha), x, 0.0)


def shrink(do: Do, x: Any, lambd: float, bias: float) -> Any:
    """Shrink: x moved towards 0 by `bias` where |x| > lambd, else 0."""
    above = do(op.where, do(op.greater, x, lambd), do(op.subtract, x, bias), 0.0)
    return do(op.where, do(op.less, x, -lambd), do(op.add, x, bias), above)


def _clip(low: float, high: float) -> Callable[[Any], Any]:
    return lambda x: op.clip(x, low, high)


def gelu(context: Context, node: Node) -> list[Any]:
    """Gelu by erf or, if the attribute `approximate` says so, by tanh."""
    approximate = node.attrs.get("approximate", "none") == "tanh"
    function = op.nn.gelu_tanh if approximate else op.nn.gelu
    return [context.emit(function(context.value(node.inputs[0])))]


def clip(context: Context, node: Node) -> list[Any]:
    """Clip, which becomes a relu where its only bound is a lower one of 0."""
    data = context.value(node.inputs[0])
    low, high = context.constant(node, 1, "min"), context.constant(node, 2, "max")
    lower = -np.inf if low is None else float(low.reshape(-1)[0])
    upper = np.inf if high is None else float(high.reshape(-1)[0])
    limit = float(np.finfo(np.float32).max)
    if lower == 0 and upper >= limit:
        return [context.emit(op.nn.relu(data))]
    return [context.emit(op.clip(data, max(lower, -limit), min(upper, limit)))]


def leaky_relu(do: Do, x: Any, alpha: float) -> Any:
    """LeakyRelu: x where x >= 0, else alpha * x."""
    return do(lambda data: op.nn.leakyrelu(data, alpha), x)


def prelu(context: Context, node: Node) -> list[Any]:
    """PRelu with one slope, or with one for each element of an axis."""
    data, slopes = context.value(node.inputs[0]), context.graph.real(node.inputs[1])
    if slopes is not None and slopes.size == 1:
        return [leaky_relu(steps(context), data, float(slopes.reshape(-1)[0]))]
    axis = None if slopes is None else _axis_of(slopes, dims(data))
    if slopes is None or axis is None:
        return convert_by_tvm(context, node)
    return [context.emit(op.nn.prelu(data, relax.const(slopes.reshape(-1)), axis=axis))]


def _axis_of(values: Any, shape: tuple[int, ...]) -> int | None:
    """The axis of `shape` along which `values` broadcast.

    None if there are several such axes, or none.
    """
    extents = (1,) * (len(shape) - values.ndim) + values.shape
    axes = (k for k, extent in enumerate(extents) if extent == shape[k] == values.size)
    return next(axes, None)


_SOFTMAX = {"LogSoftmax": op.nn.log_softmax, "Softmax": op.nn.softmax}


def softmax(context: Context, node: Node) -> list[Any]:
    """Softmax or LogSoftmax along one axis, after `flatten_softmax`."""
    data = context.value(node.inputs[0])
    rank = len(dims(data))
    axis = int(node.attrs["axis"]) % rank
    axis = -1 if axis == rank - 1 else axis
    return [context.emit(_SOFTMAX[node.op](data, axis))]


TABLE = {
    "Celu": formula(celu, alpha=1.0),
    "Clip": clip,
    "Elu": formula(elu, alpha=1.0),
    "Gelu": gelu,
    "HardSigmoid": formula(hard_sigmoid, alpha=0.2, beta=0.5),
    "HardSwish": formula(hard_swish),
    "LeakyRelu": formula(leaky_relu, alpha=0.01),
    "Mish": formula(mish),
    "PRelu": prelu,
    "Selu": formula(selu, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "Shrink": formula(shrink, lambd=0.5, bias=0.0),
    **dict.fromkeys(_SOFTMAX, softmax),
    "Softsign": formula(softsign),
    "Swish": formula(swish, alpha=1.0),
    "ThresholdedRelu": formula(thresholded_relu, alpha=1.0),
}
