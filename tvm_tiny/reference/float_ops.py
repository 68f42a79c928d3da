"""TFLite operators without an integer kernel, in float32 between dequantize and quantize.

They also serve float tensors at a model's inputs and outputs. A function of one int8 tensor is
compiled to a table of the values computed here. The others depend on the platform's math library,
so a compiled model may differ by one step where a value falls near a tie.
"""

from __future__ import annotations

import numpy as np

from .flatbuffer import Operator
from .quantization import Rounding, dequantize, quantize
from .real import FUNCTIONS, quantized
from .tflite_operands import Array, Arrays, Handler, Inputs, array, given


def _reals(op: Operator, inputs: Inputs) -> Arrays:
    """The operands as real numbers."""
    return [
        dequantize(value, tensor.quant) if tensor.dtype == "int8" else value
        for tensor, value in ((given(op, k), array(inputs, k)) for k in range(len(inputs)))
    ]


def _result(op: Operator, values: Array) -> Array:
    """The result in its own type.

    A function of one tensor and single numbers is quantized like the tables of activations.
    """
    target = op.outputs[0]
    if target.dtype != "int8":
        return values
    tensors = {t.name for t in op.inputs if t is not None and (t.data is None or t.data.size > 1)}
    if len(tensors) == 1:
        return quantized(values, target.quant, Rounding.TFLITE)
    return quantize(values, target.quant)


def _elementwise(name: str) -> Handler:
    """A handler for an operator that is one of `real.FUNCTIONS`."""
    return lambda op, inputs: [_result(op, FUNCTIONS[name](*_reals(op, inputs)))]


def _gelu(op: Operator, inputs: Inputs) -> Arrays:
    return _elementwise("gelu_tanh" if op.options.Approximate() else "gelu")(op, inputs)


def _elu(op: Operator, inputs: Inputs) -> Arrays:
    (x,) = _reals(op, inputs)
    below = FUNCTIONS["subtract"](FUNCTIONS["exp"](np.minimum(x, np.float32(0))), 1)
    return [_result(op, np.where(x < 0, below, x))]


def _softmax(op: Operator, inputs: Inputs) -> Arrays:
    """Softmax of float32 tensors; int8 tensors have a kernel."""
    x = array(inputs, 0)
    powers = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(op.options.Beta()))
    return [powers / powers.sum(axis=-1, keepdims=True)]


def _log_softmax(op: Operator, inputs: Inputs) -> Arrays:
    x = array(inputs, 0)
    shifted = x - x.max(axis=-1, keepdims=True)
    return [shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))]


FLOAT: dict[str, Handler] = {
    "ABS": _elementwise("abs"),
    "CEIL": _elementwise("ceil"),
    "COS": _elementwise("cos"),
    "ELU": _elu,
    "EXP": _elementwise("exp"),
    "FLOOR": _elementwise("floor"),
    "GELU": _gelu,
    "LOG": _elementwise("log"),
    "LOGISTIC": _elementwise("sigmoid"),
    "LOG_SOFTMAX": _log_softmax,
    "NEG": _elementwise("negative"),
    "POW": _elementwise("power"),
    "ROUND": _elementwise("round"),
    "RSQRT": _elementwise("rsqrt"),
    "SIN": _elementwise("sin"),
    "SOFTMAX": _softmax,
    "SQRT": _elementwise("sqrt"),
    "SQUARE": _elementwise("square"),
    "TANH": _elementwise("tanh"),
}
