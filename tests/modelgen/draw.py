"""The one source of randomness, and the ranges that quantization parameters come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

T = TypeVar("T")

# What converters really emit, and what they emit for layers with next to no or huge range.
USUAL_SCALE = (0.003, 0.25)
SMALLEST_SCALE, LARGEST_SCALE = 1e-6, 8.0


@dataclass(frozen=True)
class Quant:
    """Per-tensor quantization: real value = scale * (q - zero_point)."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        # Files hold float32: keep exactly what a reader will see.
        object.__setattr__(self, "scale", float(np.float32(self.scale)))


class Draw:
    """Random choices from a seed (0 .. 2**32 - 1).

    Uses RandomState because NumPy promises never to change its stream: a seed in a bug report
    means the same model in every release.
    """

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def integer(self, low: int, high: int) -> int:
        """Uniform, both ends included."""
        return int(self._state.randint(low, high + 1))

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def chance(self, probability: float) -> bool:
        return bool(self._state.random_sample() < probability)

    def uniform(self, low: float, high: float) -> float:
        return float(low + (high - low) * self._state.random_sample())

    def log_uniform(self, low: float, high: float) -> float:
        return float(np.exp(self.uniform(np.log(low), np.log(high))))

    def permutation(self, n: int) -> tuple[int, ...]:
        return tuple(int(i) for i in self._state.permutation(n))

    def subset(self, n: int) -> tuple[int, ...]:
        """A non-empty subset of range(n), in order."""
        return tuple(sorted(self.permutation(n)[: self.integer(1, n)]))

    def integers(self, shape: Sequence[int], low: int, high: int, dtype: str) -> np.ndarray:
        """Array of integers, both ends included."""
        return self._state.randint(low, high + 1, size=tuple(shape)).astype(dtype)

    def normal(self, shape: Sequence[int]) -> np.ndarray:
        """Standard normal float32 array."""
        return self._state.standard_normal(tuple(shape)).astype("float32")

    def extent(self) -> int:
        """A spatial extent, 1..12."""
        return self.integer(1, 12)

    def channels(self) -> int:
        """A channel count, 1..17; multiples of four half of the time."""
        return self.choice((4, 8, 12, 16)) if self.chance(0.5) else self.integer(1, 17)

    def zero_point(self) -> int:
        return self.choice((-128, 127, 0)) if self.chance(0.3) else self.integer(-128, 127)

    def scale(self) -> float:
        """Usual, or with a chance of 15 % anywhere from the smallest to the largest."""
        if self.chance(0.15):
            return self.log_uniform(SMALLEST_SCALE, LARGEST_SCALE)
        return self.log_uniform(*USUAL_SCALE)

    def quant(self) -> Quant:
        return Quant(self.scale(), self.zero_point())

    def quant_near(self, scale: float, *, largest_multiplier: float) -> Quant:
        """Output quantization for values of `scale`; scale / result <= largest_multiplier.

        Usually the multiplier is near one; sometimes exactly one, a power of two, or far off.
        """
        kind = self.integer(0, 9)
        if kind < 6:
            multiplier = self.log_uniform(0.3, 3.0)
        elif kind < 8:
            multiplier = 2.0 ** self.integer(-4, 3)
        else:
            multiplier = scale / self.scale()
        # Past half the bound the double-rounding left shift may leave int32.
        multiplier = min(multiplier, largest_multiplier / 2)
        result = min(max(scale / multiplier, SMALLEST_SCALE), LARGEST_SCALE)
        return Quant(max(result, 2 * scale / largest_multiplier), self.zero_point())

    def multiplier(self, terms: int) -> float:
        """Requantization multiplier of an accumulator of `terms` int8 products.

        Usually one that spreads the outputs over the int8 range; sometimes more than one,
        exactly one, a power of two, or so small that it is flushed to zero.
        """
        spread = 1.0 / (74.0 * max(terms, 1) ** 0.5)
        kind = self.integer(0, 19)
        if kind < 15:
            multiplier = spread * self.log_uniform(0.3, 3.0)
        elif kind < 18:
            multiplier = self.choice((1.0, 0.5, 2.0**-10, self.uniform(1.0, 8.0)))
        else:
            multiplier = self.choice((1e-11, 2.0**-31, 2.0**-20))
        return min(multiplier, 2.0**28 / (128 * 255 * max(terms, 1)))
