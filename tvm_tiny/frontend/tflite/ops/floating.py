"""Operators without an integer form: float Relax operators between dequantize and quantize."""

from __future__ import annotations

from tvm import relax

from .activation import unary
from .elementwise import binary

CONVERTERS = {
    "LOG_SOFTMAX": unary(lambda x: relax.op.nn.log_softmax(x, axis=-1)),
    "POW": binary(relax.op.power),
}
