"""FULLY_CONNECTED and BATCH_MATMUL, to `R.matmul`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError

from ..graph import Graph, unsupported
from ..model import Operator, Tensor
from ..validate import label
from .fused import activated
from .weights import add_bias, channelwise, check_quantized, input_scale, kernel_parameters


def convert_fully_connected(graph: Graph, operator: Operator) -> None:
    """FULLY_CONNECTED with weights [O, I].

    TFLite reshapes an input of any shape to [N, I]. With `keep_num_dims` the result has the input's
    leading axes.
    """
    data, kernel = graph.operand(operator, 0), graph.operand(operator, 1)
    check_quantized(graph, operator, data, kernel)
    if operator.integer("weights_format") != 0:
        raise unsupported(operator, kernel, "shuffled weights; export the default weights format")
    if len(kernel.shape) != 2 or math.prod(data.shape) % kernel.shape[1]:
        raise ModelError(
            f"{label(operator)}: weights '{kernel.name}' of shape {kernel.shape} do not fit "
            f"the input's shape {data.shape}"
        )
    outputs, depth = kernel.shape
    rows = math.prod(data.shape) // depth
    keep = operator.flag("keep_num_dims")
    if keep and data.shape[-1:] != (depth,):
        raise ModelError(
            f"{label(operator)}: keep_num_dims with input {data.shape} and weights {kernel.shape}"
        )
    shape = (*data.shape[:-1], outputs) if keep else (rows, outputs)
    graph.expect_shape(operator, shape)
    real = graph.real(operator, data)
    if not keep and data.shape != (rows, depth):
        real = graph.emit(relax.op.reshape(real, (rows, depth)))
    turned = graph.emit(relax.op.permute_dims(_weights(graph, operator, kernel)))
    expr: Any = relax.op.matmul(real, turned)
    expr = add_bias(graph, operator, expr, 2, _accumulator_scales(data, kernel), outputs)
    graph.store(operator, activated(graph, operator, expr))


def _weights(graph: Graph, operator: Operator, kernel: Tensor) -> Any:
    """The dequantized weights.

    Per-tensor weights keep their scalar scale; they may have a zero point, and need not be
    constant.
    """
    quantization = kernel.quantization
    if quantization is not None and quantization.per_tensor:
        return graph.real(operator, kernel)
    parameters = kernel_parameters(operator, kernel, axis=0, channels=kernel.shape[0])
    return channelwise(graph, graph.constant(operator, kernel), parameters, axis=0)


def _accumulator_scales(data: Tensor, kernel: Tensor) -> Any:
    assert kernel.quantization is not None  # by check_quantized
    return input_scale(data) * kernel.quantization.scales


def convert_batch_matmul(graph: Graph, operator: Operator) -> None:
    """BATCH_MATMUL of [.., M, K] and [.., K, N].

    `adj_x` and `adj_y` say whether an operand is stored with its last two axes swapped.
    """
    left, right = graph.operand(operator, 0), graph.operand(operator, 1)
    for tensor in (left, right):
        if len(tensor.shape) < 2:
            raise ModelError(
                f"{label(operator)}: '{tensor.name}' of shape {tensor.shape}; "
                "expected at least 2 dimensions"
            )
    a = _turned(left.shape, operator.flag("adj_x"))
    b = _turned(right.shape, operator.flag("adj_y"))
    graph.expect_shape(operator, _product_shape(operator, a, b))
    expr = relax.op.matmul(
        _matrix(graph, operator, left, operator.flag("adj_x")),
        _matrix(graph, operator, right, operator.flag("adj_y")),
    )
    graph.store(operator, expr)


def _turned(shape: tuple[int, ...], turn: bool) -> tuple[int, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if turn else shape


def _product_shape(operator: Operator, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    try:
        batch = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        batch = None
    if batch is None or a[-1] != b[-2]:
        raise ModelError(f"{label(operator)}: operands of shapes {a} and {b} do not fit")
    return (*batch, a[-2], b[-1])


def _matrix(graph: Graph, operator: Operator, tensor: Tensor, turn: bool) -> Any:
    real = graph.real(operator, tensor)
    if not turn:
        return real
    rank = len(tensor.shape)
    return graph.emit(relax.op.permute_dims(real, (*range(rank - 2), rank - 1, rank - 2)))


CONVERTERS = {
    "FULLY_CONNECTED": convert_fully_connected,
    "BATCH_MATMUL": convert_batch_matmul,
}
