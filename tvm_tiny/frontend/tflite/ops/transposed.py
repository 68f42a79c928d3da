"""TRANSPOSE_CONV, to `R.nn.conv2d_transpose`.

Relax legalizes it in NCHW / IOHW only, so the island transposes its operands to these layouts and
the result back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, unsupported
from ..model import Operator
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


def convert_transpose_conv(graph: Graph, operator: Operator) -> None:
    """TRANSPOSE_CONV: output shape (constant), weights [O, KH, KW, I], input, optional bias.

    The file gives the output size; its padding is that of the convolution that it transposes.
    """
    kernel, data = graph.operand(operator, 1), graph.operand(operator, 2)
    check_quantized(graph, operator, data, kernel)
    batch, height, width, channels = image_shape(operator, data.shape)
    outputs, kernel_height, kernel_width, depth = image_shape(operator, kernel.shape)
    target = graph.integers(operator, 0)
    if depth != channels or len(target) != 4 or (target[0], target[3]) != (batch, outputs):
        raise ModelError(
            f"{label(operator)}: weights {kernel.shape} and output shape {target} do not fit "
            f"the input's shape {data.shape}"
        )
    graph.expect_shape(operator, target)
    strides = operator.integer("stride_h"), operator.integer("stride_w")
    top, bottom, extra_rows = _trim(graph, operator, height, target[1], kernel_height, strides[0])
    left, right, extra_columns = _trim(graph, operator, width, target[2], kernel_width, strides[1])
    parameters = kernel_parameters(operator, kernel, axis=0, channels=outputs)
    values = np.transpose(constant_weights(graph, operator, kernel), (3, 0, 1, 2))
    nchw = graph.emit(relax.op.permute_dims(graph.real(operator, data), (0, 3, 1, 2)))
    expr: Any = relax.op.nn.conv2d_transpose(
        nchw,
        channelwise(graph, values, parameters, axis=1),
        strides=strides,
        padding=(top, left, bottom, right),
        output_padding=(extra_rows, extra_columns),
        data_layout="NCHW",
        kernel_layout="IOHW",
    )
    expr = relax.op.permute_dims(graph.emit(expr), (0, 2, 3, 1))
    expr = add_bias(graph, operator, expr, 3, input_scale(data) * parameters.scales, outputs)
    graph.store(operator, activated(graph, operator, expr))


def _trim(
    graph: Graph, operator: Operator, size: int, target: int, kernel: int, stride: int
) -> tuple[int, int, int]:
    """Rows to cut before, to cut after, and to add after the full result.

    The full transposed convolution has (size - 1) * stride + kernel rows.
    """
    if target < 1:
        raise ModelError(f"{label(operator)}: output size {target}; expected at least 1")
    count, before, _ = window(operator, target, kernel, stride, 1)
    if count != size:
        raise ModelError(
            f"{label(operator)}: an output of {target} needs an input of {count}; it has {size}"
        )
    surplus = (size - 1) * stride + kernel - before - target
    if -surplus >= stride:
        raise unsupported(
            operator, graph.output(operator), f"{-surplus} more rows than windows reach"
        )
    return before, max(surplus, 0), max(-surplus, 0)


CONVERTERS = {"TRANSPOSE_CONV": convert_transpose_conv}
