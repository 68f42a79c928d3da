"""Rules for softmax and log-softmax along any axis."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
from tvm_tiny.reference.log_softmax_rescaled import log_tables
from tvm_tiny.reference.softmax_rescaled import (
    LONGEST_AXIS,
    exponentials,
    output_factor,
    reaches,
)

from .island import Island
from .moves import reordered
from .quantized import Quantized, constant
from .tables import clamped, finish

_TOO_LONG = f"it sums more than {LONGEST_AXIS} elements"


def softmax(island: Island) -> relax.Expr | None:
    """quantize(softmax(beta * x)) -> qsoftmax (as in TFLite) or qsoftmax_rescaled."""
    call = island.match(island.core, "nn.softmax")
    found = _operand(island, call.args[0]) if call is not None else None
    if call is None or found is None:
        return None
    (x, beta), axis = found, int(call.attrs.axis)
    if x.shape[axis] > LONGEST_AXIS:
        return island.decline(_TOO_LONG)
    if island.rounding == "tflite":
        return _tflite_softmax(island, x, axis, beta)
    if not reaches(island.scale):
        return island.decline("the scale of its result is too small")
    return clamped(island, _along(island, x, axis, partial(_rescaled, island, x.real_scale, beta)))


def _operand(island: Island, expr: relax.Expr) -> tuple[Quantized, float] | None:
    """The operands (x, beta) of beta * x; beta is 1 for x alone."""
    x = island.activation(expr)
    if x is not None:
        return x, 1.0
    scaled = island.match(expr, "multiply")
    factor = island.scalar(scaled.args[1]) if scaled is not None else None
    x = island.activation(scaled.args[0]) if scaled is not None else None
    return None if x is None or factor is None else (x, factor)


def _tflite_softmax(island: Island, x: Quantized, axis: int, beta: float) -> relax.Expr:
    table = constant(exp_table(x.real_scale, beta))
    result = _along(island, x, axis, lambda rows: ops.call("qsoftmax", [rows, table]))
    return finish(island, result, activation.SOFTMAX_OUTPUT)


def _rescaled(island: Island, x_scale: float, beta: float, rows: relax.Expr) -> relax.Expr:
    multiplier, exponent = output_factor(island.scale)
    return ops.call(
        "qsoftmax_rescaled",
        [rows, constant(exponentials(x_scale, beta))],
        multiplier=multiplier,
        exponent=exponent,
        y_zp=island.zp,
    )


def log_softmax(island: Island) -> relax.Expr | None:
    """quantize(log_softmax(x)) -> qlog_softmax (as in TFLite) or qlog_softmax_rescaled."""
    call = island.match(island.core, "nn.log_softmax")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    axis = int(call.attrs.axis)
    if x.shape[axis] > LONGEST_AXIS:
        return island.decline(_TOO_LONG)
    if island.rounding == "tflite":
        result = _along(island, x, axis, partial(_tflite_log, x.real_scale))
        return finish(island, result, LOG_SOFTMAX_OUTPUT)
    return clamped(island, _along(island, x, axis, partial(_log, island, x.real_scale)))


def _log(island: Island, x_scale: float, rows: relax.Expr) -> relax.Expr:
    tables = log_tables(x_scale, island.scale)
    held = (tables.exponentials, tables.differences, tables.powers, tables.points)
    return ops.call("qlog_softmax_rescaled", [rows, *map(constant, held)], y_zp=island.zp)


def _tflite_log(x_scale: float, rows: relax.Expr) -> relax.Expr:
    differences, radius = difference_table(x_scale)
    multiplier, shift = reverse_factor(x_scale)
    return ops.call(
        "qlog_softmax",
        [rows, constant(exp_table(x_scale, 1.0)), constant(differences)],
        radius=min(radius, 256),
        multiplier=multiplier,
        shift=shift,
    )


def _along(
    island: Island, x: Quantized, axis: int, operator: Callable[[relax.Expr], relax.Expr]
) -> relax.Expr:
    """An operator along the last axis, applied along `axis` by moving it there and back."""
    rank = len(x.shape)
    order = [a for a in range(rank) if a != axis % rank] + [axis % rank]
    return reordered(island.emit, x.expr, order, operator)


def exp_table(x_scale: float, beta: float) -> np.ndarray:
    """The table of exp(-beta * x_scale * d) in Q0.31 for d = 0..255.

    0 where TFLite leaves the term out.
    """
    multiplier, shift = activation.softmax_multiplier(x_scale, beta)
    steps = np.arange(256, dtype="int64")
    kept = steps <= activation.input_radius(activation.SOFTMAX_INPUT_BITS, shift)
    exponents = multiply_by_quantized_multiplier(np.where(kept, -steps, 0), multiplier, shift)
    exponentials = fixed_point.exp_on_negative_values(exponents, activation.SOFTMAX_INPUT_BITS)
    return np.where(kept, exponentials, 0)
