"""NumPy references of what dsp.h computes, and random operands for them."""

from __future__ import annotations

import numpy as np

NOISE = 0x5A
ORDER = [0, 2, 1, 3]
FULL = (-128, 127)


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Uniform, with the extremes in plenty."""
    values = rng.integers(-128, 128, shape)
    extreme = rng.choice([-128, 127], shape)
    return np.where(rng.random(shape) < 0.1, extreme, values).astype(np.int8)


def noise(dtype: str, *shape: int) -> np.ndarray:
    return np.full(np.prod(shape) * np.dtype(dtype).itemsize, NOISE, np.uint8).view(dtype)


def rounding_shift(value: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """value / 2**shift, halves away from zero."""
    doubled = np.abs(value) * 2 + (np.int64(1) << shift)
    return np.sign(value) * (doubled >> (shift + 1))


def high_mul(value: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    return (value.astype(np.int64) * multiplier + (1 << 30)) >> 31


def channel_params(
    rng: np.random.Generator, channels: int, reach: int, zero_point: int
) -> np.ndarray:
    """[channels, 2] that spread sums of +-`reach` over int8 and beyond; some channels extreme."""
    bias = rng.integers(-min(reach, 1 << 23), min(reach + 1, 1 << 23), channels)
    shift = rng.integers(0, max(1, int(np.log2(max(reach, 256) / 128))) + 1, channels)
    multiplier = rng.integers(1 << 30, 1 << 31, channels)
    # A multiplier of nothing; the least; the largest shift; the extremes of biases.
    multiplier[rng.random(channels) < 0.03] = 0
    multiplier[rng.random(channels) < 0.05] = 1 << 30
    shift[rng.random(channels) < 0.05] = 30 - (abs(2 * zero_point + 1) - 1).bit_length()
    if reach >= 1 << 23:
        bias[rng.random(channels) < 0.1] = -(1 << 23)
        bias[rng.random(channels) < 0.1] = (1 << 23) - 1
    return np.stack([bias * 256 + shift, multiplier], 1).astype(np.int32)


def some_zero_point(rng: np.random.Generator) -> int:
    return int(rng.choice([-128, 127, 0, -1, rng.integers(-128, 128)]))


def requantized(
    sums: np.ndarray, params: np.ndarray, zero_point: int, low: int, high: int
) -> np.ndarray:
    """TFLite's: sums int64 [..., channels] -> int8."""
    t = high_mul(sums, params[:, 1].astype(np.int64))
    shift = (params[:, 0] & 255).astype(np.int64) + 1
    return np.clip(rounding_shift(t, shift) + zero_point, low, high).astype(np.int8)


def columns(
    x: np.ndarray, lines: np.ndarray, column: int, zero_point: int, kernel_w: int
) -> np.ndarray:
    """x [rows, W, C] -> [kernel_h * kernel_w * C], the window at `column`, 0 outside."""
    _, width, channels = x.shape
    window = np.zeros((len(lines), kernel_w, channels), np.int64)
    for ky, line in enumerate(lines):
        for kx in range(kernel_w):
            if line >= 0 and 0 <= column + kx < width:
                window[ky, kx] = x[line, column + kx].astype(np.int64) - zero_point
    return window.reshape(-1)


def quads(vectors: np.ndarray) -> np.ndarray:
    """[..., K] -> [ceil(K / 4), ..., 4] with zeros behind, in natural order."""
    size = vectors.shape[-1]
    padded = np.zeros((*vectors.shape[:-1], -(-size // 4) * 4), vectors.dtype)
    padded[..., :size] = vectors
    split = padded.reshape(*vectors.shape[:-1], -1, 4)
    return np.moveaxis(split, -2, 0)
