"""Windows that slide over height and width: convolutions and pooling."""

from __future__ import annotations

import numpy as np

from ..tflite_builder import Tensor
from .graph import LARGE, Graph, Rule, rule
from .weights import draw_weights


def draw_window(graph: Graph, x: Tensor) -> dict[str, object]:
    """Kernel, stride, dilation and padding that leave at least one output position."""
    draw = graph.draw
    kernel, stride, dilation = [], [], []
    padding = draw.choice(("SAME", "VALID"))
    for extent in x.shape[1:3]:
        size = draw.choice((1, 2, 3, 3, 5))
        step = draw.integer(1, 3) if draw.chance(0.2) else 1
        if padding == "VALID":
            size = min(size, extent)
            step = step if (size - 1) * step < extent else 1
        kernel.append(size)
        dilation.append(step)
        stride.append(draw.choice((1, 1, 2, 2, 3)))
    if dilation != [1, 1] and draw.chance(0.8):
        # Converters never emit both; kernels do not mind.
        stride = [1, 1]
    return {
        "kernel": tuple(kernel),
        "stride": tuple(stride),
        "dilation": tuple(dilation),
        "padding": padding,
    }


@rule("CONV_2D", (4,))
def conv_2d(graph: Graph, x: Tensor) -> list[Tensor]:
    draw, window = graph.draw, draw_window(graph, x)
    groups = 1
    if draw.chance(0.15):
        groups = draw.choice([g for g in range(1, x.shape[3] + 1) if x.shape[3] % g == 0])
    kernel = window.pop("kernel")
    outputs = groups * draw.integer(1, 3) if groups > 1 else draw.channels()
    shape = (outputs, *kernel, x.shape[3] // groups)
    weights, scales, bias, out = draw_weights(
        graph, x, shape, 0, int(np.prod(shape[1:])), per_tensor=0.15, narrow=0.15
    )
    return [
        graph.builder.conv2d(x, weights, scales, bias, out, activation=graph.activation(), **window)
    ]


@rule("DEPTHWISE_CONV_2D", (4,))
def depthwise_conv_2d(graph: Graph, x: Tensor) -> list[Tensor]:
    window = draw_window(graph, x)
    kernel = window.pop("kernel")
    multiplier = graph.draw.choice((1, 1, 1, 2, 3)) if x.size < LARGE else 1
    shape = (1, *kernel, x.shape[3] * multiplier)
    weights, scales, bias, out = draw_weights(
        graph, x, shape, 3, int(np.prod(kernel)), per_tensor=0.15, narrow=0.15
    )
    return [
        graph.builder.depthwise_conv2d(
            x, weights, scales, bias, out, activation=graph.activation(), **window
        )
    ]


@rule("TRANSPOSE_CONV", (4,))
def transpose_conv(graph: Graph, x: Tensor) -> list[Tensor]:
    """The output extent is any whose forward convolution has the input's extent."""
    draw = graph.draw
    padding = draw.choice(("SAME", "VALID"))
    kernel, stride, extent = [], [], []
    for size in x.shape[1:3]:
        k = draw.integer(1, 4)
        s = draw.integer(1, 3) if size <= 6 and x.size < LARGE else 1
        o = draw.choice((s * size, draw.integer(s * (size - 1) + 1, s * size)))
        kernel.append(k)
        stride.append(s)
        extent.append(o if padding == "SAME" else o + k - 1)
    shape = (draw.channels(), *kernel, x.shape[3])
    weights, scales, bias, out = draw_weights(
        graph, x, shape, 0, int(np.prod(shape[1:])), per_tensor=0.15
    )
    return [
        graph.builder.transpose_conv(
            x,
            weights,
            scales,
            bias,
            out,
            tuple(extent),
            stride=tuple(stride),
            padding=padding,
            activation=graph.activation(),
        )
    ]


def _pool_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        window = draw_window(graph, x)
        del window["dilation"]
        if graph.draw.chance(0.2):
            window = {"kernel": x.shape[1:3], "padding": "VALID"}
        return [graph.builder.pool(code, x, activation=graph.activation(), **window)]

    return make


for _code in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
    rule(_code, (4,))(_pool_rule(_code))
