"""TFLite operators without an integer kernel, in float32 between dequantize and quantize.

They also serve float tensors at a model's edges. A function of one int8 tensor is compiled to a
table of the values here. The others depend on the platform's math library, so a compiled model
may differ by one step where a value falls near a tie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .flatbuffer import Operator, Tensor
from .quantization import Rounding, dequantize, quantize
from .real import FUNCTIONS, quantized

Array = npt.NDArray[Any]
Arrays = list[Array]
Handler = Callable[[Operator, list[Array | None]], Arrays]


def _real(tensor: Tensor | None, value: Array | None) -> Array:
    assert tensor is not None, "float operators have no optional inputs"
    assert value is not None, "float operators have no optional inputs"
    return dequantize(value, tensor.quant) if tensor.dtype == "int8" else value


def _result(tensor: Tensor, value: Array) -> Array:
    return quantize(value, tensor.quant) if tensor.dtype == "int8" else value


def _elementwise(name: str) -> Handler:
    """An operator that is one of `real.FUNCTIONS`."""

    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        reals = [_real(t, v) for t, v in zip(op.inputs, inputs, strict=True)]
        return [_rounded(op, FUNCTIONS[name](*reals))]

    return run


def _rounded(op: Operator, values: Array) -> Array:
    """Computed as a table, since all operands but one are numbers."""
    target = op.outputs[0]
    tensors = {t.name for t in op.inputs if t is not None and (t.data is None or t.data.size > 1)}
    if target.dtype == "int8" and len(tensors) == 1:
        return quantized(values, target.quant, Rounding.TFLITE)
    return _result(target, values)


def _gelu(op: Operator, inputs: list[Array | None]) -> Arrays:
    return _elementwise("gelu_tanh" if op.options.Approximate() else "gelu")(op, inputs)


def _elu(op: Operator, inputs: list[Array | None]) -> Arrays:
    x = _real(op.inputs[0], inputs[0])
    below = FUNCTIONS["subtract"](FUNCTIONS["exp"](np.minimum(x, np.float32(0))), 1)
    return [_rounded(op, np.where(x < 0, below, x))]


def _through_float(function: Callable[..., Array]) -> Handler:
    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        reals = [_real(t, v) for t, v in zip(op.inputs, inputs, strict=True)]
        with np.errstate(all="ignore"):  # infinities and NaN saturate in quantize
            return [_result(op.outputs[0], function(*reals))]

    return run


def _reduce(function: Callable[..., Array]) -> Handler:
    def run(op: Operator, inputs: list[Array | None]) -> Arrays:
        axes = inputs[1]
        assert axes is not None, "reductions have constant axes"
        x = _real(op.inputs[0], inputs[0])
        axis = tuple(int(a) for a in axes.reshape(-1))
        return [_result(op.outputs[0], function(x, axis=axis, keepdims=op.options.KeepDims()))]

    return run


def _softmax(op: Operator, inputs: list[Array | None]) -> Arrays:
    x = _real(op.inputs[0], inputs[0])
    powers = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(op.options.Beta()))
    return [_result(op.outputs[0], powers / powers.sum(axis=-1, keepdims=True))]


def _log_softmax(x: Array) -> Array:
    shifted = x - x.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


FLOAT: dict[str, Handler] = {
    "ABS": _elementwise("abs"),
    "CEIL": _elementwise("ceil"),
    "COS": _elementwise("cos"),
    "DIV": _elementwise("divide"),
    "ELU": _elu,
    "EXP": _elementwise("exp"),
    "FLOOR": _elementwise("floor"),
    "GELU": _gelu,
    "LOG": _elementwise("log"),
    "LOGISTIC": _elementwise("sigmoid"),
    "LOG_SOFTMAX": _through_float(_log_softmax),
    "NEG": _elementwise("negative"),
    "POW": _elementwise("power"),
    "REDUCE_MAX": _reduce(np.max),
    "REDUCE_MIN": _reduce(np.min),
    "ROUND": _elementwise("round"),
    "RSQRT": _elementwise("rsqrt"),
    "SIN": _elementwise("sin"),
    "SOFTMAX": _softmax,
    "SQRT": _elementwise("sqrt"),
    "SQUARE": _elementwise("square"),
    "SQUARED_DIFFERENCE": _through_float(lambda a, b: np.square(a - b)),
    "SUM": _reduce(np.sum),
    "TANH": _elementwise("tanh"),
}
