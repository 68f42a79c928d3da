"""Quantized additions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from kernels.plain_reference import Rng, bytes_, guarded
from kernels.plain_runs import Case


def adds(rng: Rng) -> Iterator[Case]:
    """Shifts of 0 on every side, all pairs of extremes, and a result in an operand's place."""
    half, most = 1 << 30, 2**31 - 1
    quantizations = [
        (3, -5, 9, -128, 127, half, 1518500250, 1518500250, 0, -1, -18),
        (-128, 127, -128, -128, 100, 1234567890, half, most, -3, 0, -19),
        (127, -128, 127, -90, 127, half, half, most, 0, 0, -18),
        (0, 0, 0, -128, 127, most, most, 1100000000, -7, -31, 0),
        (1, 2, -3, -128, 127, half, most, 1300000000, -1, 0, -20),
        # Small multipliers: an error of one anywhere shows.
        (1, 2, -3, -128, 127, 1000, half, most, 0, -22, 0),
        (9, 2, 0, -128, 127, half, 1000, most, -21, 0, -1),
        # The same where one operand is halved: one in eight is its zero point.
        (127, 2, 3, -128, 127, half, 1000, most, 0, -1, -1),
        (2, -128, -100, -128, 127, most, half, most, -1, 0, -27),
    ]
    for k, q in enumerate(quantizations):
        a, b = bytes_(rng, 203), bytes_(rng, 203)
        before = a if k % 2 else guarded(203 - 8)
        arrays = {"b": b, "q": np.array(q, "int32")} | ({} if k % 2 else {"a": a})
        first = "out" if k % 2 else "a"
        body = f"  tvm_tiny_plain_add({first}, b, out, 203, q);"
        yield Case(f"add {k}", arrays, before, body, add(a, b, *q))


def add(a, b, a_zp, b_zp, y_zp, low, high, a_m, b_m, y_m, a_shift, b_shift, y_shift) -> np.ndarray:
    """TFLite's quantized ADD with its two roundings."""
    first = multiply((a.astype("int64") - a_zp) << 20, a_m, -a_shift)
    second = multiply((b.astype("int64") - b_zp) << 20, b_m, -b_shift)
    y = multiply(first + second, y_m, -y_shift) + y_zp
    return np.clip(y, low, high).astype("int8")


def multiply(value: np.ndarray, multiplier: int, exponent: int) -> np.ndarray:
    """MultiplyByQuantizedMultiplier: halves away from zero, twice."""
    high = (value * multiplier + np.where(value < 0, 1 - 2**30, 2**30)).astype("int64")
    high = np.sign(high) * (abs(high) // 2**31)
    half = 2**exponent // 2
    return np.sign(high) * ((abs(high) + half) // 2**exponent)
