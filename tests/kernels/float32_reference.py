"""Rounding in float32: multipliers whose products are often ties, and what NumPy makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Rng = np.random.Generator


@dataclass(frozen=True)
class Scaling:
    """How sums become int8: float32 multipliers of channels, the output's zero point."""

    multipliers: np.ndarray
    zero_point: int

    @property
    def bits(self) -> np.ndarray:
        """The multipliers as int32."""
        return self.multipliers.view(np.int32)

    @property
    def parts(self) -> np.ndarray:
        """[channels][3]: multiplier, offset, shift of the integer kernels."""
        fraction = (self.bits & (1 << 23) - 1 | 1 << 23).astype(np.int64) << 7
        shift = 126 - (self.bits >> 23)
        offset = (1 << (shift - 1)) + (self.zero_point << shift)
        return np.stack([fraction, offset, shift], 1).astype(np.int32)

    def outputs(self, sums: np.ndarray, low: int, high: int) -> np.ndarray:
        """int64 [..., channels] -> int8."""
        rounded = np.rint(sums.astype(np.float32) * self.multipliers)
        return np.clip(rounded + self.zero_point, low, high).astype(np.int8)

    def near_ties(self, rng: Rng, count: int, reach: int) -> np.ndarray:
        """Sums [count][channels]: most at or beside what gives a half, no further than reach."""
        halves = rng.integers(-300, 300, (count, len(self.multipliers))) + 0.5
        near = np.rint(halves / self.multipliers.astype(np.float64)) + rng.integers(
            -1, 2, halves.shape
        )
        any_sum = rng.integers(-reach, reach + 1, halves.shape)
        chosen = np.where(rng.random(halves.shape) < 0.2, any_sum, near)
        return np.clip(chosen, -reach, reach).astype(np.int64)


def scaling(rng: Rng, channels: int, reach: int) -> Scaling:
    """That spreads sums of +-reach over int8 and beyond; multipliers of few bits and of many."""
    powers = np.log2(1000 / reach) - rng.uniform(0, 4, channels)
    found = np.exp2(np.clip(powers, -15.9, -1.1)).astype(np.float32)
    fewer = np.int32(-1) << rng.integers(0, 24, channels).astype(np.int32)
    some = np.where(rng.random(channels) < 0.5, fewer, -1)
    zero_point = int(rng.choice([-128, 127, 0, -1, rng.integers(-128, 128)]))
    return Scaling((found.view(np.int32) & some).view(np.float32), zero_point)
