"""Row kernels whose inner loops are micro-kernels: operators with their constants packed.

Importing this package registers all of them.
"""

from . import convolution, depthwise, elementwise

__all__ = ["convolution", "depthwise", "elementwise"]
