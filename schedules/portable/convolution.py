"""Convolution, depthwise and transposed convolution, one output row at a time.

Layouts: data NHWC, kernels OHWI. Taps outside the input are skipped: they stand for the real
value 0, which the input's zero point would contribute as 0 too.
"""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from tvm.ir import Call
from tvm.script import tirx as T

from ..kernel import RowKernel, batch_and_row, row_kernel, shape_of
from ..requantize import channel_rescale, clamp_int8

_SCALARS = ("x_zp", "y_zp", "act_min", "act_max")


@row_kernel("tvm_tiny.qconv2d", scalars=_SCALARS)
def qconv2d(call: Call) -> RowKernel:
    """int8 convolution of any kernel, stride, dilation, groups and padding.

    Operands: x [N,H,W,C] int8, w [O,KH,KW,C/groups] int8, bias, multiplier, shift [O] int32.
    """
    attrs = call.attrs
    N, H, W, C = shape_of(call.args[0])
    O, KH, KW, I = shape_of(call.args[1])  # noqa: E741  OHWI is the layout's name
    _, OH, OW, _ = shape_of(call)
    SH, SW = (int(v) for v in attrs["strides"])
    DH, DW = (int(v) for v in attrs["dilation"])
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    G = O // int(attrs["groups"])
    S = shape_of(call.args[4])[0]
    rescale = channel_rescale(call)
    image, line = batch_and_row(N, OH)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, W, C), "int8"),
        w: T.Buffer((O, KH, KW, I), "int8"),
        bias: T.Buffer((O,), "int32"),
        multiplier: T.Buffer((O,), rescale.dtype),
        shift: T.Buffer((S,), "int32"),
        q: T.Buffer((4,), "int32"),
        out: T.Buffer((N, OH, OW, O), "int8"),
        y: T.int32,
    ):
        for ox, oc in T.grid(OW, O):
            with T.sblock("pixel"):
                vx, vc = T.axis.remap("SS", [ox, oc])
                acc = T.sblock_alloc_buffer((1,), "int32")
                scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                acc[0] = bias[vc]
                for ky in range(KH):
                    if 0 <= line(y) * SH + ky * DH - PT and line(y) * SH + ky * DH - PT < H:
                        for kx in range(KW):
                            if 0 <= vx * SW + kx * DW - PL and vx * SW + kx * DW - PL < W:
                                for ic in range(I):
                                    acc[0] += (
                                        T.Cast(
                                            "int32",
                                            x[
                                                image(y),
                                                line(y) * SH + ky * DH - PT,
                                                vx * SW + kx * DW - PL,
                                                vc // G * I + ic,
                                            ],
                                        )
                                        - q[0]
                                    ) * T.Cast("int32", w[vc, ky, kx, ic])
                scaled[0] = rescale.up(acc[0], multiplier[vc], shift[vc % S])
                acc[0] = rescale.down(scaled[0], shift[vc % S]) + q[1]
                out[image(y), line(y), vx, vc] = clamp_int8(acc[0], q[2], q[3])

    return RowKernel(row, N * OH)


@row_kernel("tvm_tiny.qconv2d_transpose", scalars=_SCALARS)
def qconv2d_transpose(call: Call) -> RowKernel:
    """int8 transposed convolution, gathered: each output reads the inputs that reach it.

    Operands: x [N,H,W,C] int8, w [O,KH,KW,C] int8, bias, multiplier, shift [O] int32.
    """
    attrs = call.attrs
    N, H, W, C = shape_of(call.args[0])
    O, KH, KW, _ = shape_of(call.args[1])  # noqa: E741
    _, OH, OW, _ = shape_of(call)
    SH, SW = (int(v) for v in attrs["strides"])
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    S = shape_of(call.args[4])[0]
    rescale = channel_rescale(call)
    image, line = batch_and_row(N, OH)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, W, C), "int8"),
        w: T.Buffer((O, KH, KW, C), "int8"),
        bias: T.Buffer((O,), "int32"),
        multiplier: T.Buffer((O,), rescale.dtype),
        shift: T.Buffer((S,), "int32"),
        q: T.Buffer((4,), "int32"),
        out: T.Buffer((N, OH, OW, O), "int8"),
        y: T.int32,
    ):
        for ox, oc in T.grid(OW, O):
            with T.sblock("pixel"):
                vx, vc = T.axis.remap("SS", [ox, oc])
                acc = T.sblock_alloc_buffer((1,), "int32")
                scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                acc[0] = bias[vc]
                for ky in range(KH):
                    if (
                        0 <= line(y) + PT - ky
                        and line(y) + PT - ky < H * SH
                        and T.truncmod(line(y) + PT - ky, SH) == 0
                    ):
                        for kx in range(KW):
                            if (
                                0 <= vx + PL - kx
                                and vx + PL - kx < W * SW
                                and T.truncmod(vx + PL - kx, SW) == 0
                            ):
                                for ic in range(C):
                                    acc[0] += (
                                        T.Cast(
                                            "int32",
                                            x[
                                                image(y),
                                                T.truncdiv(line(y) + PT - ky, SH),
                                                T.truncdiv(vx + PL - kx, SW),
                                                ic,
                                            ],
                                        )
                                        - q[0]
                                    ) * T.Cast("int32", w[vc, ky, kx, ic])
                scaled[0] = rescale.up(acc[0], multiplier[vc], shift[vc % S])
                acc[0] = rescale.down(scaled[0], shift[vc % S]) + q[1]
                out[image(y), line(y), vx, vc] = clamp_int8(acc[0], q[2], q[3])

    return RowKernel(row, N * OH)
