"""Weights, biases and output quantization of convolutions and products."""

from __future__ import annotations

import numpy as np

from ..draw import Quant
from .graph import Graph, Value


def draw_weights(
    graph: Graph, x: Value, shape: tuple[int, ...], axis: int, terms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Quant]:
    """Weights int8, their scale (scalar or per channel), bias int32 or None, output's quant."""
    draw, channels = graph.draw, shape[axis]
    weights = draw.integers(shape, -127, 127, "int8")
    out = graph.quant()
    scale = draw.log_uniform(0.3, 3.0) / (74 * terms**0.5) * out.scale / x.quant.scale
    scales = np.float32(scale)
    if draw.chance(0.6):
        scales = np.asarray([scale * draw.uniform(0.5, 1.0) for _ in range(channels)], "float32")
    reach = int(5000 * terms**0.5)
    bias = draw.integers((channels,), -reach, reach, "int32")
    return weights, scales, None if draw.chance(0.2) else bias, out


def bias_scale(x: Value, scales: np.ndarray) -> np.ndarray:
    return np.float32(x.quant.scale) * np.asarray(scales, "float32")
