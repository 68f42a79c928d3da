"""How the parameters of a channel lie: what takes its sums to int8."""

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
class Form:
    """One way; `words` int32 a channel.

    compact: bias * 256 + shift - 1, multiplier. Otherwise bias, multiplier, offset, shift: what is
    added before the shift is half of what it divides by, and the output's zero point times that.
    In the compact form it follows from the zero point, which is in the code. lanes: so many
    channels of one parameter follow each other; where there are several, shifts are negative.
    """

    compact: bool = False
    lanes: int = 1

    @property
    def words(self) -> int:
        """Of a channel."""
        return 2 if self.compact else 4

    @property
    def suffix(self) -> str:
        """Of the names of micro-kernels."""
        return ""

    @property
    def told(self) -> bool:
        """Whether micro-kernels are told the output's zero point, which parameters are without."""
        return self.words == 2

    def limits(self, zero_point: int, clamp: tuple[int, int]) -> tuple[int, ...]:
        """What micro-kernels are told of the output."""
        return (zero_point, *clamp) if self.told else clamp

    def shape(self, channels: int) -> tuple[int, ...]:
        """Of the array of so many channels."""
        if self.lanes == 1:
            return (channels, self.words)
        return (-(-channels // self.lanes), self.words, self.lanes)

    def pack(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Parameters of all channels as they lie, those of missing channels zero."""
        array = np.array(rows, dtype="int32").reshape(-1, self.words)
        if self.lanes == 1:
            return array
        if self.words > _SHIFT:
            array[:, _SHIFT] *= -1
        missing = np.zeros((-len(array) % self.lanes, self.words), "int32")
        blocks = np.concatenate([array, missing]).reshape(-1, self.lanes, self.words)
        return np.ascontiguousarray(blocks.transpose(0, 2, 1))

    def all_of(self, channel: Expr) -> tuple[Any, ...]:
        """The part of the array that is a channel's."""
        every = slice(0, self.words)
        if self.lanes == 1:
            return (channel, every)
        return (channel // self.lanes, every, channel % self.lanes)

    def _get(self, params: Any, channel: Expr, which: int) -> Expr:
        if self.lanes == 1:
            return params[channel, which]
        return params[channel // self.lanes, which, channel % self.lanes]

    def bias(self, params: Any, channel: Expr) -> Expr:
        """Where the sum begins."""
        return self._bias(self._get(params, channel, _BIAS))

    def _bias(self, first: Expr) -> Expr:
        return first >> i32(8) if self.compact else first

    def scaled(self, total: Expr, params: Any, channel: Expr) -> Expr:
        """The first half of requantizing, see `high_mul`."""
        return high_mul(total, self._get(params, channel, _MULTIPLIER))

    def settled(
        self, value: Expr, params: Any, channel: Expr, zero_point: int, clamp: tuple[int, int]
    ) -> Expr:
        """The second half: divides, rounds halves away from zero, clamps."""
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


WIDE, COMPACT, BLOCKS = Form(), Form(compact=True), Form(lanes=4)
