"""TFLite operators on tensors without quantization: int32 and int64 (shapes, indices), float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .flatbuffer import Operator
from .quantization import ACTIVATIONS
from .tflite_ops import FUSED

Array = npt.NDArray[Any]
Arrays = list[Array]
Handler = Callable[[Operator, list[Array | None]], Arrays]


def _function(function: Callable[..., Array]) -> Handler:
    """A NumPy function of all operands, in the result's type, with the fused activation."""

    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        with np.errstate(all="ignore"):  # what overflows wraps; infinities stay
            value = np.asarray(function(*inputs)).astype(op.outputs[0].dtype)
        fused = getattr(op.options, "FusedActivationFunction", int)()
        low, high = ACTIVATIONS[FUSED[fused]]
        return [value if low is None and high is None else np.clip(value, low, high)]

    return run


def _reduction(function: Callable[..., Array]) -> Handler:
    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        x, axes = inputs
        assert x is not None, "reductions have two operands"
        assert axes is not None, "reductions have two operands"
        axis = tuple(int(a) for a in axes.reshape(-1))
        value = function(x, axis=axis, keepdims=bool(op.options.KeepDims()))
        return [np.asarray(value).astype(x.dtype)]

    return run


def _divide(a: Array, b: Array) -> Array:
    """Integers are divided towards zero, as in C."""
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    if not np.all(b):
        raise ValueError("division by zero")
    return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)))


def _fill(shape: Array, value: Array) -> Array:
    return np.full([int(n) for n in shape.reshape(-1)], value.reshape(()))


def _range(*bounds: Array) -> Array:
    start, limit, delta = (int(value.reshape(())) for value in bounds)
    return np.arange(start, limit, delta)


def _shape(op: Operator, inputs: list[Array | None]) -> Arrays:
    tensor = op.inputs[0]
    assert tensor is not None, "SHAPE and RANK have one operand"
    value = tensor.shape if op.name == "SHAPE" else len(tensor.shape)
    return [np.asarray(value, op.outputs[0].dtype)]


PLAIN: dict[str, Handler] = {
    "ADD": _function(np.add),
    "CAST": _function(np.asarray),
    "DIV": _function(_divide),
    "FILL": _function(_fill),
    "FLOOR_DIV": _function(np.floor_divide),
    "FLOOR_MOD": _function(np.mod),
    "MAXIMUM": _function(np.maximum),
    "MEAN": _reduction(np.mean),
    "MINIMUM": _function(np.minimum),
    "MUL": _function(np.multiply),
    "RANGE": _function(_range),
    "RANK": _shape,
    "REDUCE_PROD": _reduction(np.prod),
    "RELU": _function(lambda x: np.maximum(x, 0)),
    "RELU6": _function(lambda x: np.clip(x, 0, 6)),
    "SHAPE": _shape,
    "SUB": _function(np.subtract),
}
