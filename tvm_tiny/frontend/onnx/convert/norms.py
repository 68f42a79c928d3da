"""Normalizations with statistics computed at run time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tvm import relax

from ..graph import Node, Refused
from .context import Context, dims
from .tail import convert_by_tvm


def layer_norm(context: Context, node: Node) -> list[Any]:
    """LayerNormalization over the axes from `axis` on.

    One that `fuse_layer_norm` found has the attribute `axes` instead.
    """
    _refuse_statistics(node)
    data = context.value(node.inputs[0])
    axes = _normalized_axes(node, len(dims(data)))
    gains = _parameter(context, node.input(1), dims(data), axes, 1.0)
    offsets = _parameter(context, node.input(2), dims(data), axes, 0.0)
    return [context.emit(relax.op.nn.layer_norm(data, gains, offsets, axes, _epsilon(node)))]


def rms_norm(context: Context, node: Node) -> list[Any]:
    """RMSNormalization (SimplifiedLayerNormalization): no mean, no offset."""
    _refuse_statistics(node)
    data = context.value(node.inputs[0])
    axes = _normalized_axes(node, len(dims(data)))
    gains = _parameter(context, node.input(1), dims(data), axes, 1.0)
    return [context.emit(relax.op.nn.rms_norm(data, gains, axes, _epsilon(node)))]


def lp_norm(context: Context, node: Node) -> list[Any]:
    """LpNormalization with p = 2, as an RMS norm with gains 1 / sqrt(n)."""
    if node.attrs.get("p", 2) != 2:
        return convert_by_tvm(context, node)
    data = context.value(node.inputs[0])
    axis = int(node.attrs.get("axis", -1)) % len(dims(data))
    count = dims(data)[axis]
    gains = relax.const(np.full(count, 1 / math.sqrt(count), "float32"))
    return [context.emit(relax.op.nn.rms_norm(data, gains, [axis], 0.0))]


def instance_norm(context: Context, node: Node) -> list[Any]:
    """InstanceNormalization: each channel of each image has its own statistics."""
    return _group_norm(context, node, dims(context.value(node.inputs[0]))[1])


def group_norm(context: Context, node: Node) -> list[Any]:
    """GroupNormalization; before opset 21 it has one gain and offset for each group."""
    return _group_norm(context, node, int(node.attrs["num_groups"]))


def _group_norm(context: Context, node: Node, groups: int) -> list[Any]:
    data = context.value(node.inputs[0])
    channels, axes = dims(data)[1], list(range(2, len(dims(data))))
    gains, offsets = (_per_channel(context, name, channels) for name in node.inputs[1:3])
    epsilon = _epsilon(node)
    return [context.emit(relax.op.nn.group_norm(data, gains, offsets, groups, 1, axes, epsilon))]


def _per_channel(context: Context, name: str, channels: int) -> Any:
    value = context.value(name)
    if math.prod(dims(value)) == channels:
        return value
    array = context.real_constant(name)
    if array is None or array.size == 0 or channels % array.size:
        raise Refused(f"'{name}' must hold one constant a group or a channel")
    return relax.const(np.repeat(array, channels // array.size).astype("float32"))


def _normalized_axes(node: Node, rank: int) -> list[int]:
    first = int(node.attrs.get("axis", -1)) % rank
    return [int(axis) % rank for axis in node.attrs.get("axes", range(first, rank))]


def _parameter(
    context: Context, name: str, shape: tuple[int, ...], axes: list[int], absent: float
) -> Any:
    """A gain or an offset, broadcast to the normalized axes; `absent` is its default value."""
    extents = [shape[axis] for axis in axes]
    if not name:
        return relax.const(np.full(extents, absent, "float32"))
    array = context.real_constant(name)
    if array is None:
        return context.value(name)
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    array = np.moveaxis(array, axes, range(-len(axes), 0))
    array = array.reshape(array.shape[-len(axes) :])
    return relax.const(np.ascontiguousarray(np.broadcast_to(array, extents), "float32"))


def _epsilon(node: Node) -> float:
    return float(node.attrs.get("epsilon", 1e-5))


def _refuse_statistics(node: Node) -> None:
    if any(node.outputs[1:]):
        raise Refused("mean and deviation as further outputs are not supported")


TABLE = {
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "LpNormalization": lp_norm,
    "RMSNormalization": rms_norm,
    "SimplifiedLayerNormalization": rms_norm,
}
