"""CONV_2D (also grouped) and DEPTHWISE_CONV_2D, to `R.nn.conv2d` in NHWC / OHWI."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph
from ..model import Array, Operator, Quantization, Tensor
from ..validate import label
from .fused import activated
from .weights import (
    add_bias,
    channelwise,
    check_quantized,
    constant_weights,
    input_scale,
    kernel_parameters,
)
from .windows import image_shape, window


def convert_conv(graph: Graph, operator: Operator) -> None:
    """CONV_2D with weights [O, KH, KW, I / groups].

    The number of groups follows from the shapes.
    """
    data, kernel = graph.operand(operator, 0), graph.operand(operator, 1)
    check_quantized(graph, operator, data, kernel)
    channels = image_shape(operator, data.shape)[3]
    outputs, *_, depth = image_shape(operator, kernel.shape)
    if channels % depth or outputs % (channels // depth):
        raise ModelError(
            f"{label(operator)}: weights '{kernel.name}' of shape {kernel.shape} do not fit "
            f"{channels} input channels"
        )
    values = constant_weights(graph, operator, kernel)
    parameters = kernel_parameters(operator, kernel, axis=0, channels=outputs)
    _convolve(graph, operator, data, values, parameters, channels // depth)


def convert_depthwise(graph: Graph, operator: Operator) -> None:
    """DEPTHWISE_CONV_2D as a convolution with as many groups as input channels I.

    Weights [1, KH, KW, I * multiplier] become [I * multiplier, KH, KW, 1].
    """
    data, kernel = graph.operand(operator, 0), graph.operand(operator, 1)
    check_quantized(graph, operator, data, kernel)
    channels = image_shape(operator, data.shape)[3]
    one, *_, outputs = image_shape(operator, kernel.shape)
    multiplier = operator.integer("depth_multiplier")
    if one != 1 or outputs % channels or multiplier not in {0, outputs // channels}:
        raise ModelError(
            f"{label(operator)}: weights '{kernel.name}' of shape {kernel.shape} do not fit "
            f"{channels} input channels and depth multiplier {multiplier}"
        )
    values = np.transpose(constant_weights(graph, operator, kernel), (3, 1, 2, 0))
    parameters = kernel_parameters(operator, kernel, axis=3, channels=outputs)
    _convolve(graph, operator, data, values, parameters, channels)


def _convolve(
    graph: Graph,
    operator: Operator,
    data: Tensor,
    values: Array,
    parameters: Quantization,
    groups: int,
) -> None:
    batch, height, width, _ = image_shape(operator, data.shape)
    outputs, kernel_height, kernel_width, _ = values.shape
    strides = operator.integer("stride_h"), operator.integer("stride_w")
    dilation = operator.integer("dilation_h_factor"), operator.integer("dilation_w_factor")
    rows, top, bottom = window(operator, height, kernel_height, strides[0], dilation[0])
    columns, left, right = window(operator, width, kernel_width, strides[1], dilation[1])
    graph.expect_shape(operator, (batch, rows, columns, outputs))
    expr: Any = relax.op.nn.conv2d(
        graph.real(operator, data),
        channelwise(graph, values, parameters, axis=0),
        strides=strides,
        padding=(top, left, bottom, right),
        dilation=dilation,
        groups=groups,
        data_layout="NHWC",
        kernel_layout="OHWI",
    )
    expr = add_bias(graph, operator, expr, 2, input_scale(data) * parameters.scales, outputs)
    graph.store(operator, activated(graph, operator, expr))


CONVERTERS = {"CONV_2D": convert_conv, "DEPTHWISE_CONV_2D": convert_depthwise}
