"""Row kernels of fully connected layers and batched matrix products."""

import math
from collections.abc import Callable

from tvm.ir import Call, Expr
from tvm.script import tirx as T

from ..addressing import Addressing
from ..kernel import RowKernel, row_kernel
from ..requantize import channel_rescale, clamp_int8, tensor_rescale
from ..shapes import batch_and_row, shape_of, spec


@row_kernel("tvm_tiny.qdense", scalars=("x_zp", "y_zp", "act_min", "act_max"))
def qdense(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 fully connected layer of x [..., I] and w [O, I].

    Operands: x int8; w int8, or int16 where the model's weights have a zero point; bias,
    multiplier, shift as those of `qconv2d`.
    """
    *lead, I = shape_of(call.args[0])  # noqa: E741
    (O, _), weights = spec(call.args[1])  # noqa: E741
    M = math.prod(lead)
    S = shape_of(call.args[4])[0]
    rescale = channel_rescale(call)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((M, I), "int8"),
        w: T.Buffer((O, I), weights),
        bias: T.Buffer((O,), "int32"),
        multiplier: T.Buffer((O,), rescale.dtype),
        shift: T.Buffer((S,), "int32"),
        q: T.Buffer((4,), "int32"),
        out: T.Buffer((M, O), "int8"),
        y: T.int32,
    ):
        for oc in range(O):
            with T.sblock("unit"):
                vc = T.axis.remap("S", [oc])
                acc = T.sblock_alloc_buffer((1,), "int32")
                scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                acc[0] = bias[vc]
                for ic in range(I):
                    acc[0] += (T.Cast("int32", x[y, ic]) - q[0]) * T.Cast("int32", w[vc, ic])
                scaled[0] = rescale.up(acc[0], multiplier[vc], shift[vc % S])
                acc[0] = rescale.down(scaled[0], shift[vc % S]) + q[1]
                out[y, vc] = clamp_int8(acc[0], q[2], q[3])

    return RowKernel(row, M)


def _batch(shape: tuple[int, ...], out: tuple[int, ...]) -> Callable[[Expr], Expr | int]:
    """A function from the number of an output matrix to that of an operand's matrix.

    shape, out: batch dimensions of the operand, which is broadcast, and of the output.
    """
    padded = (1,) * (len(out) - len(shape)) + shape
    if math.prod(padded) == 1:
        return lambda number: 0
    if padded == out:
        return lambda number: number

    def matrix(number: Expr) -> Expr:
        total: Expr | int = 0
        for axis, extent in enumerate(padded):
            if extent > 1:
                index = T.truncmod(T.truncdiv(number, math.prod(out[axis + 1 :])), extent)
                total = total + index * math.prod(padded[axis + 1 :])
        return total

    return matrix


@row_kernel(
    "tvm_tiny.qbatch_matmul",
    scalars=("a_zp", "b_zp", "y_zp", "act_min", "act_max", "multiplier", "shift"),
)
def qbatch_matmul(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 batched matrix product of two activations, with one multiplier.

    Operands: a [..., M, K], b [..., K, N], whose batches broadcast as in NumPy; bias int32 [N], or
    [1] for all columns.
    """
    a_shape, b_shape, out_shape = shape_of(call.args[0]), shape_of(call.args[1]), shape_of(call)
    M, K = a_shape[-2:]
    N = b_shape[-1]
    A, B, Z = math.prod(a_shape[:-2]), math.prod(b_shape[:-2]), math.prod(out_shape[:-2])
    a_matrix, b_matrix = (_batch(s[:-2], out_shape[:-2]) for s in (a_shape, b_shape))
    image, line = batch_and_row(Z, M)
    C = shape_of(call.args[2])[0]
    rescale, multiplier = tensor_rescale(call)

    @T.prim_func(private=True, s_tir=True)
    def row(
        a: T.Buffer((A, M, K), "int8"),
        b: T.Buffer((B, K, N), "int8"),
        bias: T.Buffer((C,), "int32"),
        q: T.Buffer((7,), "int32"),
        out: T.Buffer((Z, M, N), "int8"),
        y: T.int32,
    ):
        for j in range(N):
            with T.sblock("element"):
                vj = T.axis.remap("S", [j])
                acc = T.sblock_alloc_buffer((1,), "int32")
                scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                acc[0] = bias[vj % C]
                for k in range(K):
                    acc[0] += (T.Cast("int32", a[a_matrix(image(y)), line(y), k]) - q[0]) * (
                        T.Cast("int32", b[b_matrix(image(y)), k, vj]) - q[1]
                    )
                scaled[0] = rescale.up(acc[0], multiplier(q[5]), q[6])
                acc[0] = rescale.down(scaled[0], q[6]) + q[2]
                out[image(y), line(y), vj] = clamp_int8(acc[0], q[3], q[4])

    return RowKernel(row, Z * M)
