"""Log-softmax of ONNX models in fixed point, with an int8 output of any scale.

    y = z_y + round((x - largest) * s_x / s_y - log(sum of exponentials) / s_y)

Everything that depends on scales is in tables, so the device only adds and looks up. The sum of
exponentials is a power of two times a number from 1 to 2, whose logarithm is interpolated between
129 points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import Int8Array, IntArray, clamp_to_int8
from .quantization import Quant

SUM_BITS = 19  # fraction bits of exponentials: 4095 of them fit in 31 bits
STEP_BITS = 20  # fraction bits of output steps
POINT_BITS = 7  # bits of a number from 1 to 2 that choose the nearest point below
BETWEEN_BITS = 15  # the bits after them: the distance from that point to the next
# Keeps sums of three entries within 32 bits; 512 steps below the largest output, all is -128.
LIMIT = 512 << STEP_BITS


@dataclass(frozen=True)
class LogTables:
    """The tables of a log-softmax.

    exponentials, differences: by largest - x = 0 .. 255. powers, points: of the logarithm.
    """

    exponentials: IntArray
    differences: IntArray
    powers: IntArray
    points: IntArray


def log_tables(x_scale: float, y_scale: float) -> LogTables:
    """The tables for an input scale and an output scale.

    `exponentials` have SUM_BITS fraction bits; the others are output steps with STEP_BITS fraction
    bits.
    """
    below = np.arange(256) * x_scale
    powers = np.arange(32 - SUM_BITS) * np.log(2.0)
    points = np.log1p(np.arange((1 << POINT_BITS) + 1) / (1 << POINT_BITS))
    steps = (_steps(values, y_scale) for values in (below, powers, points))
    differences, powers, points = steps
    exponentials = np.rint(np.exp(-below) * (1 << SUM_BITS)).astype(np.int64)
    return LogTables(exponentials, -differences, powers, points)


def _steps(values: npt.NDArray[Any], y_scale: float) -> IntArray:
    return np.minimum(np.rint(values / y_scale * (1 << STEP_BITS)), LIMIT).astype(np.int64)


def logarithm(sums: IntArray, tables: LogTables) -> IntArray:
    """The logarithm of `sums` in output steps.

    sums: SUM_BITS fraction bits, at least 1.
    """
    power = np.frexp(sums.astype(np.float64))[1] - 1  # the position of the highest bit
    mantissa = sums << (31 - power)
    point = (mantissa >> (31 - POINT_BITS)) - (1 << POINT_BITS)
    between = (mantissa >> (31 - POINT_BITS - BETWEEN_BITS)) & ((1 << BETWEEN_BITS) - 1)
    rise = tables.points[point + 1] - tables.points[point]
    interpolated = tables.points[point] + ((rise * between) >> BETWEEN_BITS)
    return np.asarray(tables.powers[power - SUM_BITS] + interpolated)


def log_softmax(x: npt.NDArray[Any], x_quant: Quant, y_quant: Quant, axis: int = -1) -> Int8Array:
    """x - log(sum(exp(x))) along one axis."""
    tables = log_tables(x_quant.scale, y_quant.scale)
    q = x.astype(np.int64)
    below = q.max(axis=axis, keepdims=True) - q
    log = logarithm(tables.exponentials[below].sum(axis=axis, keepdims=True), tables)
    steps = (tables.differences[below] - log + (1 << (STEP_BITS - 1))) >> STEP_BITS
    return clamp_to_int8(steps + y_quant.zero_point)
