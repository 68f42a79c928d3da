"""Folds BatchNormalization (inference) into the convolution before it, else into Mul and Add."""

from __future__ import annotations

import numpy as np

from ..graph import Array, Graph, Node, QParams, Refused


def fold_batch_norm(graph: Graph) -> None:
    """Replace each BatchNormalization by y = g * x + h for each channel.

    g = gamma / sqrt(var + eps) and h = beta - g * mean.
    """
    for node in list(graph.nodes):
        if node.op != "BatchNormalization" or node.domain:
            continue
        if any(node.outputs[1:]) or node.attrs.get("training_mode", 0):
            raise Refused(f"{node.where}: training mode is not supported")
        gain, shift = _gain_and_shift(graph, node)
        conv = graph.producers().get(node.inputs[0])
        alone = conv is not None and graph.sole_consumer(node.inputs[0]) is node
        if (
            conv is not None
            and alone
            and conv.op == "Conv"
            and _into_conv(graph, conv, gain, shift)
        ):
            conv.outputs = list(node.outputs)
            graph.nodes.remove(node)
        else:
            graph.replace({id(node): _as_arithmetic(graph, node, gain, shift)})


def _gain_and_shift(graph: Graph, node: Node) -> tuple[Array, Array]:
    values = [graph.real(name) for name in node.inputs[1:5]]
    if len(values) != 4 or any(value is None for value in values):
        raise Refused(f"{node.where}: its statistics must be constants")
    gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in values)
    gain = gamma / np.sqrt(variance + float(node.attrs.get("epsilon", 1e-5)))
    return gain, beta - gain * mean


def _into_conv(graph: Graph, conv: Node, gain: Array, shift: Array) -> bool:
    """Scale the kernel and shift the bias of `conv`; False where either is not constant."""
    bias = graph.real(conv.input(2)) if conv.input(2) else np.zeros(gain.shape)
    if bias is None or bias.ndim > 1 or not _scale_kernel(graph, conv, gain):
        return False
    value = (bias * gain + shift).astype(np.float32)
    conv.inputs = [*conv.inputs[:2], graph.constant(f"{conv.outputs[0]}_bias", value)]
    return True


def _scale_kernel(graph: Graph, conv: Node, gain: Array) -> bool:
    """Multiply the kernel [O, ...] of `conv` by `gain` [O].

    A quantized kernel changes its scales, and its signs where a gain is negative. Returns False
    where the kernel is not constant.
    """
    name = conv.inputs[1]
    shape = (-1,) + (1,) * 3
    if name in graph.constants:
        value = graph.constants[name] * gain.reshape(shape[: graph.constants[name].ndim])
        conv.inputs[1] = graph.constant(f"{name}_scaled", value.astype(np.float32))
        return True
    source = graph.producers().get(name)
    if source is None or source.op != "DequantizeLinear" or not (gain != 0).all():
        return False
    raw, params = graph.constants.get(source.inputs[0]), graph.qparams(source)
    if raw is None or params.axis > 0 or params.zero_point.any() or raw.dtype != np.int8:
        return False
    sign = np.sign(gain).astype(np.int16).reshape(shape[: raw.ndim])
    kernel = np.clip(raw.astype(np.int16) * sign, -128, 127).astype(np.int8)
    scale = (np.abs(gain) * params.scale).astype(np.float32)
    stored = graph.constant(f"{source.inputs[0]}_scaled", kernel)
    scaled = QParams(scale, np.zeros(scale.shape, np.int8), 0)
    target = graph.fresh(f"{name}_scaled")
    graph.replace({id(conv): [graph.dequantize(stored, target, scaled), conv]})
    conv.inputs[1] = target
    return True


def _as_arithmetic(graph: Graph, node: Node, gain: Array, shift: Array) -> list[Node]:
    rank = len(graph.types[node.inputs[0]].shape) if node.inputs[0] in graph.types else 4
    shape = (-1,) + (1,) * (rank - 2)
    base = node.outputs[0]
    factor = graph.constant(f"{base}_gain", gain.astype(np.float32).reshape(shape))
    addend = graph.constant(f"{base}_shift", shift.astype(np.float32).reshape(shape))
    product = graph.fresh(f"{base}_scaled")
    return [
        Node("Mul", [node.inputs[0], factor], [product]),
        Node("Add", [product, addend], list(node.outputs)),
    ]
