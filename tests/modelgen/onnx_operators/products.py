"""Matrix products."""

from __future__ import annotations

import numpy as np

from .graph import Graph, Value
from .rules import rule
from .weights import bias_scale, draw_weights


@rule("Gemm", (2,))
def gemm(graph: Graph, x: Value) -> list[Value]:
    transposed, terms, outputs = graph.draw.chance(0.7), x.shape[1], graph.draw.channels()
    shape, axis = ((outputs, terms), 0) if transposed else ((terms, outputs), 1)
    weights, scales, bias, out = draw_weights(graph, x, shape, axis, terms)
    inputs = [graph.dequantize(x), graph.dequantized_constant("weight", weights, scales, axis)]
    if bias is not None:
        inputs.append(graph.dequantized_constant("bias", bias, bias_scale(x, scales)))
    (name,) = graph.node("Gemm", inputs, transB=int(transposed))
    return [graph.quantize(graph.activation(name), (x.shape[0], outputs), out)]


@rule("MatMul")
def matmul(graph: Graph, x: Value) -> list[Value]:
    """By constant weights [K, N], or by another activation."""
    draw, terms = graph.draw, x.shape[-1]
    shape = (terms, draw.channels())
    if draw.chance(0.6):
        weights, scales, _, out = draw_weights(graph, x, shape, 1, terms)
        other = graph.dequantized_constant("weight", weights, scales, axis=1)
    else:
        value = graph.new_input((*x.shape[:-2], *shape), graph.quant())
        other = graph.dequantize(value)
        out = graph.quant_near(x.quant.scale * value.quant.scale * 74 * terms**0.5)
    (name,) = graph.node("MatMul", [graph.dequantize(x), other])
    return [graph.quantize(name, (*x.shape[:-1], shape[1]), out)]


@rule("QLinearMatMul")
def qlinear_matmul(graph: Graph, x: Value) -> list[Value]:
    terms = x.shape[-1]
    shape = (terms, graph.draw.channels())
    weights, scales, _, out = draw_weights(graph, x, shape, 1, terms)
    scales = np.float32(np.max(scales))
    stored, zero = weights, np.int8(0)
    if graph.dtype == "uint8" and graph.draw.chance(0.5):
        stored, zero = (weights.astype("int16") + 128).astype("uint8"), np.uint8(128)
    inputs = [
        x.name,
        *graph.parameters(x.quant),
        graph.constant("weight", stored),
        graph.constant("scale", scales),
        graph.constant("zero_point", zero),
        *graph.parameters(out),
    ]
    (name,) = graph.node("QLinearMatMul", inputs)
    return [graph.record(name, (*x.shape[:-1], shape[1]), out)]
