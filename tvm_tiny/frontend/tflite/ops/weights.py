"""Weights and biases of convolutions and fully connected layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, unsupported, wrong_type
from ..model import Array, Operator, Quantization, Tensor
from ..validate import label


def check_quantized(graph: Graph, operator: Operator, data: Tensor, kernel: Tensor) -> None:
    """Refuse float, hybrid and 16-bit layers, each with its reason."""
    if data.dtype == "float32" and kernel.dtype == "int8":
        raise unsupported(
            operator, data, "float32 activations with int8 weights (hybrid); quantize fully to int8"
        )
    for tensor in (data, kernel):
        if tensor.dtype != "int8":
            raise unsupported(operator, tensor, wrong_type(tensor.dtype))
        if tensor.quantization is None:
            raise unsupported(operator, tensor, "int8 without scale and zero point")


def constant_weights(graph: Graph, operator: Operator, kernel: Tensor) -> Array:
    """The weights of a convolution, which must be constant."""
    remedy = "weights made at run time are for FULLY_CONNECTED and BATCH_MATMUL"
    return graph.constant(operator, kernel, remedy=remedy)


def kernel_parameters(operator: Operator, kernel: Tensor, axis: int, channels: int) -> Quantization:
    """One scale for each output channel, zero points 0.

    `axis` is the file's axis of output channels. The TFLite quantization specification fixes zero
    points of convolution weights at 0.
    """
    quantization = kernel.quantization
    if quantization is None:
        raise unsupported(operator, kernel, "int8 without scale and zero point")
    if np.any(quantization.zero_points):
        raise unsupported(operator, kernel, "weights with a zero point other than 0")
    if not quantization.per_tensor and quantization.axis != axis:
        raise ModelError(
            f"{label(operator)}: weights '{kernel.name}' are quantized along dimension "
            f"{quantization.axis}; expected {axis}, the output channels"
        )
    scales = np.broadcast_to(quantization.scales, (channels,))
    return Quantization(scales, np.zeros(channels, np.int64), 0)


def add_bias(
    graph: Graph, operator: Operator, expr: Any, position: int, scales: Array, channels: int
) -> Any:
    """`expr` plus the int32 bias at this operand position, if there is one.

    `scales`, [channels] or [1], are input scale times weight scale, the scale of the accumulator.
    """
    bias = graph.input(operator, position)
    if bias is None:
        return expr
    if bias.dtype != "int32":
        raise unsupported(operator, bias, f"{bias.dtype.lower()} bias; int32 is supported")
    values = graph.constant(operator, bias, remedy="add what is made at run time with ADD")
    if bias.shape != (channels,):
        raise ModelError(
            f"{label(operator)}: bias '{bias.name}' of shape {bias.shape}; expected ({channels},)"
        )
    if operator.kind == "FULLY_CONNECTED" and len(scales) == 1:
        _check_bias_scale(graph, operator, bias, scales)
    wide = np.broadcast_to(scales, (channels,))
    real = channelwise(graph, values, Quantization(wide, np.zeros(channels, np.int64), 0), axis=0)
    return relax.op.add(graph.emit(expr), real)


def channelwise(graph: Graph, values: Array, parameters: Quantization, axis: int) -> Any:
    """A dequantized constant whose scales and zero points are vectors along `axis`."""
    return graph.emit(
        relax.op.dequantize(
            relax.const(np.ascontiguousarray(values)),
            relax.const(np.ascontiguousarray(parameters.scales, np.float32)),
            relax.const(parameters.zero_points.astype(values.dtype)),
            axis=axis,
        )
    )


def input_scale(data: Tensor) -> Array:
    """The input's scale, [1]; call `check_quantized` first."""
    assert data.quantization is not None
    return data.quantization.scales


def _check_bias_scale(graph: Graph, operator: Operator, bias: Tensor, scales: Array) -> None:
    """Check a bias's scale as TFLite does.

    TFLite computes with input scale times weight scale. For layers with one weight scale it accepts
    a bias whose scale differs from this product by at most 2 % of the output scale; for other
    layers it ignores the bias's scale.
    """
    output = graph.output(operator).quantization
    if bias.quantization is None or output is None:
        return
    difference = np.abs(bias.quantization.scales - scales) if _fits(bias, scales) else np.inf
    if np.any(difference / output.scales > 0.02):
        raise ModelError(
            f"{label(operator)}: the scale of bias '{bias.name}' is not "
            "the input's times the weights'; expected them to agree"
        )


def _fits(bias: Tensor, scales: Array) -> bool:
    if bias.quantization is None:
        return True
    return len(bias.quantization.scales) in {1, len(scales)} or len(scales) == 1
