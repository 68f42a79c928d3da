"""Activations: elementwise functions of one operand, and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.frontend.onnx.graph import Node, QParams, Refused

from .context import Context, dims
from .tail import convert_by_tvm


def relu(context: Context, node: Node) -> list[Any]:
    """Relu."""
    return [context.emit(relax.op.nn.relu(context.value(node.inputs[0])))]


def sigmoid(context: Context, node: Node) -> list[Any]:
    """Sigmoid."""
    return [context.emit(relax.op.sigmoid(context.value(node.inputs[0])))]


def tanh(context: Context, node: Node) -> list[Any]:
    """Tanh."""
    return [context.emit(relax.op.tanh(context.value(node.inputs[0])))]


def clip(context: Context, node: Node) -> list[Any]:
    """Clip -> relu where only a lower bound of 0 is given, else clip."""
    data = context.value(node.inputs[0])
    low, high = context.constant(node, 1, "min"), context.constant(node, 2, "max")
    lower = -np.inf if low is None else float(low.reshape(-1)[0])
    upper = np.inf if high is None else float(high.reshape(-1)[0])
    limit = float(np.finfo(np.float32).max)
    if lower == 0 and upper >= limit:
        return [context.emit(relax.op.nn.relu(data))]
    return [context.emit(relax.op.clip(data, max(lower, -limit), min(upper, limit)))]


def leaky_relu(context: Context, node: Node) -> list[Any]:
    """LeakyRelu, alpha 0.01 by default."""
    alpha = float(node.attrs.get("alpha", 0.01))
    return [context.emit(relax.op.nn.leakyrelu(context.value(node.inputs[0]), alpha))]


def prelu(context: Context, node: Node) -> list[Any]:
    """PRelu with one slope, or one for each channel (axis 1)."""
    data = context.value(node.inputs[0])
    channels = dims(data)[1] if len(dims(data)) > 1 else 0
    known = context.dequantized_constant(node.inputs[1])
    raw = context.graph.constants.get(node.inputs[1]) if known is None else known[0]
    if raw is None or raw.size not in (1, channels):
        return convert_by_tvm(context, node)
    per_channel = raw.size == 1 or raw.reshape(-1, *raw.shape[1 - raw.ndim :]).ndim > 0
    padded = (1,) * (len(dims(data)) - raw.ndim) + raw.shape
    if not per_channel or (raw.size > 1 and padded[1] != channels):
        return convert_by_tvm(context, node)
    slopes = np.ascontiguousarray(np.broadcast_to(raw.reshape(-1), (channels,)))
    if known is None:
        alpha = relax.const(slopes)
    else:
        scale, zero_point = known[1].scale, known[1].zero_point
        axis = -1 if known[1].per_tensor else 0
        alpha = context.dequantize(relax.const(slopes), QParams(scale, zero_point, axis))
    return [context.emit(relax.op.nn.prelu(data, alpha, axis=1))]


def hard_swish(context: Context, node: Node) -> list[Any]:
    """HardSwish: x * clip(x + 3, 0, 6) / 6."""
    data = context.value(node.inputs[0])
    shifted = context.emit(relax.op.add(data, relax.const(3.0, "float32")))
    gate = context.emit(relax.op.clip(shifted, 0, 6))
    share = context.emit(relax.op.divide(gate, relax.const(6.0, "float32")))
    return [context.emit(relax.op.multiply(data, share))]


def softmax(context: Context, node: Node) -> list[Any]:
    """Softmax; before opset 13 everything from `axis` on is one axis."""
    data = context.value(node.inputs[0])
    shape = dims(data)
    axis = int(node.attrs.get("axis", -1 if context.opset >= 13 else 1)) % len(shape)
    if context.opset < 13:
        wide = [i for i in range(axis, len(shape)) if shape[i] > 1]
        if len(wide) > 1:
            raise Refused("Softmax over several axes (opset before 13) is not supported")
        axis = wide[0] if wide else axis
    axis = -1 if axis == len(shape) - 1 else axis
    return [context.emit(relax.op.nn.softmax(data, axis))]


TABLE = {
    "Relu": relu,
    "Sigmoid": sigmoid,
    "Tanh": tanh,
    "Clip": clip,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "HardSwish": hard_swish,
    "Softmax": softmax,
}
