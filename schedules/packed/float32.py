"""Requantizing sums to int8 by one float32 multiplier per channel, as onnxruntime does.

    y = zero_point + rint(f32(f32(sum) * multiplier))

with halves to even. Cores with a floating-point unit compute just that. Others use integers:
sum * m / 2**31 is rounded, then divided by 2**shift. Only where that quotient ends in a half, the
remainder of the first division decides how to round. docs/numerics.md proves that this is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Expr

from ..requantize import i32
from .channels import BLOCKS, COMPACT, WIDE, ChannelParamsLayout

_INT32 = range(-(1 << 31), 1 << 31)
_SUMS = range(-(1 << 30) + 1, 1 << 30)
# Products sum * m / 2**31 below this are exact enough: half of the last place of a float32 is less
# than the error of the first division.
_TERMS = 1 << 23
# Up to this shift, larger products are clamped anyway: 2**8 * 2**15 = _TERMS.
_SAFE_SHIFT = 15
# The multiplier of channels that have one value: 4 * (value - zero point) * 1/4.
_QUARTER = 0.25
# Adding this rounds a float32 up to _FAR to an integer, ties to even. TVM prints float constants
# with seven digits, so a constant must not have more.
_ROUNDS = 12_000_000
_FAR = float(1 << 20)
_MULTIPLIER, _SHIFT = 1, 3


@dataclass(frozen=True)
class FloatChannelParamsLayout(ChannelParamsLayout):
    """A layout of channel parameters for rounding in float32.

    Two words are the bias and the bits of the float32 multiplier. Four are bias, m, offset and
    shift, where the multiplier is m / 2**(31 + shift) and the offset is added before the shift.
    """

    @property
    def whole(self) -> bool:
        """Whether the multiplier is stored as one float32."""
        return self.compact or self.lanes > 1

    @property
    def words(self) -> int:
        """The number of int32 words per channel."""
        return 2 if self.whole else 4

    @property
    def suffix(self) -> str:
        """The suffix of the names of micro-kernels that take this layout."""
        return "_float32"

    def _bias(self, first: Expr) -> Expr:
        return first

    def scaled(self, total: Expr, params: Any, channel: Expr) -> Expr:
        """The product of a sum with the multiplier, rounded to an integer."""
        m, shift = self._parts(params, channel)
        # The factor is exact in float32: m has 24 significant bits.
        factor = tirx.Cast("float32", m) / (_power(i32(31)) * _power(shift))
        product = tirx.Cast("float32", total) * factor
        # A clamp between product and sum, so that no compiler may fuse them into one rounding.
        near = tirx.max(tirx.min(product, _float(_FAR)), _float(-_FAR))
        # The constant is subtracted as an integer, since TVM would cancel a float.
        return tirx.Cast("int32", near + _float(_ROUNDS)) - i32(_ROUNDS)

    def _parts(self, params: Any, channel: Expr) -> tuple[Expr, Expr]:
        """(m, shift) of a channel, where the multiplier is m / 2**(31 + shift)."""
        word = self._get(params, channel, _MULTIPLIER)
        if not self.whole:
            return word, self._get(params, channel, _SHIFT)
        fraction = (word & i32((1 << 23) - 1)) | i32(1 << 23)
        return fraction << i32(7), i32(126) - (word >> i32(23))

    def settled(
        self, value: Expr, params: Any, channel: Expr, zero_point: int, clamp: tuple[int, int]
    ) -> Expr:
        """The second half of requantizing: add the zero point, clamp."""
        low, high = clamp
        result = value + i32(zero_point)
        return tirx.max(tirx.min(result, i32(high)), i32(low)).astype("int8")


def _float(value: float) -> Expr:
    return tirx.const(float(value), "float32")


def _power(exponent: Expr) -> Expr:
    return tirx.Cast("float32", tirx.const(1, "uint32") << exponent.astype("uint32"))


IN_FLOAT32 = {
    WIDE: FloatChannelParamsLayout(),
    COMPACT: FloatChannelParamsLayout(compact=True),
    BLOCKS: FloatChannelParamsLayout(lanes=BLOCKS.lanes),
}


@dataclass(frozen=True)
class FloatChannel:
    """The requantization of one channel by a float32 multiplier.

    sums: the least and the largest possible sum, bias included. zero_point, clamp: those of the
    output.
    """

    multiplier: np.float32
    sums: tuple[int, int]
    zero_point: int
    clamp: tuple[int, int]

    @property
    def parts(self) -> tuple[int, int]:
        """(m, shift), where the multiplier is m / 2**(31 + shift), m in [2**30, 2**31)."""
        bits = int(np.float32(self.multiplier).view(np.int32))
        return ((bits & (1 << 23) - 1) | 1 << 23) << 7, 126 - (bits >> 23)

    def exact(self, value: int) -> int:
        """The output for a sum."""
        low, high = self.clamp
        rounded = float(np.rint(np.float32(value) * self.multiplier))
        return int(max(low, min(high, rounded + self.zero_point)))

    @property
    def constant(self) -> int | None:
        """The output, if it is the same for all possible sums; else None."""
        first, last = map(self.exact, self.sums)
        return first if first == last else None

    def row(self, start: int, layout: ChannelParamsLayout) -> tuple[int, ...] | None:
        """The parameters of a channel, or None where integer arithmetic is not exact.

        start: the value with which sums start. If the output is constant, the parameters are right
        for weights of zero.
        """
        channel, value = self, self.constant
        if value is not None:
            # Weights become zero, so that the sum is `start` and gives the constant value.
            start = round((value - self.zero_point) / _QUARTER)
            sums = start, start
            channel = FloatChannel(np.float32(_QUARTER), sums, self.zero_point, self.clamp)
        return channel._row(start, layout) if channel.fits() else None

    def _row(self, start: int, layout: ChannelParamsLayout) -> tuple[int, ...]:
        m, shift = self.parts
        if layout.words == 2:
            return start, int(np.float32(self.multiplier).view(np.int32))
        return start, m, self._offset(), shift

    def _offset(self) -> int:
        _, shift = self.parts
        return (1 << (shift - 1)) + (self.zero_point << shift)

    def fits(self) -> bool:
        """Whether integer arithmetic is exact for all sums, and stays within int32."""
        m, shift = self.parts
        # Zero and infinite multipliers have exponents outside of this range.
        if not 1 <= shift <= 30 or self.multiplier < 0:
            return False
        terms = [(value * m + (1 << 30)) >> 31 for value in self.sums]
        return (
            all(value in _SUMS for value in self.sums)
            and (shift <= _SAFE_SHIFT or all(abs(term) < _TERMS for term in terms))
            and all(term + self._offset() in _INT32 for term in terms)
        )
