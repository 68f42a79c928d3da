"""Elementwise functions of real numbers as float32 arrays, for the tables of activations.

Sums, products, quotients and square roots are IEEE float32 operations, and so equal on every host.
Every other function is computed in double and rounded to float32 once. Math libraries differ in the
last bits of a double, so two hosts give different float32 values only where the exact one lies
within 2^-52 of its size from the middle between two float32 numbers: one value in about 2^28.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import Int8Array, clamp_to_int8, round_half_away_array
from .quantization import Quant, Rounding, quantize, without_nan

Array = npt.NDArray[Any]
Function = Callable[..., Array]


def _single(function: Callable[..., Any]) -> Function:
    """A function computed with float32 operations; bool conditions stay bool."""

    def evaluate(*args: Any) -> Array:
        with np.errstate(all="ignore"):  # infinities and NaN are values like any other
            return _narrow(function(*map(_narrow, args)))

    return evaluate


def _narrow(value: Any) -> Array:
    array = np.asarray(value)
    return array if array.dtype == np.bool_ else array.astype(np.float32)


def _double(function: Callable[..., Any]) -> Function:
    """A function computed in double and rounded to float32."""
    return _single(lambda *args: function(*(np.asarray(a, np.float64) for a in args)))


_erf = np.vectorize(math.erf, otypes=[np.float64])
_erfc = np.vectorize(math.erfc, otypes=[np.float64])
_SQRT_HALF = math.sqrt(0.5)
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
# Klambauer et al., Self-Normalizing Neural Networks, 2017: the fixed point of mean 0, variance 1.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _sigmoid(x: Array) -> Array:
    power = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, power) / (1.0 + power))


def _gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * _erfc(-x * _SQRT_HALF))


def _gelu_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1.0 + np.tanh(_SQRT_2_OVER_PI * (x + 0.044715 * x**3))))


def _selu(x: Array) -> Array:
    return SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0.0)))


#: Name -> function of float32 arrays (bool ones for conditions) that broadcast.
FUNCTIONS: dict[str, Function] = {
    "abs": _single(np.abs),
    "acos": _double(np.arccos),
    "acosh": _double(np.arccosh),
    "add": _single(np.add),
    "asin": _double(np.arcsin),
    "asinh": _double(np.arcsinh),
    "atan": _double(np.arctan),
    "atanh": _double(np.arctanh),
    "ceil": _single(np.ceil),
    "clip": _single(lambda x, low, high: np.minimum(np.maximum(x, low), high)),
    "cos": _double(np.cos),
    "cosh": _double(np.cosh),
    "divide": _single(np.divide),
    "equal": _single(np.equal),
    "erf": _double(_erf),
    "exp": _double(np.exp),
    "floor": _single(np.floor),
    "gelu": _double(_gelu),
    "gelu_tanh": _double(_gelu_tanh),
    "greater": _single(np.greater),
    "greater_equal": _single(np.greater_equal),
    "isinf": _single(np.isinf),
    "isnan": _single(np.isnan),
    "leakyrelu": _single(lambda x, alpha: np.where(x >= 0, x, alpha * x)),
    "less": _single(np.less),
    "less_equal": _single(np.less_equal),
    "log": _double(np.log),
    "logical_and": _single(np.logical_and),
    "logical_not": _single(np.logical_not),
    "logical_or": _single(np.logical_or),
    "logical_xor": _single(np.logical_xor),
    "maximum": _single(np.maximum),
    "minimum": _single(np.minimum),
    "multiply": _single(np.multiply),
    "negative": _single(np.negative),
    "not_equal": _single(np.not_equal),
    "power": _double(np.power),
    "relu": _single(lambda x: np.maximum(x, np.float32(0))),
    "relu6": _single(lambda x: np.clip(x, np.float32(0), np.float32(6))),
    "round": _single(np.rint),
    "rsqrt": _single(lambda x: np.float32(1) / np.sqrt(x)),
    "selu": _double(_selu),
    "sigmoid": _double(_sigmoid),
    "sign": _single(np.sign),
    "silu": _double(lambda x: x * _sigmoid(x)),
    "sin": _double(np.sin),
    "sinh": _double(np.sinh),
    "softplus": _double(lambda x, beta=1.0: np.logaddexp(0.0, beta * x) / beta),
    "sqrt": _single(np.sqrt),
    "square": _single(np.square),
    "subtract": _single(np.subtract),
    "tan": _double(np.tan),
    "tanh": _double(np.tanh),
    "trunc": _single(np.trunc),
    "where": _single(np.where),
}


def quantized(values: Array, quant: Quant, rounding: Rounding) -> Int8Array:
    """float32 values in steps of `quant`, rounded as in the runtime's own tables.

    TFLite multiplies by the float32 inverse of the scale, ties go away from zero; onnxruntime
    divides, ties go to even. NaN becomes the lowest value.
    """
    if rounding is Rounding.FLOAT32:
        return quantize(values, quant, rounding=rounding)
    with np.errstate(all="ignore"):
        steps = values * (np.float32(1) / np.float32(quant.scale))
    return clamp_to_int8(round_half_away_array(without_nan(steps)) + quant.zero_point)
