"""Activations."""

from __future__ import annotations

import numpy as np

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
    slope = graph.dequantized_constant(
        "slope", graph.draw.integers((x.shape[1], 1, 1), -127, 127, "int8"), np.float32(0.003)
    )
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


@rule("Softmax")
def softmax(graph: Graph, x: Value) -> list[Value]:
    return simple(graph, "Softmax", x, UNIT_QUANT, axis=-1)
