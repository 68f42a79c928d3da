"""Sums of two tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from dsp_reference import high_mul, int8, noise, rounding_shift
from dsp_run import Case


def scaled(value: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    return rounding_shift(high_mul(value, np.int64(multiplier)), np.int64(-shift))


def add(rng, count, q) -> Case:
    a, b = int8(rng, count), int8(rng, count)
    q = np.array(q, np.int32)
    left = scaled((a.astype(np.int64) - q[0]) << 20, q[5], q[8])
    right = scaled((b.astype(np.int64) - q[1]) << 20, q[6], q[9])
    want = np.clip(scaled(left + right, q[7], q[10]) + q[2], q[3], q[4]).astype(np.int8)
    call = f"""\
  tvm_tiny_dsp_add((const int8_t*)at[0], (const int8_t*)at[1], (int8_t*)at[2], {count},
                   (const int32_t*)(void*)at[3]);
"""
    return Case(f"add {count}, {q}", call, [a, b, noise("int8", count), q], [a, b, want, q])


def adds(rng: np.random.Generator) -> Iterator[Case]:
    half, m, n = 1 << 30, 1_234_567_890, 2_000_000_001
    for zp in ((-128, 127, -128), (127, -128, 3), (4, -5, 127)):
        yield add(rng, 101, [*zp, -128, 127, half, m, n, 0, 0, -18])
        yield add(rng, 102, [*zp, -128, 127, half, m, n, 0, -2, -19])
        yield add(rng, 103, [*zp, -128, 127, m, half, n, -1, 0, -17])
        yield add(rng, 64, [*zp, -128, 127, half, half, n, 0, 0, -18])
        yield add(rng, 65, [*zp, -128, 90, half, half, n, 0, 0, -18])
        yield add(rng, 99, [*zp, -60, 100, half, m, n, 0, -1, -18])
        yield add(rng, 100, [*zp, -128, 127, n, m, m, -1, -3, -17])
        yield add(rng, 100, [*zp, -128, 127, n, m, m, -31, -3, -31])
        yield add(rng, 3, [*zp, -128, 127, half, m, n, 0, -31, -1])
    yield add(rng, 100, [1, 2, 3, -128, 127, 0, 0, m, 0, 0, 0])
