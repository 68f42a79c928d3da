"""Normalizations with statistics of their own, as one operator and spelled out."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Graph, Value
from .rules import reduced, rule


def _parameters(graph: Graph, count: int) -> tuple[np.ndarray, np.ndarray]:
    return 1 + graph.draw.normal((count,)) / 4, graph.draw.normal((count,)) / 2


def _normalized(
    graph: Graph, op: str, x: Value, parameters: list[str], **attrs: Any
) -> list[Value]:
    (name,) = graph.node(op, [graph.dequantize(x), *parameters], **attrs)
    return [graph.quantize(name, x.shape, graph.quant_near(0.03))]


@rule("LayerNormalization")
def layer_normalization(graph: Graph, x: Value) -> list[Value]:
    graph.opset = max(graph.opset, 17)
    axis = graph.draw.integer(1, len(x.shape) - 1)
    shape = x.shape[axis:]
    gain, offset = (v.reshape(shape) for v in _parameters(graph, int(np.prod(shape))))
    names = [graph.constant("gain", gain)]
    if graph.draw.chance(0.7):
        names.append(graph.constant("offset", offset))
    epsilon = graph.draw.choice((1e-5, 1e-6, 1e-3))
    return _normalized(
        graph, "LayerNormalization", x, names, axis=axis - len(x.shape), epsilon=epsilon
    )


@rule("SpelledLayerNormalization")
def spelled_layer_normalization(graph: Graph, x: Value) -> list[Value]:
    """Means, difference, square, root and quotient between one pair of quantizations."""
    draw, axis = graph.draw, graph.draw.integer(1, len(x.shape) - 1)
    shape = [x.shape[axis], *[1] * (len(x.shape) - 1 - axis)]
    gain, offset = (v.reshape(shape) for v in _parameters(graph, x.shape[axis]))
    real = graph.dequantize(x)
    mean = reduced(graph, "ReduceMean", real, [axis], 1)
    (gap,) = graph.node("Sub", [real, mean])
    power = graph.constant("two", np.float32(2))
    (square,) = (
        graph.node("Pow", [gap, power]) if draw.chance(0.5) else graph.node("Mul", [gap, gap])
    )
    variance = reduced(graph, "ReduceMean", square, [axis], 1)
    (total,) = graph.node("Add", [variance, graph.constant("epsilon", np.float32(1e-5))])
    (root,) = graph.node("Sqrt", [total])
    (name,) = graph.node("Div", [gap, root])
    if draw.chance(0.8):
        (name,) = graph.node("Mul", [name, graph.constant("gain", gain)])
        (name,) = graph.node("Add", [name, graph.constant("offset", offset)])
    return [graph.quantize(name, x.shape, graph.quant_near(0.03))]


@rule("InstanceNormalization", (3, 4))
def instance_normalization(graph: Graph, x: Value) -> list[Value]:
    names = [graph.constant("parameter", v) for v in _parameters(graph, x.shape[1])]
    return _normalized(graph, "InstanceNormalization", x, names)


@rule("GroupNormalization", (3, 4))
def group_normalization(graph: Graph, x: Value) -> list[Value]:
    graph.opset = 21
    groups = graph.draw.choice([g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0])
    names = [graph.constant("parameter", v) for v in _parameters(graph, x.shape[1])]
    return _normalized(graph, "GroupNormalization", x, names, num_groups=groups)


@rule("LpNormalization")
def lp_normalization(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(0, len(x.shape) - 1)
    (name,) = graph.node("LpNormalization", [graph.dequantize(x)], axis=axis, p=2)
    return [graph.quantize(name, x.shape, graph.quant_near(1 / 128))]


@rule("BatchNormalization", (2, 3, 4))
def batch_normalization(graph: Graph, x: Value) -> list[Value]:
    """Behind a quantized tensor, so that no convolution takes it in."""
    gain, offset = _parameters(graph, x.shape[1])
    mean, variance = graph.draw.normal((x.shape[1],)), graph.draw.normal((x.shape[1],)) ** 2 + 0.1
    names = [graph.constant("parameter", v) for v in (gain, offset, mean, variance)]
    (name,) = graph.node("BatchNormalization", [graph.dequantize(x), *names])
    return [graph.quantize(graph.activation(name), x.shape, graph.quant_near(x.quant.scale))]


@rule("ChannelScale", (3, 4))
def channel_scale(graph: Graph, x: Value) -> list[Value]:
    """A product with a float constant along one axis, then perhaps a sum with another."""
    axis = graph.draw.integer(1, len(x.shape) - 1)
    shape = [x.shape[axis], *[1] * (len(x.shape) - 1 - axis)]
    gain, offset = (v.reshape(shape) for v in _parameters(graph, x.shape[axis]))
    op = graph.draw.choice(("Mul", "Div", "Add", "Sub"))
    operands = [graph.dequantize(x), graph.constant("gain", gain.astype("float32"))]
    if op != "Div" and graph.draw.chance(0.5):
        operands.reverse()
    (name,) = graph.node(op, operands)
    if graph.draw.chance(0.5):
        (name,) = graph.node("Add", [name, graph.constant("offset", offset)])
    return [graph.quantize(graph.activation(name), x.shape, graph.quant_near(x.quant.scale))]


@rule("FloatConstant")
def float_constant(graph: Graph, x: Value) -> list[Value]:
    """A sum or product with a float constant of several axes, such as a position embedding."""
    op = graph.draw.choice(("Add", "Sub", "Mul"))
    operands = [graph.dequantize(x), graph.constant("constant", graph.draw.normal(x.shape))]
    (name,) = graph.node(op, operands)
    return [graph.quantize(graph.activation(name), x.shape, graph.quant_near(x.quant.scale))]
