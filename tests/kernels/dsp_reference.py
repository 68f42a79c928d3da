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


def channel_params(rng: np.random.Generator, channels: int, reach: int) -> np.ndarray:
    """Parameters that spread sums of +-`reach` over int8 and beyond; some channels extreme."""
    params = np.zeros((channels, 4), np.int32)
    zero_point = rng.integers(-128, 128, channels)
    shift = rng.integers(1, max(2, int(np.log2(max(reach, 256) / 128))) + 2, channels)
    params[:, 0] = rng.integers(-reach, reach + 1, channels)
    params[:, 1] = rng.integers(1 << 30, 1 << 31, channels)
    params[:, 2] = (zero_point << shift) + (1 << (shift - 1))
    params[:, 3] = shift
    # A multiplier of nothing; the least; the largest shift.
    params[rng.random(channels) < 0.03, 1] = 0
    params[rng.random(channels) < 0.05, 1] = 1 << 30
    params[rng.random(channels) < 0.05, 2:] = (1 << 30, 31)
    return params


def requantized(sums: np.ndarray, params: np.ndarray, low: int, high: int) -> np.ndarray:
    """TFLite's: sums int64 [..., channels] -> int8; the zero point is taken out of the offset."""
    shift = params[:, 3].astype(np.int64)
    zero_point = (params[:, 2] - (np.int64(1) << (shift - 1))) >> shift
    t = high_mul(sums, params[:, 1].astype(np.int64))
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
