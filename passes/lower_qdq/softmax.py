"""Rules for softmax along any axis and TFLite's log-softmax."""

from __future__ import annotations

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference import activation, fixed_point
from tvm_tiny.reference.arithmetic import multiply_by_quantized_multiplier
from tvm_tiny.reference.log_softmax import (
    LOG_SOFTMAX_OUTPUT,
    difference_table,
    reverse_factor,
)

from .island import Island
from .quantized import Quantized, constant
from .tables import finish


def softmax(island: Island) -> relax.Expr | None:
    """quantize(softmax(beta * x)) over the last axis -> qsoftmax."""
    call = island.match(island.core, "nn.softmax")
    if call is None:
        return None
    x, beta = island.activation(call.args[0]), 1.0
    if x is None:
        scaled = island.match(call.args[0], "multiply")
        factor = island.scalar(scaled.args[1]) if scaled is not None else None
        if scaled is None or factor is None:
            return None
        x, beta = island.activation(scaled.args[0]), factor
    # The sum of the exponentials has 12 integer bits.
    if x is None or x.shape[-1] > 4095:
        return None
    rank = len(x.shape)
    axis = int(call.attrs.axis) % rank
    swap = [a for a in range(rank) if a != axis] + [axis]
    operand = x.expr
    if axis != rank - 1:
        if x.shape[axis] > 4095:
            return None
        operand = island.emit(ops.call("transpose", [operand], axes=swap))
    result = ops.call("qsoftmax", [operand, constant(exp_table(x.real_scale, beta))])
    if axis != rank - 1:
        back = [swap.index(a) for a in range(rank)]
        result = ops.call("transpose", [island.emit(result)], axes=back)
    canonical = activation.SOFTMAX_OUTPUT
    source = Quantized(
        x.expr, np.array(canonical.scale, "float32"), np.array(canonical.zero_point), 0
    )
    return finish(island, result, source)


def log_softmax(island: Island) -> relax.Expr | None:
    """quantize(log_softmax(x)) over the last axis -> qlog_softmax, TFLite's."""
    call = island.match(island.core, "nn.log_softmax")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None or island.rounding != "tflite" or x.shape[-1] > 4095:
        return None
    if int(call.attrs.axis) % len(x.shape) != len(x.shape) - 1:
        return None
    differences, radius = difference_table(x.real_scale)
    multiplier, shift = reverse_factor(x.real_scale)
    result = ops.call(
        "qlog_softmax",
        [x.expr, constant(exp_table(x.real_scale, 1.0)), constant(differences)],
        radius=min(radius, 256),
        multiplier=multiplier,
        shift=shift,
    )
    own = np.array(LOG_SOFTMAX_OUTPUT.scale, "float32"), np.array(LOG_SOFTMAX_OUTPUT.zero_point)
    return finish(island, result, Quantized(x.expr, *own, 0))


def exp_table(x_scale: float, beta: float) -> np.ndarray:
    """exp(-beta * x_scale * d) in Q0.31 for d = 0..255; 0 where TFLite leaves the term out."""
    multiplier, shift = activation.softmax_multiplier(x_scale, beta)
    steps = np.arange(256, dtype="int64")
    kept = steps <= activation.input_radius(activation.SOFTMAX_INPUT_BITS, shift)
    exponents = multiply_by_quantized_multiplier(np.where(kept, -steps, 0), multiplier, shift)
    exponentials = fixed_point.exp_on_negative_values(exponents, activation.SOFTMAX_INPUT_BITS)
    return np.where(kept, exponentials, 0)
