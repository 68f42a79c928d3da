"""Row kernels in portable TIR, which run on every core and define all results.

Every other schedule must equal them. Importing this package registers all of them.
"""

from . import (
    comparison,
    convolution,
    dense,
    division,
    elementwise,
    l2_norm,
    log_softmax,
    log_softmax_rescaled,
    movement,
    norms,
    pooling,
    reduction,
    softmax,
)

__all__ = [
    "comparison",
    "convolution",
    "dense",
    "division",
    "elementwise",
    "l2_norm",
    "log_softmax",
    "log_softmax_rescaled",
    "movement",
    "norms",
    "pooling",
    "reduction",
    "softmax",
]
