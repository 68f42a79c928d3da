"""Fixed-point expressions in TIR, bit for bit those of TFLite's reference kernels.

Source: gemmlowp's fixed-point routines as TFLite's double-rounding
MultiplyByQuantizedMultiplier uses them; docs/numerics.md derives the forms used here.
"""

from __future__ import annotations

from tvm import tirx
from tvm.ir import Expr


def i32(value: Expr | int) -> Expr:
    """`value` as an int32 expression."""
    return tirx.const(value, "int32") if isinstance(value, int) else value.astype("int32")


def i64(value: Expr | int) -> Expr:
    """`value` as an int64 expression."""
    return tirx.const(value, "int64") if isinstance(value, int) else value.astype("int64")


def high_mul(value: Expr, multiplier: Expr, left_shift: Expr | None = None) -> Expr:
    """SaturatingRoundingDoublingHighMul(value << left_shift, multiplier), as int32.

    `multiplier` is never negative, so the saturating case cannot occur and
    round-half-away of a truncating division equals (a * b + 2**30) >> 31. The left shift is a
    multiplication because C leaves shifts of negative values undefined.
    """
    wide = i64(value)
    if left_shift is not None:
        wide = wide * (i64(1) << i64(left_shift))
    return ((wide * i64(multiplier) + i64(1 << 30)) >> i64(31)).astype("int32")


def rounding_shift_right(value: Expr, exponent: Expr) -> Expr:
    """RoundingDivideByPOT: value / 2**exponent, halves away from zero; int32, exponent 0..31."""
    mask = ((i64(1) << i64(exponent)) - i64(1)).astype("int32")
    threshold = (mask >> i32(1)) + tirx.Cast("int32", value < i32(0))
    return (value >> i32(exponent)) + tirx.Cast("int32", (value & mask) > threshold)


def scale_up(value: Expr, multiplier: Expr, shift: Expr, *, may_shift_left: bool) -> Expr:
    """First half of MultiplyByQuantizedMultiplier: the rounded product with the multiplier.

    `shift` counts to the left as in TFLite; `may_shift_left` is False where the compiler knows
    that no shift of this operator is positive, which is the common case. Keep the result in
    memory before `scale_down`, which uses it three times.
    """
    return high_mul(value, multiplier, tirx.max(shift, i32(0)) if may_shift_left else None)


def scale_down(value: Expr, shift: Expr, *, may_shift_left: bool) -> Expr:
    """Second half of MultiplyByQuantizedMultiplier: the rounding shift to the right."""
    return rounding_shift_right(value, tirx.max(-shift, i32(0)) if may_shift_left else -shift)


def clamp_int8(value: Expr, low: Expr | int, high: Expr | int) -> Expr:
    """`value` limited to [low, high] and narrowed to int8."""
    return tirx.max(tirx.min(value, i32(high)), i32(low)).astype("int8")
