"""Activations."""

from __future__ import annotations

import numpy as np

from ..draw import Quant
from .graph import Graph, Value
from .rules import MICROSOFT, SIGNED_UNIT_QUANT, UNIT_QUANT, rule, simple


@rule("Relu")
def relu(graph: Graph, x: Value) -> list[Value]:
    return simple(graph, "Relu", x, graph.quant_near(x.quant.scale))


@rule("Clip")
def clip(graph: Graph, x: Value) -> list[Value]:
    limits = graph.draw.choice(((0.0, 6.0), (-1.0, 1.0), (0.0, 1.0)))
    names = [graph.constant("limit", np.float32(v)) for v in limits]
    return simple(graph, "Clip", x, graph.quant_near(x.quant.scale), extra=names)


@rule("LeakyRelu")
def leaky_relu(graph: Graph, x: Value) -> list[Value]:
    alpha = graph.draw.choice((0.01, 0.1, 0.3))
    return simple(graph, "LeakyRelu", x, graph.quant_near(x.quant.scale), alpha=alpha)


@rule("QLinearLeakyRelu")
def qlinear_leaky_relu(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale)
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(out)]
    (name,) = graph.node("QLinearLeakyRelu", inputs, domain=MICROSOFT, alpha=0.1)
    return [graph.record(name, x.shape, out)]


@rule("PRelu", (4,))
def prelu(graph: Graph, x: Value) -> list[Value]:
    """With quantized slopes or real ones, of each channel or one for all."""
    shape = (graph.draw.choice((1, x.shape[1])), 1, 1)
    codes = graph.draw.integers(shape, -127, 127, "int8")
    if graph.draw.chance(0.5):
        slope = graph.dequantized_constant("slope", codes, np.float32(0.003))
    else:
        slope = graph.constant("slope", (codes / 256).astype(np.float32))
    return simple(graph, "PRelu", x, graph.quant_near(x.quant.scale), extra=[slope])


@rule("HardSwish")
def hard_swish(graph: Graph, x: Value) -> list[Value]:
    graph.opset = max(graph.opset, 14)
    return simple(graph, "HardSwish", x, graph.quant_near(x.quant.scale))


@rule("Sigmoid")
def sigmoid(graph: Graph, x: Value) -> list[Value]:
    return simple(graph, "Sigmoid", x, UNIT_QUANT)


@rule("QLinearSigmoid")
def qlinear_sigmoid(graph: Graph, x: Value) -> list[Value]:
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(UNIT_QUANT)]
    (name,) = graph.node("QLinearSigmoid", inputs, domain=MICROSOFT)
    return [graph.record(name, x.shape, UNIT_QUANT)]


@rule("Tanh")
def tanh(graph: Graph, x: Value) -> list[Value]:
    return simple(graph, "Tanh", x, SIGNED_UNIT_QUANT)


def _table(op: str, opset: int = 13, domain: str = "", **attrs: tuple[float | str, ...]) -> None:
    """An operator of one operand, each attribute one of the given values."""

    @rule(op)
    def unary(graph: Graph, x: Value) -> list[Value]:
        graph.opset = max(graph.opset, opset)
        given = {name: graph.draw.choice(values) for name, values in attrs.items()}
        return simple(graph, op, x, graph.quant_near(x.quant.scale), domain=domain, **given)


for _op in (
    "Abs",
    "Ceil",
    "Cos",
    "Erf",
    "Exp",
    "Floor",
    "Log",
    "Neg",
    "Reciprocal",
    "Round",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
):
    _table(_op)
_table("Celu", alpha=(1.0, 0.5))
_table("Elu", alpha=(1.0, 0.3))
_table("Gelu", opset=20, approximate=("none", "tanh"))
_table("HardSigmoid", alpha=(0.2, 1 / 6))
_table("Mish", opset=18)
_table("QuickGelu", domain=MICROSOFT)
_table("Selu")
_table("Shrink", bias=(0.0, 0.1), lambd=(0.2, 0.5))
_table("ThresholdedRelu", alpha=(0.0, 0.5))


def _number(graph: Graph, value: float) -> str:
    """A constant of one element, as a float or quantized."""
    if graph.draw.chance(0.5):
        shape = graph.draw.choice(((), (1,), (1, 1)))
        return graph.constant("number", np.full(shape, value, "float32"))
    code, scale = np.asarray(127 * np.sign(value), "int8"), np.float32(abs(value) / 127 or 1.0)
    return graph.dequantized_constant("number", code, scale)


def _between(graph: Graph, name: str, x: Value, low: float, high: float) -> str:
    """A QuantizeLinear and DequantizeLinear of that range, as quantizers put them, or nothing."""
    if graph.draw.chance(0.5):
        return name
    scale = (high - low) / 255
    return graph.dequantize(graph.quantize(name, x.shape, Quant(scale, round(-128 - low / scale))))


def _operands(graph: Graph, a: str, b: str) -> list[str]:
    return [a, b] if graph.draw.chance(0.5) else [b, a]


@rule("GatedBySigmoid")
def silu(graph: Graph, x: Value) -> list[Value]:
    real = graph.dequantize(x)
    gate = _between(graph, graph.node("Sigmoid", [real])[0], x, 0.0, 1.0)
    return _gated(graph, x, graph.draw.choice((real, graph.dequantize(x))), gate)


@rule("GatedByHardSigmoid")
def gated_by_hard_sigmoid(graph: Graph, x: Value) -> list[Value]:
    real = graph.dequantize(x)
    gate = _between(graph, graph.node("HardSigmoid", [real], alpha=1 / 6)[0], x, 0.0, 1.0)
    return _gated(graph, x, real, gate)


@rule("SpelledHardSwish")
def spelled_hard_swish(graph: Graph, x: Value) -> list[Value]:
    """x * clip(x + 3, 0, 6) / 6 with the division before or after the product."""
    draw, real = graph.draw, graph.dequantize(x)
    shifted = graph.node("Add", _operands(graph, real, _number(graph, 3.0)))[0]
    shifted = _between(graph, shifted, x, -3.0, 9.0)
    if draw.chance(0.5):
        gate = graph.node(
            "Clip", [shifted, *(graph.constant("limit", np.float32(v)) for v in (0.0, 6.0))]
        )[0]
    else:
        above = graph.node("Max", _operands(graph, shifted, _number(graph, 0.0)))[0]
        gate = graph.node("Min", _operands(graph, above, _number(graph, 6.0)))[0]
    gate = _between(graph, gate, x, 0.0, 6.0)
    if draw.chance(0.5):
        return _gated(graph, x, real, _between(graph, _sixth(graph, gate), x, 0.0, 1.0))
    product = graph.node("Mul", _operands(graph, real, gate))[0]
    return [graph.quantize(_sixth(graph, product), x.shape, graph.quant_near(x.quant.scale))]


def _sixth(graph: Graph, name: str) -> str:
    if graph.draw.chance(0.5):
        return graph.node("Div", [name, _number(graph, 6.0)])[0]
    return graph.node("Mul", _operands(graph, name, _number(graph, 1 / 6)))[0]


def _gated(graph: Graph, x: Value, real: str, gate: str) -> list[Value]:
    product = graph.node("Mul", _operands(graph, real, gate))[0]
    return [graph.quantize(product, x.shape, graph.quant_near(x.quant.scale))]


@rule("WithNumber")
def with_a_number(graph: Graph, x: Value) -> list[Value]:
    """A binary operator with a constant of one element."""
    op = graph.draw.choice(("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"))
    number = graph.draw.choice((0.5, 2.0, -1.5)) if op != "Pow" else graph.draw.choice((2.0, 0.5))
    operands = [graph.dequantize(x), _number(graph, number)]
    operands = operands if op == "Pow" or graph.draw.chance(0.5) else operands[::-1]
    name = graph.node(op, operands)[0]
    return [graph.quantize(graph.activation(name), x.shape, graph.quant_near(x.quant.scale))]


@rule("Softmax")
def softmax(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.choice((-1, -1, graph.draw.integer(0, len(x.shape) - 1)))
    quant = graph.draw.choice((UNIT_QUANT, Quant(graph.draw.log_uniform(1e-4, 0.01), -128)))
    return simple(graph, "Softmax", x, quant, axis=axis)


@rule("LogSoftmax")
def log_softmax(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(-len(x.shape), len(x.shape) - 1)
    return simple(graph, "LogSoftmax", x, graph.quant(), axis=axis)


@rule("QLinearSoftmax")
def qlinear_softmax(graph: Graph, x: Value) -> list[Value]:
    """With an `opset` before 13 everything from the axis on is one axis."""
    opset, axis = graph.draw.choice((9, 13)), graph.draw.integer(1, len(x.shape) - 1)
    if opset < 13 and np.prod(x.shape[axis:]) >= 512:
        axis = len(x.shape) - 1
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(UNIT_QUANT)]
    (name,) = graph.node("QLinearSoftmax", inputs, domain=MICROSOFT, axis=axis, opset=opset)
    return [graph.record(name, x.shape, UNIT_QUANT)]
