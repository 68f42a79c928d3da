"""tvm_tiny: quantized networks to exact, bare-metal C for microcontrollers, on Apache TVM."""

from ._version import __version__

__all__ = ["__version__"]
