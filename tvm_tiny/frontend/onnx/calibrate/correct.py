"""Bias correction: each channel's mean error is subtracted from the layer's int32 bias.

Rounded weights and inputs shift the mean of the result of a convolution or product, and later
layers add their own shift. Layers are corrected in execution order, so that each is measured on the
inputs that it will get. Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and
Bias Correction", section 4.2 and appendix D.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from ..graph import Array
from .measure import output_error, session
from .parts import Stepwise

# Operators whose third input is a bias with a value for each index of the output's axis 1.
LAYERS = ("Conv", "ConvTranspose", "Gemm")


@dataclass(frozen=True)
class _Layer:
    """A layer of the quantized model.

    The real bias is scale * the int32 initializer `bias`.
    """

    name: str
    position: int
    output: str
    bias: Any
    scale: Array


def name_layers(model: Any) -> None:
    """Name each layer after its result, by which `correct_biases` finds it again."""
    for node in model.graph.node:
        if node.op_type in LAYERS:
            node.name = node.output[0]


def correct_biases(
    original: Any, quantized: Any, feeds: Sequence[dict[str, Array]]
) -> tuple[Any, float]:
    """Correct the biases of `quantized`; returns the better model and its output error.

    That is the corrected model, or `quantized` itself where its error is not larger.
    """
    corrected = onnx.ModelProto()
    corrected.CopyFrom(quantized)
    layers = list(_layers(original, corrected))
    if layers:
        _correct(original, corrected, layers, feeds)
    errors = [output_error(original, model, feeds) for model in (corrected, quantized)]
    return (corrected, errors[0]) if errors[0] < errors[1] else (quantized, errors[1])


def _correct(
    original: Any, corrected: Any, layers: Sequence[_Layer], feeds: Sequence[dict[str, Array]]
) -> None:
    expected = _means(original, [layer.name for layer in layers], feeds)
    running = Stepwise(corrected, feeds)
    for layer, real in zip(layers, expected, strict=True):
        running.run_until(layer.position)
        results = [values[layer.output] for values in running.values]
        change = _add(layer, real - np.mean([_channel_means(value) for value in results], axis=0))
        for value in results:
            value += change.astype(value.dtype).reshape(-1, *[1] * (value.ndim - 2))


def _layers(original: Any, quantized: Any) -> Iterator[_Layer]:
    """The layers of both models whose bias is an int32 constant that nothing else reads.

    They are in execution order.
    """
    known = {name for node in original.graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in quantized.graph.initializer}
    sources = {node.output[0]: node for node in quantized.graph.node}
    read = [name for node in quantized.graph.node for name in node.input]
    for position, node in enumerate(quantized.graph.node):
        source = sources.get(node.input[2]) if len(node.input) > 2 else None
        if node.op_type not in LAYERS or source is None or node.name not in known:
            continue
        bias = constants.get(source.input[0])
        if bias is not None and read.count(bias.name) == read.count(node.input[2]) == 1:
            scale = numpy_helper.to_array(constants[source.input[1]]).astype(np.float64)
            yield _Layer(node.name, position, node.output[0], bias, scale)


def _means(model: Any, names: Sequence[str], feeds: Sequence[dict[str, Array]]) -> list[Array]:
    """The mean of each channel of the tensors `names`, over all samples."""
    running = session(model, names)
    runs = [[_channel_means(value) for value in running.run(list(names), f)] for f in feeds]
    return [np.mean(means, axis=0) for means in zip(*runs, strict=True)]


def _channel_means(value: Array) -> Array:
    """The mean for each index of axis 1."""
    return np.asarray(value.mean(axis=(0, *range(2, value.ndim)), dtype=np.float64))


def _add(layer: _Layer, correction: Array) -> Array:
    """Add `correction`, in whole steps, to the layer's bias; returns the real change."""
    limits, old = np.iinfo(np.int32), numpy_helper.to_array(layer.bias)
    steps = np.rint(old + correction / layer.scale)
    new = np.clip(steps, limits.min, limits.max).astype(np.int32)
    layer.bias.CopyFrom(numpy_helper.from_array(new, layer.bias.name))
    return np.asarray((new.astype(np.float64) - old) * layer.scale)
