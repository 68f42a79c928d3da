"""Operators without an integer form, as float Relax operators between dequantize and quantize."""

from __future__ import annotations

from tvm import relax

from .elementwise import binary

CONVERTERS = {
    "POW": binary(relax.op.power),
}
