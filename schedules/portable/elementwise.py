"""Row kernels of elementwise operators."""

from __future__ import annotations

from collections.abc import Sequence

from tvm import tirx
from tvm.ir import Call, Expr

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel, same_rows
from ..pointwise import Steps, pointwise_kernel
from ..requantize import ROUND_TO_EVEN, Rescale, clamp_int8, i32, tensor_rescale
from ..shapes import Index, shape_of, spec

Buffers = Sequence[tirx.Var]


def broadcast(shape: Sequence[int], index: Index) -> list[Expr]:
    """The index into a broadcast tensor of `shape` for an output index."""
    tail = index[len(index) - len(shape) :]
    return [tirx.const(0, "int32") if d == 1 else i for d, i in zip(shape, tail, strict=True)]


def broadcast_operand(call: Call, which: int, buffers: Buffers, index: Index) -> Expr:
    """The element of operand `which` at an output index, as int32."""
    return i32(buffers[which][broadcast(shape_of(call.args[which]), index)])


@row_kernel("tvm_tiny.lut", streams=same_rows, tiles=True)
def lut(call: Call, addressing: Addressing) -> RowKernel:
    """A function of one 8-bit value, by a table.

    Operands: x int8 or uint8; table [256] of the result's type, lowest value of x first.
    """
    lowest = -128 if spec(call.args[0])[1] == "int8" else 0

    def value(buffers: Buffers, index: Index) -> Expr:
        return buffers[1][i32(buffers[0][index]) - i32(lowest)]

    return pointwise_kernel(call, addressing, value)


@row_kernel("tvm_tiny.copy", "tvm_tiny.push", streams=same_rows, tiles=True)
def copy(call: Call, addressing: Addressing) -> RowKernel:
    """A copy of the input; `push` copies a row of input that the caller passes."""
    return pointwise_kernel(call, addressing, lambda buffers, index: buffers[0][index])


def _requantized(steps: Steps, value: Expr, multiplier: Expr, shift: Expr, known: int) -> Expr:
    """MultiplyByQuantizedMultiplier; known: the value of `shift`, known to the compiler."""
    rescale = Rescale(may_shift_left=known > 0)
    return _rescaled(steps, rescale, value, multiplier, shift)


def _rescaled(steps: Steps, rescale: Rescale, value: Expr, multiplier: Expr, shift: Expr) -> Expr:
    scaled = steps.keep(rescale.up(value, multiplier, shift))
    return steps.keep(rescale.down(scaled, shift))


# Integer attributes of sums and differences, in the order in which kernels take them.
SUM = (
    *("a_zp", "b_zp", "y_zp", "act_min", "act_max"),
    *("a_multiplier", "b_multiplier", "y_multiplier", "a_shift", "b_shift", "y_shift"),
)


# Operands are shifted to the left by so many bits, by default 20, before they are rescaled; a
# square has room for 7.
_HEADROOM = {"tvm_tiny.qsquared_difference": 7}
_DIFFERENCES = ("tvm_tiny.qsubtract", "tvm_tiny.qsquared_difference")


@row_kernel(
    *("tvm_tiny.qadd", "tvm_tiny.qsubtract", "tvm_tiny.qsquared_difference"),
    scalars=SUM,
    streams=same_rows,
    tiles=True,
)
def qadd(call: Call, addressing: Addressing) -> RowKernel:
    """The sum, the difference or the squared difference of int8 tensors.

    Both operands are rescaled to twice the larger scale, with `_HEADROOM` bits of fraction.
    """
    name = call.op.name
    unit = 1 << _HEADROOM.get(name, 20)
    known = [int(call.attrs[name]) for name in ("a_shift", "b_shift", "y_shift")]
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        q = buffers[-1]

        def scaled(which: int) -> Expr:
            # Kept, since TVM would compute it in 64 bits inside of a larger expression.
            difference = broadcast_operand(call, which, buffers, index) - q[which]
            centred = steps.keep(difference * i32(unit))
            return _requantized(steps, centred, q[5 + which], q[8 + which], known[which])

        total = scaled(0) - scaled(1) if name in _DIFFERENCES else scaled(0) + scaled(1)
        if name == "tvm_tiny.qsquared_difference":
            total = steps.keep(total)
            total = steps.keep(total * total)
        result = _requantized(steps, total, q[7], q[10], known[2])
        return clamp_int8(result + q[2], q[3], q[4])

    return pointwise_kernel(call, addressing, value, steps=steps)


_SUM_OF_MANY = ("y_zp", "act_min", "act_max", "y_multiplier", "y_shift")


@row_kernel("tvm_tiny.qadd_n", scalars=_SUM_OF_MANY, streams=same_rows, tiles=True)
def qadd_n(call: Call, addressing: Addressing) -> RowKernel:
    """The sum of n int8 tensors, each rescaled as in `qadd`.

    The last operand, int32 [3 * n], has zero point, multiplier and shift (at most 0) of each.
    """
    count = len(call.args) - 1
    known = int(call.attrs["y_shift"])
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        q, factors = buffers[-1], buffers[count]
        total: Expr = i32(0)
        for k in range(count):
            difference = broadcast_operand(call, k, buffers, index) - factors[3 * k]
            centred = steps.keep(difference * i32(1 << 20))
            total += _requantized(steps, centred, factors[3 * k + 1], factors[3 * k + 2], 0)
        result = _requantized(steps, steps.keep(total), q[3], q[4], known)
        return clamp_int8(result + q[0], q[1], q[2])

    return pointwise_kernel(call, addressing, value, steps=steps)


_PRODUCT = ("a_zp", "b_zp", "y_zp", "act_min", "act_max", "multiplier", "shift")


@row_kernel("tvm_tiny.qmultiply", scalars=_PRODUCT, streams=same_rows, tiles=True)
def qmultiply(call: Call, addressing: Addressing) -> RowKernel:
    """The product a * b of int8 tensors, rescaled once.

    It is first shifted to the left by `headroom` bits.
    """
    rescale, multiplier = tensor_rescale(call)
    headroom = int(call.attrs["headroom"])
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        q = buffers[-1]
        product = (broadcast_operand(call, 0, buffers, index) - q[0]) * (
            broadcast_operand(call, 1, buffers, index) - q[1]
        )
        if headroom:  # Kept, since TVM would compute it in 64 bits inside of a larger expression.
            product = steps.keep(product * i32(1 << headroom))
        result = _rescaled(steps, rescale, product, multiplier(q[5]), q[6])
        return clamp_int8(result + q[2], q[3], q[4])

    return pointwise_kernel(call, addressing, value, steps=steps)


_CLAMP = ("act_min", "act_max")


@row_kernel("tvm_tiny.qmaximum", "tvm_tiny.qminimum", scalars=_CLAMP, streams=same_rows, tiles=True)
def qmaximum(call: Call, addressing: Addressing) -> RowKernel:
    """The larger or smaller element of two int8 tensors of one scale, clamped."""
    pick = tirx.max if call.op.name == "tvm_tiny.qmaximum" else tirx.min

    def value(buffers: Buffers, index: Index) -> Expr:
        best = pick(*(broadcast_operand(call, k, buffers, index) for k in (0, 1)))
        return clamp_int8(best, buffers[-1][0], buffers[-1][1])

    return pointwise_kernel(call, addressing, value)


_PRELU = ("x_zp", "alpha_zp", "y_zp", "multiplier", "shift", "alpha_multiplier", "alpha_shift")


@row_kernel("tvm_tiny.qprelu", scalars=_PRELU, streams=same_rows, tiles=True)
def qprelu(call: Call, addressing: Addressing) -> RowKernel:
    """A PReLU of int8 tensors: x where x >= 0, else x * alpha.

    Each case has its own multiplier; alpha broadcasts.
    """
    known = max(int(call.attrs["shift"]), int(call.attrs["alpha_shift"]))
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        q = buffers[-1]
        x = steps.keep(broadcast_operand(call, 0, buffers, index) - q[0])
        slope = broadcast_operand(call, 1, buffers, index) - q[1]
        product = steps.keep(tirx.Select(x >= i32(0), x, x * slope))
        multiplier = tirx.Select(x >= i32(0), q[3], q[5])
        shift = steps.keep(tirx.Select(x >= i32(0), q[4], q[6]))
        result = _requantized(steps, product, multiplier, shift, known)
        return clamp_int8(result + q[2], -128, 127)

    return pointwise_kernel(call, addressing, value, steps=steps)


@row_kernel("tvm_tiny.qprelu_float32", scalars=("x_zp", "y_zp"), streams=same_rows, tiles=True)
def qprelu_float32(call: Call, addressing: Addressing) -> RowKernel:
    """A PReLU in float32: x where x >= 0, else x * slope.

    Operands: x int8; slopes float32, which broadcast.
    """
    x_scale, y_scale = (tirx.const(float(call.attrs[k]), "float32") for k in ("x_scale", "y_scale"))
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        q = buffers[-1]
        centred = broadcast_operand(call, 0, buffers, index) - q[0]
        x = steps.keep(centred.astype("float32") * x_scale)
        slope = buffers[1][broadcast(shape_of(call.args[1]), index)]
        result = tirx.Select(x >= tirx.const(0.0, "float32"), x, x * slope)
        whole = _to_even(steps, _near(steps, result / y_scale))
        return clamp_int8(whole + q[1], -128, 127)

    return pointwise_kernel(call, addressing, value, steps=steps)


@row_kernel("tvm_tiny.quantize", streams=same_rows, tiles=True)
def quantize(call: Call, addressing: Addressing) -> RowKernel:
    """A quantize from float32 to int8: x / scale, rounded, plus the zero point.

    Halves round away from zero, or with rounding "float32" to even. The quotient is limited before
    its conversion, as C leaves conversions out of range undefined; NaN becomes the lowest value.
    """
    scale = tirx.const(float(call.attrs["scale"]), "float32")
    zero_point = i32(int(call.attrs["zero_point"]))
    to_even = str(call.attrs["rounding"]) == "float32"
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        near = _near(steps, buffers[0][index] / scale)
        whole = _to_even(steps, near) if to_even else _away_from_zero(steps, near)
        return clamp_int8(whole + zero_point, -128, 127)

    return pointwise_kernel(call, addressing, value, steps=steps)


def _near(steps: Steps, value: Expr) -> Expr:
    """A float32 limited to the range of `_to_even` and `_away_from_zero`.

    NaN becomes the lowest value.
    """
    far = tirx.const(512.0, "float32")
    return steps.keep(tirx.min(tirx.max(value, -far), far))


def _to_even(steps: Steps, value: Expr) -> Expr:
    """A small float32 rounded to int32, halves to even."""
    magic = tirx.const(ROUND_TO_EVEN, "float32")
    return (steps.keep(value + magic) - magic).astype("int32")


def _away_from_zero(steps: Steps, value: Expr) -> Expr:
    """A small float32 rounded to int32, halves away from zero.

    Just below a half `value + 0.5` would be rounded up; the distance to the truncated value is
    exact.
    """
    whole = steps.keep(value.astype("int32"))
    rest = steps.keep(value - whole.astype("float32"))
    up = tirx.Cast("int32", rest >= tirx.const(0.5, "float32"))
    down = tirx.Cast("int32", rest <= tirx.const(-0.5, "float32"))
    return whole + up - down


@row_kernel("tvm_tiny.dequantize", streams=same_rows, tiles=True)
def dequantize(call: Call, addressing: Addressing) -> RowKernel:
    """A dequantize from int8 to float32: scale * (q - zero point)."""
    scale = tirx.const(float(call.attrs["scale"]), "float32")
    zero_point = i32(int(call.attrs["zero_point"]))

    def value(buffers: Buffers, index: Index) -> Expr:
        return (i32(buffers[0][index]) - zero_point).astype("float32") * scale

    return pointwise_kernel(call, addressing, value)
