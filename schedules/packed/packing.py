"""Packs the constants of operators into the layouts that micro-kernels take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .channels import ChannelParamsLayout
from .float32 import FloatChannel, FloatChannelParamsLayout

_INT32 = range(-(1 << 31), 1 << 31)
# The range of sums, which micro-kernels double.
_SUMS = range(-(1 << 30), 1 << 30)
# The range of biases in compact parameters.
_BIASES = range(-(1 << 23), 1 << 23)
# A constant value v is stored as multiplier 0, offset 2 * v + 1 and shift 1: (2 * v + 1) >> 1 = v,
# and also (2 * v) >> 1 = v, as micro-kernels may subtract 1 for a negative sum.
_CONSTANT_SHIFT = 1


@dataclass(frozen=True)
class Channel:
    """The requantization of one channel by TFLite's fixed-point arithmetic.

    round(round(sum * multiplier / 2**31) / 2**shift) + zero_point, clamped. sums: the least and
    the largest possible sum, bias included. zero_point, clamp: those of the output.
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
        """The output for a sum: MultiplyByQuantizedMultiplier, zero point and clamp."""
        product = self.scaled(value)
        half = (1 << self.shift) >> 1
        rounded = (product + half - (product < 0 < self.shift)) >> self.shift
        low, high = self.clamp
        return max(low, min(high, rounded + self.zero_point))

    @property
    def constant(self) -> int | None:
        """The output, if it is the same for all possible sums; else None."""
        first, last = map(self.exact, self.sums)
        return first if first == last else None

    def row(self, start: int, layout: ChannelParamsLayout) -> tuple[int, ...] | None:
        """The parameters of a channel, or None where the arithmetic would not be exact.

        start: the value with which sums start. With multiplier 0 the bias is stored as 0, since
        micro-kernels double sums even then, which could overflow.
        """
        if layout.compact:
            return self.compact(start)
        found = self.parameters()
        return None if found is None else (start if found[0] else 0, *found)

    def compact(self, start: int) -> tuple[int, int] | None:
        """The compact parameters, or None where the arithmetic would not be exact.

        start: the bias. They are (bias * 256 + shift - 1, multiplier). If the output is constant,
        they are right for weights of zero.
        """
        if self.constant is not None:
            # 4 * (value - zero point) times 1/2, then shifted by 1, is value - zero point.
            return 4 * (self.constant - self.zero_point) * 256, 1 << 30
        found = self.parameters()
        fits = found is not None and self.shift > 0 and start in _BIASES
        return (start * 256 + self.shift - 1, self.multiplier) if fits else None

    def parameters(self) -> tuple[int, int, int] | None:
        """(multiplier, offset, shift), or None where the arithmetic would not be exact."""
        first = self.constant
        if first is not None:
            # The output is monotonic in the sum, so it is the same for all sums in between.
            return 0, (first << _CONSTANT_SHIFT) + 1, _CONSTANT_SHIFT
        half = (1 << self.shift) >> 1
        offset = half + (self.zero_point << self.shift)
        lowest, highest = map(self.scaled, self.sums)
        # Micro-kernels subtract 1 from negative products, which must not matter with shift 0.
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
    layout: ChannelParamsLayout,
) -> tuple[np.ndarray, np.ndarray] | None:
    """The filters [O, K] to pack, and their parameters in a layout.

    multiplier: int32 [O], float32 [O] for a `FloatForm`. shift: [O] or [1], to the left. attrs:
    x_zp, y_zp, act_min, act_max. folds: fold the input's zero point into the bias. Filters of
    channels with a constant output become zero. None where a channel's arithmetic does not fit.
    """
    shifts = np.broadcast_to(shift, multiplier.shape)
    if int(shifts.max(initial=0)) > 0:
        return None
    low, high = -128 - attrs["x_zp"], 127 - attrs["x_zp"]
    clamp = attrs["act_min"], attrs["act_max"]
    kept, rows = weights.copy(), []
    for k, filter_ in enumerate(weights.astype(np.int64)):
        terms = np.minimum(filter_ * low, filter_ * high), np.maximum(filter_ * low, filter_ * high)
        sums = int(terms[0].sum()) + int(bias[k]), int(terms[1].sum()) + int(bias[k])
        start = int(bias[k]) - (attrs["x_zp"] * int(filter_.sum()) if folds else 0)
        result = sums, attrs["y_zp"], clamp
        channel: Channel | FloatChannel = Channel(int(multiplier[k]), -int(shifts[k]), *result)
        if isinstance(layout, FloatChannelParamsLayout):
            channel = FloatChannel(np.float32(multiplier[k]), *result)
        if channel.constant is not None:
            kept[k] = 0
        found = channel.row(start, layout)
        if found is None or abs(found[0]) + 128 * int(np.abs(kept[k]).sum()) not in _INT32:
            return None
        rows.append(found)
    return kept, layout.pack(rows)


def padded(params: np.ndarray, filters: int, layout: ChannelParamsLayout) -> np.ndarray:
    """The parameters, padded by channels of zeros to a multiple of `filters`."""
    if layout.lanes > 1:
        return params
    missing = -len(params) % filters
    return np.concatenate([params, np.zeros((missing, params.shape[1]), "int32")])


def as_ints(attrs: dict[str, object], names: Sequence[str]) -> dict[str, int]:
    """The attributes `names` of a call as integers."""
    return {name: int(str(attrs[name])) for name in names}
