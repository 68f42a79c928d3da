"""The rule for TFLite's L2 normalization."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.norms import L2_OUTPUT, LONGEST_ROW_OF_L2

from .island import Island
from .quantized import Quantized, ints
from .tables import finish

# The least sum of squares: TFLite replaces smaller ones by it.
_LEAST = float(np.float32(1e-6))


def l2_normalize(island: Island) -> relax.Expr | None:
    """quantize(x / sqrt(max(sum(x * x), 1e-6))) over the last axis -> ql2_normalize."""
    quotient = island.match(island.core, "divide")
    total = None if quotient is None else _total(island, quotient.args[1])
    x = None if quotient is None else island.activation(quotient.args[0])
    if x is None or total is None or island.rounding != "tflite":
        return None
    if not _sums_squares(island, total, x):
        return None
    if x.shape[-1] > LONGEST_ROW_OF_L2:
        return island.decline(f"it sums more than {LONGEST_ROW_OF_L2} elements")
    result = ops.call("ql2_normalize", [x.expr], x_zp=x.zp)
    return finish(island, result, L2_OUTPUT)


def _total(island: Island, norm: relax.Expr) -> Call | None:
    """The sum in sqrt(max(sum, 1e-6)); None for another form."""
    root = island.match(norm, "sqrt")
    bounded = None if root is None else island.match(root.args[0], "maximum")
    if bounded is None or island.scalar(bounded.args[1]) != _LEAST:
        return None
    return island.match(bounded.args[0], "sum")


def _sums_squares(island: Island, total: Call, x: Quantized) -> bool:
    """Whether `total` is the sum of x * x along the last axis, with keepdims."""
    square = island.match(total.args[0], "multiply")
    axes = [] if total.attrs.axis is None else ints(total.attrs.axis)
    along_rows = [axis % len(x.shape) for axis in axes] == [len(x.shape) - 1]
    if square is None or not along_rows or not total.attrs.keepdims:
        return False
    factors = (island.activation(factor) for factor in square.args)
    return all(factor is not None and factor.expr.same_as(x.expr) for factor in factors)
