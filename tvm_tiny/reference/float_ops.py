"""TFLite operators without an integer kernel, in float32 between dequantize and quantize.

They also serve float tensors at a model's edges. Results depend on the platform's math
library, so a compiled model may differ by one step where a value falls near a tie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .flatbuffer import Operator, Tensor
from .quantization import dequantize, quantize

Array = npt.NDArray[Any]
Arrays = list[Array]
Handler = Callable[[Operator, list[Array | None]], Arrays]


def _real(tensor: Tensor | None, value: Array | None) -> Array:
    assert tensor is not None, "float operators have no optional inputs"
    assert value is not None, "float operators have no optional inputs"
    return dequantize(value, tensor.quant) if tensor.dtype == "int8" else value


def _result(tensor: Tensor, value: Array) -> Array:
    return quantize(value, tensor.quant) if tensor.dtype == "int8" else value


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


def _sigmoid(x: Array) -> Array:
    return np.asarray(np.float32(1.0) / (np.float32(1.0) + np.exp(-x)))


def _elu(x: Array) -> Array:
    return np.where(x < 0, np.expm1(np.minimum(x, 0)), x)


FLOAT: dict[str, Handler] = {
    "ABS": _through_float(np.abs),
    "CEIL": _through_float(np.ceil),
    "COS": _through_float(np.cos),
    "DIV": _through_float(np.divide),
    "ELU": _through_float(_elu),
    "EXP": _through_float(np.exp),
    "FLOOR": _through_float(np.floor),
    "LOG": _through_float(np.log),
    "LOGISTIC": _through_float(_sigmoid),
    "LOG_SOFTMAX": _through_float(_log_softmax),
    "NEG": _through_float(np.negative),
    "POW": _through_float(np.power),
    "REDUCE_MAX": _reduce(np.max),
    "REDUCE_MIN": _reduce(np.min),
    "ROUND": _through_float(np.round),
    "RSQRT": _through_float(lambda x: np.float32(1.0) / np.sqrt(x)),
    "SIN": _through_float(np.sin),
    "SOFTMAX": _softmax,
    "SQRT": _through_float(np.sqrt),
    "SQUARE": _through_float(np.square),
    "SQUARED_DIFFERENCE": _through_float(lambda a, b: np.square(a - b)),
    "SUM": _reduce(np.sum),
    "TANH": _through_float(np.tanh),
}
