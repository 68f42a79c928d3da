"""tvm_tiny: quantized networks to exact, bare-metal C for microcontrollers, on Apache TVM."""

from . import transform
from ._version import __version__
from .build import CompiledModel, build
from .frontend import Calibration, from_file, from_torch
from .pipeline import pipeline

__all__ = [
    "Calibration",
    "CompiledModel",
    "__version__",
    "build",
    "from_file",
    "from_torch",
    "pipeline",
    "transform",
]
