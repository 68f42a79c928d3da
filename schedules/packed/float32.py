"""Rounding as onnxruntime does: what takes sums to int8 by one float32 multiplier.

    y = zero_point + rint(f32(f32(sum) * multiplier))

with halves to even. Cores with a floating-point unit compute just that. The others use integers:
sum * m / 2**31 is rounded, then divided by 2**shift, and only where that is a half the remainder
of the first division tells whether the float32 product was one; docs/numerics.md has why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.ir import Expr

from ..requantize import i32
from .channels import BLOCKS, COMPACT, WIDE, Form

_INT32 = range(-(1 << 31), 1 << 31)
_SUMS = range(-(1 << 30) + 1, 1 << 30)
# Half of the last place of a float32 below this is less than what the first division rounds by.
_TERMS = 1 << 23
# Behind the lowest and the highest int8: 2**8 times 2**shift are still such terms.
_SAFE_SHIFT = 15
# A product of constants: four times the distance from the zero point, times 1/4.
_QUARTER = 0.25
# Constants of seven digits at most, as TVM's C has no more of them. With this added a float32 is
# rounded to an integer, ties to even, up to more than _FAR.
_ROUNDS = 12_000_000
_FAR = float(1 << 20)
_MULTIPLIER, _SHIFT = 1, 3


@dataclass(frozen=True)
class FloatForm(Form):
    """Parameters of this rounding.

    Where a micro-kernel is told the zero point they are bias and the multiplier's bits, else bias,
    m, what is added before the shift, shift.
    """

    @property
    def whole(self) -> bool:
        """Whether the multiplier is one word."""
        return self.compact or self.lanes > 1

    @property
    def words(self) -> int:
        """Of a channel."""
        return 2 if self.whole else 4

    @property
    def suffix(self) -> str:
        """Of the names of micro-kernels."""
        return "_float32"

    def _bias(self, first: Expr) -> Expr:
        return first

    def scaled(self, total: Expr, params: Any, channel: Expr) -> Expr:
        """The rounded product."""
        m, shift = self._parts(params, channel)
        # All of it is exact in float32.
        factor = tirx.Cast("float32", m) / (_power(i32(31)) * _power(shift))
        product = tirx.Cast("float32", total) * factor
        # Between product and sum, so that no compiler may take them for one operation.
        near = tirx.max(tirx.min(product, _float(_FAR)), _float(-_FAR))
        # What is added is taken away as an integer: TVM would cancel it.
        return tirx.Cast("int32", near + _float(_ROUNDS)) - i32(_ROUNDS)

    def _parts(self, params: Any, channel: Expr) -> tuple[Expr, Expr]:
        """m and the shift."""
        word = self._get(params, channel, _MULTIPLIER)
        if not self.whole:
            return word, self._get(params, channel, _SHIFT)
        fraction = (word & i32((1 << 23) - 1)) | i32(1 << 23)
        return fraction << i32(7), i32(126) - (word >> i32(23))

    def settled(
        self, value: Expr, params: Any, channel: Expr, zero_point: int, clamp: tuple[int, int]
    ) -> Expr:
        """The zero point and the clamp."""
        low, high = clamp
        result = value + i32(zero_point)
        return tirx.max(tirx.min(result, i32(high)), i32(low)).astype("int8")


def _float(value: float) -> Expr:
    return tirx.const(float(value), "float32")


def _power(exponent: Expr) -> Expr:
    return tirx.Cast("float32", tirx.const(1, "uint32") << exponent.astype("uint32"))


IN_FLOAT32 = {
    WIDE: FloatForm(),
    COMPACT: FloatForm(compact=True),
    BLOCKS: FloatForm(lanes=BLOCKS.lanes),
}


@dataclass(frozen=True)
class FloatChannel:
    """How a channel's sums become int8.

    sums: the least and the largest sum there can be, the bias included. zero_point, clamp: of the
    output.
    """

    multiplier: np.float32
    sums: tuple[int, int]
    zero_point: int
    clamp: tuple[int, int]

    @property
    def parts(self) -> tuple[int, int]:
        """(m, shift): the multiplier is m / 2**(31 + shift), m in [2**30, 2**31)."""
        bits = int(np.float32(self.multiplier).view(np.int32))
        return ((bits & (1 << 23) - 1) | 1 << 23) << 7, 126 - (bits >> 23)

    def exact(self, value: int) -> int:
        """The output of a sum."""
        low, high = self.clamp
        rounded = float(np.rint(np.float32(value) * self.multiplier))
        return int(max(low, min(high, rounded + self.zero_point)))

    @property
    def constant(self) -> int | None:
        """The one value there is, if there is but one."""
        first, last = map(self.exact, self.sums)
        return first if first == last else None

    def row(self, start: int, form: Form) -> tuple[int, ...] | None:
        """The parameters in a form, of sums that begin with `start`; None where integers fail.

        Those of a channel of one value are for weights of zero.
        """
        channel, value = self, self.constant
        if value is not None:
            # The result grows with the sum, so it is the same for all of them.
            start = round((value - self.zero_point) / _QUARTER)
            sums = start, start
            channel = FloatChannel(np.float32(_QUARTER), sums, self.zero_point, self.clamp)
        return channel._row(start, form) if channel.fits() else None

    def _row(self, start: int, form: Form) -> tuple[int, ...]:
        m, shift = self.parts
        if form.words == 2:
            return start, int(np.float32(self.multiplier).view(np.int32))
        return start, m, self._offset(), shift

    def _offset(self) -> int:
        _, shift = self.parts
        return (1 << (shift - 1)) + (self.zero_point << shift)

    def fits(self) -> bool:
        """Whether integers give the same for all sums, and nothing on the way leaves int32."""
        m, shift = self.parts
        # Zero, negative and infinite multipliers have exponents or signs outside of these.
        if not 1 <= shift <= 30 or self.multiplier < 0:
            return False
        terms = [(value * m + (1 << 30)) >> 31 for value in self.sums]
        return (
            all(value in _SUMS for value in self.sums)
            and (shift <= _SAFE_SHIFT or all(abs(term) < _TERMS for term in terms))
            and all(term + self._offset() in _INT32 for term in terms)
        )
