"""Layouts of the parameters by which each channel's sums are requantized to int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Expr

from ..requantize import high_mul, i32

_BIAS, _MULTIPLIER, _OFFSET, _SHIFT = range(4)


@dataclass(frozen=True)
class ChannelParamsLayout:
    """A layout of channel parameters, with `words` int32 per channel.

    compact: two words, bias * 256 + shift - 1 and multiplier. Otherwise four: bias, multiplier,
    offset, shift, where offset = 2**(shift - 1) + zero point * 2**shift is added before the shift
    to the right. Compact parameters have no offset; it is computed from the zero point, an
    argument of the micro-kernel. lanes: the number of channels whose values of one parameter are
    adjacent, as vectors load them; with more than one, shifts are stored negated.
    """

    compact: bool = False
    lanes: int = 1

    @property
    def words(self) -> int:
        """The number of int32 words per channel."""
        return 2 if self.compact else 4

    @property
    def suffix(self) -> str:
        """The suffix of the names of micro-kernels that take this layout."""
        return ""

    @property
    def takes_zero_point(self) -> bool:
        """Whether the output's zero point is an argument of micro-kernels, not a parameter."""
        return self.words == 2

    def limits(self, zero_point: int, clamp: tuple[int, int]) -> tuple[int, ...]:
        """The arguments of micro-kernels about the output: zero point if needed, clamp."""
        return (zero_point, *clamp) if self.takes_zero_point else clamp

    def shape(self, channels: int) -> tuple[int, ...]:
        """The shape of the array of parameters of `channels` channels."""
        if self.lanes == 1:
            return (channels, self.words)
        return (-(-channels // self.lanes), self.words, self.lanes)

    def pack(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """The array of the parameters in `rows`, one row per channel, padded with zeros."""
        array = np.array(rows, dtype="int32").reshape(-1, self.words)
        if self.lanes == 1:
            return array
        if self.words > _SHIFT:
            array[:, _SHIFT] *= -1
        missing = np.zeros((-len(array) % self.lanes, self.words), "int32")
        blocks = np.concatenate([array, missing]).reshape(-1, self.lanes, self.words)
        return np.ascontiguousarray(blocks.transpose(0, 2, 1))

    def all_of(self, channel: Expr) -> tuple[Any, ...]:
        """The index of all parameters of a channel in the array."""
        every = slice(0, self.words)
        if self.lanes == 1:
            return (channel, every)
        return (channel // self.lanes, every, channel % self.lanes)

    def _get(self, params: Any, channel: Expr, which: int) -> Expr:
        if self.lanes == 1:
            return params[channel, which]
        return params[channel // self.lanes, which, channel % self.lanes]

    def bias(self, params: Any, channel: Expr) -> Expr:
        """The bias of a channel, with which its sum starts."""
        return self._bias(self._get(params, channel, _BIAS))

    def _bias(self, first: Expr) -> Expr:
        return first >> i32(8) if self.compact else first

    def scaled(self, total: Expr, params: Any, channel: Expr) -> Expr:
        """The first half of requantizing: the rounded product, see `high_mul`."""
        return high_mul(total, self._get(params, channel, _MULTIPLIER))

    def settled(
        self, value: Expr, params: Any, channel: Expr, zero_point: int, clamp: tuple[int, int]
    ) -> Expr:
        """The second half of requantizing: divide, round halves away from zero, clamp."""
        signed = value + (value >> i32(31))
        if self.compact:
            shift = self._get(params, channel, _BIAS) & i32(255)
            offset = i32(2 * zero_point + 1) * (i32(1) << shift)
            result = ((signed + offset) >> shift) >> i32(1)
        else:
            shift = self._get(params, channel, _SHIFT)
            shift = shift if self.lanes == 1 else -shift
            result = (signed + self._get(params, channel, _OFFSET)) >> shift
        low, high = clamp
        return tirx.max(tirx.min(result, i32(high)), i32(low)).astype("int8")


WIDE, COMPACT, BLOCKS = (
    ChannelParamsLayout(),
    ChannelParamsLayout(compact=True),
    ChannelParamsLayout(lanes=4),
)
