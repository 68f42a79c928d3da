"""Convolutions: QDQ, QLinear and transposed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Graph, Value
from .rules import LARGE, rule
from .weights import bias_scale, draw_weights
from .windows import draw_window


def _conv_parts(graph: Graph, x: Value, groups: int, outputs: int) -> tuple[Any, ...]:
    attrs, extents = draw_window(graph, x)
    shape = (outputs, x.shape[1] // groups, *attrs["kernel_shape"])
    terms = int(np.prod(shape[1:]))
    return (
        {**attrs, "group": groups},
        (x.shape[0], outputs, *extents),
        *draw_weights(graph, x, shape, 0, terms),
    )


def _conv(graph: Graph, x: Value, groups: int, outputs: int) -> list[Value]:
    attrs, shape, weights, scales, bias, out = _conv_parts(graph, x, groups, outputs)
    inputs = [graph.dequantize(x), graph.dequantized_constant("weight", weights, scales)]
    if bias is not None:
        inputs.append(graph.dequantized_constant("bias", bias, bias_scale(x, scales)))
    (name,) = graph.node("Conv", inputs, **attrs)
    return [graph.quantize(graph.activation(name), shape, out)]


@rule("Conv", (3, 4))
def conv(graph: Graph, x: Value) -> list[Value]:
    groups = 1
    if graph.draw.chance(0.15):
        groups = graph.draw.choice([g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0])
    outputs = groups * graph.draw.integer(1, 3) if groups > 1 else graph.draw.channels()
    return _conv(graph, x, groups, outputs)


@rule("DepthwiseConv", (3, 4))
def depthwise_conv(graph: Graph, x: Value) -> list[Value]:
    multiplier = graph.draw.choice((1, 1, 1, 2)) if x.size < LARGE else 1
    return _conv(graph, x, x.shape[1], x.shape[1] * multiplier)


@rule("QLinearConv", (3, 4))
def qlinear_conv(graph: Graph, x: Value) -> list[Value]:
    groups = x.shape[1] if graph.draw.chance(0.3) else 1
    outputs = x.shape[1] if groups > 1 else graph.draw.channels()
    attrs, shape, weights, scales, bias, out = _conv_parts(graph, x, groups, outputs)
    inputs = [
        x.name,
        *graph.parameters(x.quant),
        graph.constant("weight", weights),
        graph.constant("scale", scales),
        graph.constant("zero_point", np.zeros(scales.shape, "int8")),
        *graph.parameters(out),
    ]
    if bias is not None:
        inputs.append(graph.constant("bias", bias))
    (name,) = graph.node("QLinearConv", inputs, **attrs)
    return [graph.record(name, shape, out)]


@rule("ConvTranspose", (3, 4))
def conv_transpose(graph: Graph, x: Value) -> list[Value]:
    draw, channels = graph.draw, x.shape[1]
    attrs, extents = _transposed_window(graph, x)
    groups = channels if draw.chance(0.2) else 1
    share = draw.integer(1, 2) if groups > 1 else draw.channels()
    shape = (channels, share, *attrs["kernel_shape"])
    terms = channels // groups * int(np.prod(shape[2:]))
    weights, scales, bias, out = draw_weights(graph, x, shape, 1, terms)
    inputs = [graph.dequantize(x), graph.dequantized_constant("weight", weights, scales, axis=1)]
    if bias is not None:
        scales = np.tile(scales, groups) if scales.ndim else scales
        bias = np.tile(bias, groups)
        inputs.append(graph.dequantized_constant("bias", bias, bias_scale(x, scales)))
    (name,) = graph.node("ConvTranspose", inputs, group=groups, **attrs)
    return [graph.quantize(graph.activation(name), (x.shape[0], share * groups, *extents), out)]


def _transposed_window(graph: Graph, x: Value) -> tuple[dict[str, Any], list[int]]:
    """Attributes of a transposed window, its padding given in one of four ways, and extents."""
    draw = graph.draw
    how = draw.choice(("pads", "pads", "output_shape", "SAME_UPPER", "SAME_LOWER"))
    kernel, strides, dilations, begin, end, extra, extents = [], [], [], [], [], [], []
    for extent in x.shape[2:]:
        size, step = draw.integer(1, 4), draw.choice((1, 1, 1, 2))
        stride = draw.integer(1, 2) if extent <= 6 and x.size < LARGE else 1
        more = draw.integer(0, stride - 1) if how == "pads" else 0
        full = stride * (extent - 1) + (size - 1) * step + 1 + more
        before, after = (draw.integer(0, min(size - 1, full - 1) // 2) for _ in range(2))
        length = full - before - after
        length = min(stride * extent, full) if how.startswith("SAME") else length
        for values, value in zip(
            (kernel, strides, dilations, begin, end, extra, extents),
            (size, stride, step, before, after, more, length),
            strict=True,
        ):
            values.append(value)
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations}
    if how == "pads":
        attrs |= {"pads": begin + end, "output_padding": extra}
    elif how == "output_shape":
        attrs["output_shape"] = extents
    else:
        attrs["auto_pad"] = how
    return attrs, extents
