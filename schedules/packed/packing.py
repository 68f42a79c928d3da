"""Constants of operators as the micro-kernels take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_INT32 = range(-(1 << 31), 1 << 31)
# Sums must be in here: the micro-kernels double them.
_SUMS = range(-(1 << 30), 1 << 30)
# What always gives one value: no product, half of twice the value and a bit more, as micro-kernels
# may take one off where a sum is negative.
_CONSTANT_SHIFT = 1


@dataclass(frozen=True)
class Channel:
    """How a channel's sums become int8: (sum * multiplier / 2**31, rounded) / 2**shift, rounded.

    shift: to the right. sums: the least and the largest sum there can be, the bias included.
    zero_point, clamp: of the output.
    """

    multiplier: int
    shift: int
    sums: tuple[int, int]
    zero_point: int
    clamp: tuple[int, int]

    def scaled(self, value: int) -> int:
        """The rounded product with the multiplier."""
        return (value * self.multiplier + (1 << 30)) >> 31

    def exact(self, value: int) -> int:
        """TFLite's MultiplyByQuantizedMultiplier, the zero point and the clamp."""
        product = self.scaled(value)
        half = (1 << self.shift) >> 1
        rounded = (product + half - (product < 0 < self.shift)) >> self.shift
        low, high = self.clamp
        return max(low, min(high, rounded + self.zero_point))

    def parameters(self) -> tuple[int, int, int] | None:
        """(multiplier, offset, shift) of `isa.settled`, or None where it would not be exact."""
        first, last = map(self.exact, self.sums)
        if first == last:
            # The result grows with the sum, so it is the same for all of them.
            return 0, (first << _CONSTANT_SHIFT) + 1, _CONSTANT_SHIFT
        half = (1 << self.shift) >> 1
        offset = half + (self.zero_point << self.shift)
        lowest, highest = map(self.scaled, self.sums)
        # Without a shift nothing is rounded, but what is negative becomes one less.
        harmless = self.shift > 0 or self.sums[0] >= 0 or self.clamp[0] >= self.zero_point
        exact = (
            harmless
            and all(value in _SUMS for value in self.sums)
            and all(value in _INT32 for value in (offset, lowest - 1 + offset, highest + offset))
        )
        return (self.multiplier, offset, self.shift) if exact else None


def pack_channels(
    weights: np.ndarray,
    bias: np.ndarray,
    multiplier: np.ndarray,
    shift: np.ndarray,
    attrs: dict[str, int],
    *,
    folds: bool,
) -> np.ndarray | None:
    """params [O, 4] int32 of filters [O, K]: bias, multiplier, offset, shift.

    shift: [O] or [1], to the left. attrs: x_zp, y_zp, act_min, act_max. folds: take the input's
    zero point into the bias. None where a channel's arithmetic does not fit.
    """
    rows = []
    wide = weights.astype(np.int64)
    low, high = -128 - attrs["x_zp"], 127 - attrs["x_zp"]
    least = np.minimum(wide * low, wide * high).sum(axis=1) + bias
    most = np.maximum(wide * low, wide * high).sum(axis=1) + bias
    start = bias - attrs["x_zp"] * wide.sum(axis=1) if folds else bias.astype(np.int64)
    span = np.abs(start) + 128 * np.abs(wide).sum(axis=1)
    shifts = np.broadcast_to(shift, multiplier.shape)
    if int(span.max(initial=0)) not in _INT32 or int(shifts.max(initial=0)) > 0:
        return None
    clamp = attrs["act_min"], attrs["act_max"]
    for k in range(len(weights)):
        sums = int(least[k]), int(most[k])
        channel = Channel(int(multiplier[k]), -int(shifts[k]), sums, attrs["y_zp"], clamp)
        found = channel.parameters()
        if found is None:
            return None
        rows.append((int(start[k]), *found))
    return np.array(rows, dtype="int32").reshape(-1, 4)


def padded(params: np.ndarray, filters: int) -> np.ndarray:
    """With channels of zeros behind, up to a multiple of `filters`."""
    missing = -len(params) % filters
    return np.concatenate([params, np.zeros((missing, 4), "int32")])


def as_ints(attrs: dict[str, object], names: Sequence[str]) -> dict[str, int]:
    """Integer attributes of a call."""
    return {name: int(str(attrs[name])) for name in names}
