"""ONNX's elementwise operators on float32 arrays.

They are computed in the steps of the compiled code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from . import real
from .onnx_values import Node

Array = npt.NDArray[Any]
# (the operator's attributes, its operands, None for one that is absent) -> result
Evaluate = Callable[[dict[str, Any], list[Array | None]], Array]
F = real.FUNCTIONS
ONE = np.float32(1)


def _plain(name: str) -> Evaluate:
    """An operator that applies one function to all its operands."""
    return lambda attributes, args: F[name](*args)


def _chain(name: str) -> Evaluate:
    """An operator that applies a function of two operands along all of them."""
    return lambda attributes, args: reduce(F[name], [a for a in args if a is not None])


def _of(function: Callable[..., Array], **defaults: float) -> Evaluate:
    """An operator that applies a function to one operand and to float32 attributes.

    defaults: the attributes' names and default values.
    """

    def evaluate(attributes: dict[str, Any], args: list[Array | None]) -> Array:
        given = {key: np.float32(attributes.get(key, value)) for key, value in defaults.items()}
        return function(args[0], **given)

    return evaluate


def _exp_minus_one(x: Array) -> Array:
    return F["subtract"](F["exp"](x), ONE)


def _elu(x: Array, alpha: Array) -> Array:
    return F["where"](F["less"](x, 0), F["multiply"](_exp_minus_one(x), alpha), x)


def _selu(x: Array, alpha: Array, gamma: Array) -> Array:
    return F["multiply"](_elu(x, alpha), gamma)


def _celu(x: Array, alpha: Array) -> Array:
    below = F["multiply"](_exp_minus_one(F["divide"](x, alpha)), alpha)
    return F["where"](F["less"](x, 0), below, x)


def _hard_sigmoid(x: Array, alpha: Array, beta: Array) -> Array:
    return F["clip"](F["add"](F["multiply"](x, alpha), beta), 0, 1)


def _hard_swish(x: Array) -> Array:
    return F["multiply"](x, _hard_sigmoid(x, np.float32(1 / 6), np.float32(0.5)))


def _swish(x: Array, alpha: Array) -> Array:
    return F["multiply"](x, F["sigmoid"](F["multiply"](x, alpha)))


def _mish(x: Array) -> Array:
    return F["multiply"](x, F["tanh"](F["softplus"](x)))


def _softsign(x: Array) -> Array:
    return F["divide"](x, F["add"](F["abs"](x), ONE))


def _thresholded_relu(x: Array, alpha: Array) -> Array:
    return F["where"](F["greater"](x, alpha), x, np.float32(0))


def _shrink(x: Array, lambd: Array, bias: Array) -> Array:
    above = F["where"](F["greater"](x, lambd), F["subtract"](x, bias), np.float32(0))
    return F["where"](F["less"](x, -lambd), F["add"](x, bias), above)


def _clip(attributes: dict[str, Any], args: list[Array | None]) -> Array:
    low, high = (*args[1:], None, None)[:2]
    low = attributes.get("min", -np.inf) if low is None else low
    high = attributes.get("max", np.inf) if high is None else high
    return F["clip"](args[0], low, high)


def _gelu(attributes: dict[str, Any], args: list[Array | None]) -> Array:
    approximate = attributes.get("approximate", "none") == "tanh"
    return F["gelu_tanh" if approximate else "gelu"](args[0])


#: The operators of `OPERATORS` that belong to com.microsoft.
MICROSOFT = ("FastGelu", "Gelu", "QuickGelu")
OPERATORS: dict[str, Evaluate] = {
    **{name: _plain(name.lower()) for name in ("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan")},
    **{name: _plain(name.lower()) for name in ("Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp")},
    **{name: _plain(name.lower()) for name in ("Floor", "Log", "Round", "Sigmoid", "Sign", "Sin")},
    **{name: _plain(name.lower()) for name in ("Relu", "Sinh", "Softplus", "Sqrt", "Tan", "Tanh")},
    "Add": _plain("add"),
    "Celu": _of(_celu, alpha=1.0),
    "Clip": _clip,
    "Div": _plain("divide"),
    "Elu": _of(_elu, alpha=1.0),
    "FastGelu": lambda attributes, args: F["gelu_tanh"](_chain("add")(attributes, args)),
    "Gelu": _gelu,
    "HardSigmoid": _of(_hard_sigmoid, alpha=0.2, beta=0.5),
    "HardSwish": _of(_hard_swish),
    "LeakyRelu": _of(lambda x, alpha: F["leakyrelu"](x, alpha), alpha=0.01),
    "Max": _chain("maximum"),
    "Min": _chain("minimum"),
    "Mish": _of(_mish),
    "Mul": _plain("multiply"),
    "Neg": _plain("negative"),
    "Pow": _plain("power"),
    "QuickGelu": _of(_swish, alpha=1.702),
    "Reciprocal": _of(lambda x: F["divide"](ONE, x)),
    "Selu": _of(_selu, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "Shrink": _of(_shrink, lambd=0.5, bias=0.0),
    "Softsign": _of(_softsign),
    "Sub": _plain("subtract"),
    "Sum": _chain("add"),
    "Swish": _of(_swish, alpha=1.0),
    "ThresholdedRelu": _of(_thresholded_relu, alpha=1.0),
}


def evaluate(node: Node, args: list[Array | None]) -> Array | None:
    """The result of an elementwise operator on float32 operands; None for any other."""
    operator = OPERATORS.get(node.op)
    is_float = bool(args) and args[0] is not None and args[0].dtype == np.float32
    return operator(node.attributes, args) if operator is not None and is_float else None
