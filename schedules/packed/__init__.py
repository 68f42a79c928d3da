"""Row kernels of packed operators, whose inner loops are micro-kernels.

Importing this package registers all of them.
"""

from . import convolution, depthwise, elementwise

__all__ = ["convolution", "depthwise", "elementwise"]
