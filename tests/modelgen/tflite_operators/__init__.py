"""One rule an operator: append it, with random legal parameters, to a growing TFLite graph.

Legal means what TensorFlow Lite Micro's kernels accept in their Prepare functions, and inside
the range where their 32-bit fixed-point arithmetic is defined (no signed overflow).
"""

from . import batches, binary, comparisons, movement, products, reductions, shapes, unary, windows
from .graph import INDICES, LARGE, RANKS, RULES, Graph, applies

__all__ = ["FAMILIES", "INDICES", "LARGE", "RANKS", "RULES", "Graph", "applies"]

# Importing a family puts its rules into the table.
FAMILIES = (batches, binary, comparisons, movement, products, reductions, shapes, unary, windows)
