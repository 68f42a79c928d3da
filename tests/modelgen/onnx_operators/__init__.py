"""One rule an operator: append it, quantized, to a growing ONNX graph (NCHW).

QDQ rules wrap the float operator in DequantizeLinear / QuantizeLinear pairs as onnxruntime's
quantizer does; QLinear rules write the integer operator itself (ai.onnx or com.microsoft).
Scales and zero points are realistic: ONNX runtimes requantize in float, so that extreme ones
compare roundings instead of operators. `rule` names say what is generated; most are ONNX names.
"""

from . import binary, comparisons, convolutions, movement, norms, pooling, products, shapes, unary
from .graph import INDICES, Graph, Value
from .rules import LARGE, MICROSOFT, RANKS, RULES, axes_as_inputs

__all__ = [
    "FAMILIES",
    "INDICES",
    "LARGE",
    "MICROSOFT",
    "RANKS",
    "RULES",
    "Graph",
    "Value",
    "axes_as_inputs",
]

# Importing a family puts its rules into the table.
FAMILIES = (binary, comparisons, convolutions, movement, norms, pooling, products, shapes, unary)
