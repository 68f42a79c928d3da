"""The row kernel of division, exactly rounded, without a division on the device."""

from tvm.ir import Call, Expr

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel, same_rows
from ..pointwise import Steps, pointwise_kernel
from ..requantize import clamp_int8, i32, i64
from ..shapes import Index
from .elementwise import Buffers, broadcast_operand


@row_kernel(
    "tvm_tiny.qdivide",
    scalars=("a_zp", "y_zp", "act_min", "act_max"),
    streams=same_rows,
    tiles=True,
)
def qdivide(call: Call, addressing: Addressing) -> RowKernel:
    """The quotient a / b of int8 tensors, rounded once with ties away from zero.

    Operands: a, b, and two tables int32 [256]: multiplier and shift of the reciprocal of each value
    of b, -128 first.
    """
    steps = Steps()

    def value(buffers: Buffers, index: Index) -> Expr:
        q = buffers[-1]
        divisor = steps.keep(broadcast_operand(call, 1, buffers, index) + i32(128))
        difference = broadcast_operand(call, 0, buffers, index) - q[0]
        product = steps.keep(i64(difference) * i64(buffers[2][divisor]))
        half = i64(1) << i64(buffers[3][divisor] - i32(1))
        # product >> 63 is -1 for negative products, so that their halves round down.
        rounded = steps.keep(product + half + (product >> i64(63)))
        quotient = steps.keep((rounded >> i64(buffers[3][divisor])).astype("int32"))
        return clamp_int8(quotient + q[1], q[2], q[3])

    return pointwise_kernel(call, addressing, value, steps=steps)
