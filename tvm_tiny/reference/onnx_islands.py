"""ONNX float operators between DequantizeLinear and QuantizeLinear, on the integer kernels.

A kernel takes the operator, its operands and the output's quantization, and returns int8 data in
the model's NCHW layout. It raises `NoIntegerForm` where operands or attributes leave no integer
arithmetic; the operator then runs in float.
"""

from __future__ import annotations

from .onnx_elementwise import ELEMENTWISE
from .onnx_norms import NORMS
from .onnx_operands import Kernel
from .onnx_products import PRODUCTS
from .onnx_reductions import REDUCTIONS
from .onnx_requantized import REQUANTIZED

ISLANDS: dict[str, Kernel] = {
    **PRODUCTS,
    **ELEMENTWISE,
    **REDUCTIONS,
    **REQUANTIZED,
    **NORMS,
}
