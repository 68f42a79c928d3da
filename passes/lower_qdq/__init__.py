"""LowerQDQ: islands of dequantize, float operators and quantize become integer operators."""

from .fallback import FloatFallbackWarning
from .lower import LowerQDQ

__all__ = ["FloatFallbackWarning", "LowerQDQ"]
