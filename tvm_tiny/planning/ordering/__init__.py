"""The order of operators with the least peak of live bytes.

Operators are known by the sizes of their tensors only:

found = best_order(Dag(sizes, operators, inputs, outputs))
found.order, found.peak, found.lower_bound, found.optimal
"""

from .best import Order, best_order
from .dag import Dag, Operator, peak

__all__ = ["Dag", "Operator", "Order", "best_order", "peak"]
