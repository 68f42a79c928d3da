"""Weights, biases and output quantization of convolutions and products."""

from __future__ import annotations

import numpy as np

from ..draw import Quant
from ..tflite_builder import Tensor
from .graph import Graph


def draw_weights(
    graph: Graph,
    x: Tensor,
    shape: tuple[int, ...],
    axis: int,
    terms: int,
    per_tensor: float,
    narrow: float = 0.0,
) -> tuple[np.ndarray, list[float], np.ndarray | None, Quant]:
    """Weights int8 [shape], their scales, a bias int32 or None, and the output's quantization.

    narrow: how often weights have four bits.
    """
    draw, channels = graph.draw, shape[axis]
    lowest = -128 if draw.chance(0.1) else -127
    weights = draw.integers(shape, lowest, 127, "int8")
    out = draw.quant()
    scale = draw.multiplier(terms) * out.scale / x.scales[0]
    if draw.chance(narrow):
        weights, scale = weights >> 4, scale * 16
    scales = [scale * draw.uniform(0.5, 1.0) for _ in range(channels)]
    if draw.chance(per_tensor):
        scales = [scale]
    reach = draw.choice((0, int(5000 * terms**0.5), 128 * 255 * terms))
    bias = draw.integers((channels,), -reach, reach, "int32")
    return weights, scales, None if draw.chance(0.2) else bias, out
