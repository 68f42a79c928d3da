"""The rule for TFLite's L2 normalization."""

from __future__ import annotations

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference.norms import L2_OUTPUT, LONGEST_ROW_OF_L2

from .island import Island
from .quantized import Quantized
from .tables import finish


def l2_normalize(island: Island) -> relax.Expr | None:
    """quantize(x / sqrt(max(sum(x * x), 1e-6))) over the last axis -> ql2_normalize."""
    quotient = island.match(island.core, "divide")
    root = island.match(quotient.args[1], "sqrt") if quotient is not None else None
    bounded = island.match(root.args[0], "maximum") if root is not None else None
    total = island.match(bounded.args[0], "sum") if bounded is not None else None
    square = island.match(total.args[0], "multiply") if total is not None else None
    if quotient is None or square is None or island.rounding != "tflite":
        return None
    x, same = island.activation(quotient.args[0]), island.activation(square.args[0])
    if x is None or same is None or not x.expr.same_as(same.expr):
        return None
    if x.shape[-1] > LONGEST_ROW_OF_L2:
        return None
    result = ops.call("ql2_normalize", [x.expr], x_zp=x.zp)
    own = np.array(L2_OUTPUT.scale, "float32"), np.array(L2_OUTPUT.zero_point)
    return finish(island, result, Quantized(x.expr, *own, 0))
