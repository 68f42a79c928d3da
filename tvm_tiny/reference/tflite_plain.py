"""TFLite operators on tensors without quantization.

Tensors are int32 and int64 (shapes, indices) or float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .flatbuffer import Operator
from .quantization import ACTIVATIONS
from .real import FUNCTIONS
from .tflite_operands import Array, Arrays, Handler, Inputs, array, fused, given, integers


def _function(function: Callable[..., Any]) -> Handler:
    """A handler that applies a NumPy function to all operands, in the result's type."""

    def run(op: Operator, inputs: Inputs) -> Arrays:
        with np.errstate(all="ignore"):  # integers wrap on overflow; infinities stay
            return [np.asarray(function(*inputs)).astype(op.outputs[0].dtype)]

    return run


def _arithmetic(function: Callable[..., Any]) -> Handler:
    """A handler for a function of two operands with a fused activation."""
    evaluate = _function(function)

    def run(op: Operator, inputs: Inputs) -> Arrays:
        (value,) = evaluate(op, inputs)
        low, high = ACTIVATIONS[fused(op)]
        return [value if low is None and high is None else np.clip(value, low, high)]

    return run


def _reduction(function: Callable[..., Any]) -> Handler:
    def run(op: Operator, inputs: Inputs) -> Arrays:
        x, axis = array(inputs, 0), tuple(integers(inputs, 1))
        value = function(x, axis=axis, keepdims=bool(op.options.KeepDims()))
        return [np.asarray(value).astype(x.dtype)]

    return run


def _divide(a: Array, b: Array) -> Array:
    """Divide; integers are rounded towards zero, as in C."""
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    if not np.all(b):
        raise ValueError("division by zero")
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))


def _power(a: Array, b: Array) -> Array:
    return FUNCTIONS["power"](a, b) if a.dtype.kind == "f" else np.asarray(np.power(a, b))


def _fill(shape: Array, value: Array) -> Array:
    return np.full([int(n) for n in shape.reshape(-1)], value.reshape(()))


def _range(*bounds: Array) -> Array:
    start, limit, delta = (int(value.reshape(())) for value in bounds)
    return np.arange(start, limit, delta)


def _shape(op: Operator, inputs: Inputs) -> Arrays:
    return [np.asarray(given(op, 0).shape, op.outputs[0].dtype)]


def _rank(op: Operator, inputs: Inputs) -> Arrays:
    return [np.asarray(len(given(op, 0).shape), op.outputs[0].dtype)]


#: Operators that read the shape of a tensor of any type.
SHAPES: dict[str, Handler] = {"RANK": _rank, "SHAPE": _shape}
#: Operators without an int8 tensor.
PLAIN: dict[str, Handler] = {
    "ABS": _function(np.abs),
    "ADD": _arithmetic(np.add),
    "DIV": _arithmetic(_divide),
    "FILL": _function(_fill),
    "FLOOR_DIV": _function(np.floor_divide),
    "FLOOR_MOD": _function(np.mod),
    "MAXIMUM": _function(np.maximum),
    "MEAN": _reduction(np.mean),
    "MINIMUM": _function(np.minimum),
    "MUL": _arithmetic(np.multiply),
    "NEG": _function(np.negative),
    "POW": _function(_power),
    "RANGE": _function(_range),
    "REDUCE_MAX": _reduction(np.max),
    "REDUCE_MIN": _reduction(np.min),
    "REDUCE_PROD": _reduction(np.prod),
    "RELU": _function(lambda x: np.maximum(x, 0)),
    "RELU6": _function(lambda x: np.clip(x, 0, 6)),
    "SQUARE": _function(np.square),
    "SQUARED_DIFFERENCE": _function(lambda a, b: np.square(a - b)),
    "SUB": _arithmetic(np.subtract),
    "SUM": _reduction(np.sum),
}
