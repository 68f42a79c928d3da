"""Turns scaling and shifting each channel into a depthwise convolution before quantization.

A batch norm that stands before its activation, or `(x - mean) / std` at the input, has no
convolution to be folded into. As a 1x1 depthwise convolution it gets weights with one scale a
channel and an int32 bias, which is more accurate than constants of 8 bits, and it takes over the
clamp after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..graph import Array


@dataclass(frozen=True)
class _Affine:
    """y = gain * x + shift for each index of axis 1.

    x: the name of the node's input.
    """

    x: str
    gain: Array
    shift: Array


def channels_to_convolutions(model: Any) -> None:
    """Rewrite such operators of `model` in place; runs of them become one convolution.

    The model's shapes must be inferred.
    """
    graph = model.graph
    shapes = {v.name: _shape(v) for v in (*graph.value_info, *graph.input, *graph.output)}
    constants = {t.name: t for t in graph.initializer}
    found: dict[str, _Affine] = {}
    for node in graph.node:
        affine = _affine(node, shapes, constants)
        if affine is not None:
            found[node.output[0]] = _merged(graph, affine, found)
    for node in list(graph.node):
        if node.output and node.output[0] in found:
            shape = shapes[found[node.output[0]].x]
            _replace(graph, node, found[node.output[0]], shape)


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)


def _affine(node: Any, shapes: dict[str, tuple[int, ...]], constants: Any) -> _Affine | None:
    x = next((name for name in node.input if name not in constants), "")
    shape = shapes.get(x, ())
    if len(shape) < 2 or not all(shape) or node.domain or shapes.get(node.output[0]) != shape:
        return None
    if node.op_type == "BatchNormalization":
        return _batch_norm(node, constants)
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or len(shape) < 3:
        return None
    value = _by_channel(constants.get(next((n for n in node.input if n != x), "")), shape)
    first = node.input[0] == x
    return None if value is None else _binary(node.op_type, x, value, first)


def _batch_norm(node: Any, constants: Any) -> _Affine | None:
    if not all(name in constants for name in node.input[1:]) or len(node.output) > 1:
        return None
    gamma, beta, mean, variance = (
        numpy_helper.to_array(constants[name]).astype(np.float64) for name in node.input[1:]
    )
    epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
    gain = gamma / np.sqrt(variance + epsilon)
    return _Affine(node.input[0], gain, beta - gain * mean)


def _by_channel(tensor: Any, shape: tuple[int, ...]) -> Array | None:
    """The values [C] of a constant that broadcasts along axis 1 only, else None."""
    if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT:
        return None
    dims = (1,) * (len(shape) - len(tensor.dims)) + tuple(tensor.dims)
    if len(dims) != len(shape) or dims[1] != shape[1] or shape[1] == 1:
        return None
    if any(dim != 1 for axis, dim in enumerate(dims) if axis != 1):
        return None
    return np.asarray(numpy_helper.to_array(tensor), np.float64).reshape(-1)


def _binary(op: str, x: str, value: Array, first: bool) -> _Affine | None:
    one, zero = np.ones_like(value), np.zeros_like(value)
    if op == "Div":
        return _Affine(x, 1 / value, zero) if first and value.all() else None
    if op == "Sub":
        return _Affine(x, one, -value) if first else _Affine(x, -one, value)
    return _Affine(x, value, zero) if op == "Mul" else _Affine(x, one, value)


def _merged(graph: Any, affine: _Affine, found: dict[str, _Affine]) -> _Affine:
    """`affine` merged with the one before it, if nothing else reads the tensor between them."""
    before = found.get(affine.x)
    readers = sum(list(node.input).count(affine.x) for node in graph.node)
    readers += sum(value.name == affine.x for value in graph.output)
    if before is None or readers != 1:
        return affine
    del found[affine.x]
    return _Affine(before.x, affine.gain * before.gain, affine.gain * before.shift + affine.shift)


def _replace(graph: Any, node: Any, affine: _Affine, shape: tuple[int, ...]) -> None:
    result, rank = node.output[0], len(shape)
    spatial = max(rank - 2, 1)
    weights = affine.gain.astype(np.float32).reshape(-1, *[1] * (spatial + 1))
    names = f"{result}_gain", f"{result}_shift"
    graph.initializer.extend(
        numpy_helper.from_array(value, name)
        for value, name in zip((weights, affine.shift.astype(np.float32)), names, strict=True)
    )
    x = affine.x if rank > 2 else f"{result}_image"
    y = result if rank > 2 else f"{result}_scaled"
    conv = helper.make_node("Conv", [x, *names], [y], f"{result}_affine", group=shape[1])
    nodes = [conv]
    if rank == 2:
        nodes = [
            _reshape(graph, affine.x, x, (*shape, 1)),
            conv,
            _reshape(graph, y, result, shape),
        ]
    position = list(graph.node).index(node)
    del graph.node[position]
    for new in reversed(nodes):
        graph.node.insert(position, new)


def _reshape(graph: Any, source: str, target: str, shape: tuple[int, ...]) -> Any:
    name = f"{target}_shape"
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
    return helper.make_node("Reshape", [source, name], [target], f"{target}_reshape")
