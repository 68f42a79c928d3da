"""QUANTIZE and DEQUANTIZE: float or uint8 inputs and outputs, and changes of scale."""

from __future__ import annotations

from typing import Any

from tvm_tiny.errors import ModelError

from ..graph import Graph, dequantize, quantize, unsupported, wrong_type
from ..model import Operator, Quantization, Tensor
from ..validate import label

_QUANTIZED = frozenset({"int8", "uint8"})


def convert_quantize(graph: Graph, operator: Operator) -> None:
    """QUANTIZE takes float32, int8 or uint8 and gives int8 or uint8."""
    data, result = graph.operand(operator, 0), graph.output(operator)
    graph.expect_shape(operator, data.shape)
    if result.dtype not in _QUANTIZED:
        raise unsupported(operator, result, wrong_type(result.dtype))
    parameters = _parameters(operator, result)
    real = _real(graph, operator, data)
    graph.store_plain(
        operator,
        quantize(real if data.dtype == "float32" else graph.emit(real), parameters, result.dtype),
    )


def convert_dequantize(graph: Graph, operator: Operator) -> None:
    """DEQUANTIZE takes int8 or uint8 and gives float32."""
    data, result = graph.operand(operator, 0), graph.output(operator)
    graph.expect_shape(operator, data.shape)
    if data.dtype not in _QUANTIZED:
        raise unsupported(operator, data, wrong_type(data.dtype))
    if result.dtype != "float32":
        raise ModelError(f"{label(operator)}: output is {result.dtype}; expected float32")
    graph.store_plain(operator, _real(graph, operator, data))


def _real(graph: Graph, operator: Operator, data: Tensor) -> Any:
    """The operand as float32; a dequantize is returned without being bound."""
    if data.dtype == "float32":
        return graph.real(operator, data)
    if data.dtype != "uint8":
        return graph.dequantized(operator, data)
    if data.constant:
        raise unsupported(operator, data, wrong_type("uint8"))
    return dequantize(graph.value(data.index), _parameters(operator, data), "uint8")


def _parameters(operator: Operator, tensor: Tensor) -> Quantization:
    if tensor.quantization is None:
        raise unsupported(operator, tensor, f"{tensor.dtype} without scale and zero point")
    if not tensor.quantization.per_tensor:
        raise unsupported(operator, tensor, "one scale a channel, which only weights may have")
    return tensor.quantization


CONVERTERS = {"QUANTIZE": convert_quantize, "DEQUANTIZE": convert_dequantize}
