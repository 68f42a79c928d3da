"""Random data for the plain micro-kernels and the arithmetic of their contract in NumPy."""

from __future__ import annotations

import numpy as np

GUARD = 0x55
Rng = np.random.Generator
LIMITS = ((-128, 127), (-100, 90))


def bytes_(rng: Rng, *shape: int) -> np.ndarray:
    """int8, one in four an extreme."""
    values = rng.integers(-128, 128, shape)
    extreme = rng.choice([-128, 127], shape)
    return np.where(rng.random(shape) < 0.25, extreme, values).astype("int8")


def guarded(size: int) -> np.ndarray:
    return np.full(size + 8, GUARD, "int8")


def channel_params(rng: Rng, count: int, bound: int) -> np.ndarray:
    """[count][4] that take sums up to `bound` to about three times the range of int8."""
    scale = np.exp2(rng.uniform(-9, 0, count)) * 400 / bound * 512
    exponent = np.maximum(np.ceil(np.log2(scale)), -30)
    shift = np.maximum(-exponent, 1).astype("int64")
    multiplier = np.clip(scale * np.exp2(shift + 31.0), 0, 2**31 - 1).astype("int64")
    offset = (1 << (shift - 1)) + (rng.integers(-128, 128, count) << shift)
    bias = rng.integers(-bound // 4, bound // 4, count)
    return np.stack([bias, multiplier, offset, shift], 1).astype("int32")


def output(sums: np.ndarray, params: np.ndarray, low: int, high: int) -> np.ndarray:
    """Sums [..., channels] without their biases to int8, as the contract says it."""
    _, multiplier, offset, shift = params.astype("int64").T
    t = (sums.astype("int64") * multiplier + 2**30) // 2**31
    return np.clip((t - (t < 0) + offset) // 2**shift, low, high).astype("int8")
