"""tvm_tiny: quantized networks to exact, bare-metal C for microcontrollers, on Apache TVM."""

from . import transform
from ._version import __version__
from .build import CompiledModel, build
from .frontend import from_file
from .pipeline import pipeline

__all__ = ["CompiledModel", "__version__", "build", "from_file", "pipeline", "transform"]
