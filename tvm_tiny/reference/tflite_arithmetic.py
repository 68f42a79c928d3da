"""TFLite operators that compute with int8 values: products, sums, reductions, activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import activation, dense, elementwise, log_softmax, norms, reduction
from .flatbuffer import Operator
from .quantization import activation_limits
from .tflite_operands import (
    Array,
    Arrays,
    Handler,
    Inputs,
    array,
    arrays,
    given,
    integers,
    limits_of,
    optional,
    quants,
    refuse,
)


def _fully_connected(op: Operator, inputs: Inputs) -> Arrays:
    """FULLY_CONNECTED.

    Weights that have a zero point or are computed at run time are treated as a second operand.
    """
    refuse(op, op.options.WeightsFormat(), "shuffled weights")
    weights, w = array(inputs, 1), given(op, 1)
    x, bias = array(inputs, 0).reshape(-1, weights.shape[1]), optional(inputs, 2)
    x_quant, y_quant = quants(op, 0)
    if w.zero_points.any() or (w.data is None and w.scales.size == 1):
        result = dense.batch_matmul(
            x, weights.T, x_quant, w.quant, y_quant, bias=bias, limits=limits_of(op)
        )
    else:
        result = dense.fully_connected(
            x, weights, bias, x_quant, w.scales, y_quant, limits=limits_of(op)
        )
    return [result.reshape(op.outputs[0].shape)]


def _batch_matmul(op: Operator, inputs: Inputs) -> Arrays:
    a, b = arrays(inputs)
    a = np.swapaxes(a, -1, -2) if op.options.AdjX() else a
    b = np.swapaxes(b, -1, -2) if op.options.AdjY() else b
    return [dense.batch_matmul(a, b, *quants(op, 0, 1))]


def _binary(kernel: Callable[..., Array], fused: bool = True) -> Handler:
    def run(op: Operator, inputs: Inputs) -> Arrays:
        limits = limits_of(op) if fused else None
        return [kernel(array(inputs, 0), array(inputs, 1), *quants(op, 0, 1), limits=limits)]

    return run


def _extremum(choose: Callable[[Array, Array], Array]) -> Handler:
    """MAXIMUM and MINIMUM: the kernels compare and copy integers, whatever their quantization."""
    return lambda op, inputs: [choose(array(inputs, 0), array(inputs, 1))]


def _add_n(op: Operator, inputs: Inputs) -> Arrays:
    *operands, result = quants(op, *range(len(inputs)))
    return [elementwise.add_n(arrays(inputs), operands, result)]


def _reduce(kernel: Callable[..., Array]) -> Handler:
    def run(op: Operator, inputs: Inputs) -> Arrays:
        keepdims = bool(op.options.KeepDims())
        return [kernel(array(inputs, 0), integers(inputs, 1), *quants(op, 0), keepdims=keepdims)]

    return run


def _arg_extreme(find: Callable[[Array, int], Array]) -> Handler:
    def run(op: Operator, inputs: Inputs) -> Arrays:
        (axis,) = integers(inputs, 1)
        return [find(array(inputs, 0), axis).astype(op.outputs[0].dtype)]

    return run


def _unary(kernel: Callable[..., Array], **extra: Any) -> Handler:
    return lambda op, inputs: [kernel(array(inputs, 0), *quants(op, 0), **extra)]


def _l2_normalization(op: Operator, inputs: Inputs) -> Arrays:
    return [norms.l2_normalize(array(inputs, 0), *quants(op, 0), limits=limits_of(op))]


def _softmax(op: Operator, inputs: Inputs) -> Arrays:
    return [activation.softmax(array(inputs, 0), *quants(op, 0), beta=op.options.Beta())]


def _leaky_relu(op: Operator, inputs: Inputs) -> Arrays:
    return [activation.leaky_relu(array(inputs, 0), *quants(op, 0), alpha=op.options.Alpha())]


def _prelu(op: Operator, inputs: Inputs) -> Arrays:
    return [activation.prelu(array(inputs, 0), array(inputs, 1), *quants(op, 0, 1))]


def _relu6(op: Operator, inputs: Inputs) -> Arrays:
    """RELU6: integers are clipped at the input's quantization, then copied."""
    return [np.clip(array(inputs, 0), *activation_limits("relu6", given(op, 0).quant))]


#: Operators on int8 values of any shape.
ARITHMETIC: dict[str, Handler] = {
    "ABS": _unary(activation.absolute),
    "ADD": _binary(elementwise.add),
    "ADD_N": _add_n,
    "ARG_MAX": _arg_extreme(activation.argmax),
    "ARG_MIN": _arg_extreme(activation.argmin),
    "BATCH_MATMUL": _batch_matmul,
    "DIV": _binary(elementwise.div),
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _unary(activation.hard_swish),
    "L2_NORMALIZATION": _l2_normalization,
    "LEAKY_RELU": _leaky_relu,
    "LOG_SOFTMAX": _unary(log_softmax.log_softmax),
    "LOGISTIC": _unary(activation.logistic),
    "MAXIMUM": _extremum(np.maximum),
    "MEAN": _reduce(reduction.mean),
    "MINIMUM": _extremum(np.minimum),
    "MUL": _binary(elementwise.mul),
    "PRELU": _prelu,
    "REDUCE_MAX": _reduce(reduction.largest),
    "REDUCE_MIN": _reduce(reduction.smallest),
    "RELU": _unary(activation.relu),
    "RELU6": _relu6,
    "RELU_0_TO_1": _unary(activation.relu, activation="relu_0_to_1"),
    "RELU_N1_TO_1": _unary(activation.relu, activation="relu_n1_to_1"),
    "RSQRT": _unary(activation.rsqrt),
    "SOFTMAX": _softmax,
    "SQUARED_DIFFERENCE": _binary(elementwise.squared_difference, fused=False),
    "SUB": _binary(elementwise.sub),
    "SUM": _reduce(reduction.add_up),
    "TANH": _unary(activation.tanh),
}
