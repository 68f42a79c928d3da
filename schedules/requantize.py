"""Fixed-point arithmetic as TIR expressions, bit for bit that of TFLite's reference kernels.

Source: gemmlowp's fixed-point routines, as used by TFLite's MultiplyByQuantizedMultiplier with
double rounding; docs/numerics.md derives the forms used here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.ir import Call, Expr


def i32(value: Expr | int) -> Expr:
    """`value` as an int32 expression."""
    return tirx.const(value, "int32") if isinstance(value, int) else value.astype("int32")


def i64(value: Expr | int) -> Expr:
    """`value` as an int64 expression."""
    return tirx.const(value, "int64") if isinstance(value, int) else value.astype("int64")


def high_mul(value: Expr, multiplier: Expr, left_shift: Expr | None = None) -> Expr:
    """SaturatingRoundingDoublingHighMul(value << left_shift, multiplier), as int32.

    The multiplier is never negative. So the saturating case cannot occur, and rounding halves away
    from zero before a truncating division equals (a * b + 2**30) >> 31. The left shift is a
    multiplication, because C leaves left shifts of negative values undefined.
    """
    wide = i64(value)
    if left_shift is not None:
        wide = wide * (i64(1) << i64(left_shift))
    return ((wide * i64(multiplier) + i64(1 << 30)) >> i64(31)).astype("int32")


def rounding_shift_right(value: Expr, exponent: Expr) -> Expr:
    """RoundingDivideByPOT: value / 2**exponent, rounded with halves away from zero.

    value: int32. exponent: 0 .. 31.
    """
    # Unsigned, so that C defines 1 << 31; 64 bits would cost a small core a dozen instructions.
    one = tirx.const(1, "uint32")
    mask = ((one << exponent.astype("uint32")) - one).astype("int32")
    threshold = (mask >> i32(1)) + tirx.Cast("int32", value < i32(0))
    return (value >> i32(exponent)) + tirx.Cast("int32", (value & mask) > threshold)


def scale_up(value: Expr, multiplier: Expr, shift: Expr, *, may_shift_left: bool) -> Expr:
    """The first half of MultiplyByQuantizedMultiplier: the rounded product.

    shift: to the left, as in TFLite. may_shift_left: False where no shift of the operator is
    positive, which is the common case. Store the result in a buffer for `scale_down`, which uses
    it three times.
    """
    return high_mul(value, multiplier, tirx.max(shift, i32(0)) if may_shift_left else None)


def scale_down(value: Expr, shift: Expr, *, may_shift_left: bool) -> Expr:
    """The second half of MultiplyByQuantizedMultiplier: the rounding shift to the right."""
    return rounding_shift_right(value, tirx.max(-shift, i32(0)) if may_shift_left else -shift)


def shift_right_to_even(value: Expr, exponent: Expr) -> Expr:
    """The quotient value / 2**exponent, halves to even; exponent 1..31, |value| at most 2**30."""
    one = tirx.const(1, "uint32")
    below_half = (one << (exponent - i32(1)).astype("uint32")).astype("int32") - i32(1)
    return (value + below_half + ((value >> exponent) & i32(1))) >> exponent


# Adding 1.5 * 2**23 to a small float32 rounds it to an integer, ties to even, as a float32 of that
# size has no fraction bits; subtracting it again leaves that integer. This needs no libm.
ROUND_TO_EVEN = 1.5 * (1 << 23)
_FAR = float(1 << 20)


@dataclass(frozen=True)
class Rescale:
    """The requantization of int32 sums to the output's scale, by `up` and then `down`.

    float32: as in onnxruntime, by one product in float32, rounded with ties to even; multipliers
    are float32 and shifts unused. to_even: the same in integers, for sums with headroom and shifts
    below 0. Otherwise by TFLite's MultiplyByQuantizedMultiplier.
    """

    float32: bool = False
    to_even: bool = False
    may_shift_left: bool = False

    @property
    def dtype(self) -> str:
        """The element type of the multipliers, and of the result of `up`."""
        return "float32" if self.float32 else "int32"

    def up(self, value: Expr, multiplier: Expr, shift: Expr) -> Expr:
        """The first half, see `scale_up`; store it in a buffer of `dtype` for `down`.

        In float32 a clamp between product and sum keeps compilers from fusing them into one
        rounding, and the buffer keeps TVM from cancelling the addition with the subtraction.
        """
        if not self.float32:
            return scale_up(value, multiplier, shift, may_shift_left=self.may_shift_left)
        far = tirx.const(_FAR, "float32")
        near = tirx.max(tirx.min(value.astype("float32") * multiplier, far), -far)
        return near + tirx.const(ROUND_TO_EVEN, "float32")

    def down(self, value: Expr, shift: Expr) -> Expr:
        """The second half, see `scale_down`: the int32 result, without the zero point."""
        if self.to_even:
            return shift_right_to_even(value, -shift)
        if not self.float32:
            return scale_down(value, shift, may_shift_left=self.may_shift_left)
        return (value - tirx.const(ROUND_TO_EVEN, "float32")).astype("int32")


def channel_rescale(call: Call) -> Rescale:
    """The requantization of an operator with one multiplier per channel."""
    if str(call.attrs["rounding"]) == "float32":
        return Rescale(float32=True)
    return Rescale(float32=False, may_shift_left=bool(call.attrs["shifts_left"]))


def tensor_rescale(call: Call) -> tuple[Rescale, Callable[[Expr], Expr]]:
    """The requantization of an operator with a single multiplier, and that multiplier.

    The multiplier is a function of the kernel's integer parameter for it.
    """
    if str(call.attrs["rounding"]) == "float32":
        ratio = tirx.const(float(call.attrs["ratio"]), "float32")
        return Rescale(float32=True), lambda parameter: ratio
    to_even = str(call.attrs["rounding"]) == "to_even"
    rescale = Rescale(to_even=to_even, may_shift_left=int(call.attrs["shift"]) > 0)
    return rescale, lambda parameter: parameter


def clamp_int8(value: Expr, low: Expr | int, high: Expr | int) -> Expr:
    """`value` limited to [low, high] and narrowed to int8."""
    return tirx.max(tirx.min(value, i32(high)), i32(low)).astype("int8")
