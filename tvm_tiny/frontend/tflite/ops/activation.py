"""Activations that are operators of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph
from ..model import Operator
from ..validate import label
from .fused import clipped


def unary(function: Callable[[Any], Any]) -> Callable[[Graph, Operator], None]:
    """A converter to one Relax operator that keeps the shape."""

    def convert(graph: Graph, operator: Operator) -> None:
        data = graph.operand(operator, 0)
        graph.expect_shape(operator, data.shape)
        graph.store(operator, function(graph.real(operator, data)))

    return convert


def convert_relu6(graph: Graph, operator: Operator) -> None:
    """RELU6 clips the input's integers, which are then copied to the result.

    The limits 0 and 6 are quantized with the input's parameters. Relax sees them as the real
    numbers that these integers stand for in the result.
    """
    data, result = graph.operand(operator, 0), graph.output(operator)
    graph.expect_shape(operator, data.shape)
    low, high = 0.0, 6.0
    if data.quantization is not None and result.quantization is not None:
        low, high = (result.quantization.real(data.quantization.steps(v)) for v in (low, high))
    graph.store(operator, clipped(graph.copied(operator, data), low, high))


def convert_softmax(graph: Graph, operator: Operator) -> None:
    """SOFTMAX of beta * x over the last axis."""
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    real, beta = graph.real(operator, data), operator.number("beta")
    if not np.isfinite(beta) or beta <= 0:
        raise ModelError(f"{label(operator)}: beta {beta}; expected a finite number above 0")
    if beta != 1.0:
        real = graph.emit(relax.op.multiply(real, relax.const(beta, "float32")))
    graph.store(operator, relax.op.nn.softmax(real, axis=-1))


def convert_leaky_relu(graph: Graph, operator: Operator) -> None:
    """LEAKY_RELU: x where x >= 0, else alpha * x."""
    data, alpha = graph.operand(operator, 0), operator.number("alpha")
    if not np.isfinite(alpha):
        raise ModelError(f"{label(operator)}: alpha {alpha}; expected a finite number")
    graph.expect_shape(operator, data.shape)
    graph.store(operator, relax.op.nn.leakyrelu(graph.real(operator, data), alpha))


def convert_prelu(graph: Graph, operator: Operator) -> None:
    """PRELU: x where x >= 0, else alpha * x with a tensor alpha.

    An alpha with one value a channel becomes `R.nn.prelu`; any other is spelled out.
    """
    data, alpha = graph.operand(operator, 0), graph.operand(operator, 1)
    graph.expect_shape(operator, data.shape)
    if np.broadcast_shapes(data.shape, alpha.shape) != data.shape:
        raise ModelError(
            f"{label(operator)}: alpha '{alpha.name}' of shape {alpha.shape} does not fit "
            f"{data.shape}"
        )
    if (
        alpha.constant
        and alpha.shape
        and alpha.shape[-1] == int(np.prod(alpha.shape)) == (data.shape[-1])
    ):
        slopes = graph.real(operator, alpha, graph.constant(operator, alpha).reshape(-1))
        axis = len(data.shape) - 1
        graph.store(operator, relax.op.nn.prelu(graph.real(operator, data), slopes, axis=axis))
        return
    positive = graph.emit(relax.op.nn.relu(graph.real(operator, data)))
    zero = relax.const(0.0, "float32")
    negative = graph.emit(relax.op.minimum(graph.real(operator, data), zero))
    scaled = graph.emit(relax.op.multiply(graph.real(operator, alpha), negative))
    graph.store(operator, relax.op.add(positive, scaled))


def convert_hard_swish(graph: Graph, operator: Operator) -> None:
    """HARD_SWISH: x * relu6(x + 3) / 6.

    Source: Howard et al., Searching for MobileNetV3, 2019, section 5.2.
    """
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    shifted = graph.emit(relax.op.add(graph.real(operator, data), relax.const(3.0, "float32")))
    gate = graph.emit(clipped(shifted, 0.0, 6.0))
    gate = graph.emit(relax.op.divide(gate, relax.const(6.0, "float32")))
    graph.store(operator, relax.op.multiply(graph.real(operator, data), gate))


def convert_elu(graph: Graph, operator: Operator) -> None:
    """ELU: x where x > 0, else exp(x) - 1 (Clevert et al., 2016)."""
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    zero, one = relax.const(0.0, "float32"), relax.const(1.0, "float32")
    positive = graph.emit(relax.op.nn.relu(graph.real(operator, data)))
    negative = graph.emit(relax.op.minimum(graph.real(operator, data), zero))
    power = graph.emit(relax.op.exp(negative))
    tail = graph.emit(relax.op.subtract(power, one))
    graph.store(operator, relax.op.add(positive, tail))


def convert_gelu(graph: Graph, operator: Operator) -> None:
    """GELU: x * Phi(x), or its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    data = graph.operand(operator, 0)
    graph.expect_shape(operator, data.shape)
    function = relax.op.nn.gelu_tanh if operator.flag("approximate") else relax.op.nn.gelu
    graph.store(operator, function(graph.real(operator, data)))


CONVERTERS = {
    "ABS": unary(relax.op.abs),
    "CEIL": unary(relax.op.ceil),
    "COS": unary(relax.op.cos),
    "ELU": convert_elu,
    "EXP": unary(relax.op.exp),
    "FLOOR": unary(relax.op.floor),
    "GELU": convert_gelu,
    "HARD_SWISH": convert_hard_swish,
    "LEAKY_RELU": convert_leaky_relu,
    "LOG": unary(relax.op.log),
    "LOG_SOFTMAX": unary(lambda x: relax.op.nn.log_softmax(x, axis=-1)),
    "LOGISTIC": unary(relax.op.sigmoid),
    "NEG": unary(relax.op.negative),
    "PRELU": convert_prelu,
    "RELU": unary(relax.op.nn.relu),
    "RELU6": convert_relu6,
    "RELU_0_TO_1": unary(lambda x: clipped(x, 0.0, 1.0)),
    "RELU_N1_TO_1": unary(lambda x: clipped(x, -1.0, 1.0)),
    "ROUND": unary(relax.op.round),
    "RSQRT": unary(relax.op.rsqrt),
    "SIN": unary(relax.op.sin),
    "SOFTMAX": convert_softmax,
    "SQRT": unary(relax.op.sqrt),
    "SQUARE": unary(relax.op.square),
    "TANH": unary(relax.op.tanh),
}
