"""Row kernels of convolution, depthwise and transposed convolution.

Layouts: data NHWC, kernels OHWI. Taps outside the input are skipped: their value is the real 0,
stored as the zero point, which adds 0 to the sum.
"""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from tvm.ir import Call, Expr
from tvm.script import tirx as T

from ..addressing import OUT, Addressing
from ..kernel import RowKernel, first_operand, row_kernel
from ..requantize import channel_rescale, clamp_int8
from ..shapes import batch_and_row, dilation_of, inside, shape_of, spec

CONVOLUTION_SCALARS = ("x_zp", "y_zp", "act_min", "act_max")


def reached(position: Expr, stride: int, extent: int) -> Expr:
    """Whether position / stride is the index of an element of an axis of `extent`.

    So an output at `position` of a transposed convolution reads that element.
    """
    return T.And(inside(position, extent * stride), T.truncmod(position, stride) == 0)


@row_kernel("tvm_tiny.qconv2d", scalars=CONVOLUTION_SCALARS, streams=first_operand, tiles=True)
def qconv2d(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 convolution of any kernel, stride, dilation, groups and padding.

    Operands: x int8 [N,H,W,C]; w [O,KH,KW,C/groups], int8, or int16 where the model's weights have
    a zero point; bias, multiplier int32 [O] (multiplier float32 with rounding "float32"); shift
    int32 [O] or [1].
    """
    attrs = call.attrs
    N, H, W, C = shape_of(call.args[0])
    (O, KH, KW, I), weights = spec(call.args[1])  # noqa: E741  OHWI is the layout's name
    _, OH, OW, _ = shape_of(call)
    SH, SW = (int(v) for v in attrs["strides"])
    DH, DW = dilation_of(call)
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    G = O // int(attrs["groups"])
    S = shape_of(call.args[4])[0]
    rescale = channel_rescale(call)
    image, line = batch_and_row(N, OH)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, addressing.pitch(0, W), C), "int8"),
        w: T.Buffer((O, KH, KW, I), weights),
        bias: T.Buffer((O,), "int32"),
        multiplier: T.Buffer((O,), rescale.dtype),
        shift: T.Buffer((S,), "int32"),
        q: T.Buffer((addressing.integers,), "int32"),
        out: T.Buffer((N, OH, addressing.pitch(OUT, OW), O), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            for ky in range(KH):
                lines[ky] = addressing.tap(0, line(y) * SH + ky * DH - PT, H, q)
            lines[KH] = addressing.slot(OUT, line(y), q)
            for ox, oc in T.grid(addressing.span(OW, q), O):
                with T.sblock("pixel"):
                    vx, vc = T.axis.remap("SS", [ox, oc])
                    acc = T.sblock_alloc_buffer((1,), "int32")
                    scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                    acc[0] = bias[vc]
                    for ky in range(KH):
                        if addressing.pick(inside(line(y) * SH + ky * DH - PT, H), lines[ky] >= 0):
                            for kx in range(KW):
                                if inside(vx * SW + kx * DW - PL, W):
                                    for ic in range(I):
                                        acc[0] += (
                                            T.Cast(
                                                "int32",
                                                x[
                                                    image(y),
                                                    addressing.pick(
                                                        line(y) * SH + ky * DH - PT, lines[ky]
                                                    ),
                                                    addressing.column(0, vx * SW + kx * DW - PL, q),
                                                    vc // G * I + ic,
                                                ],
                                            )
                                            - q[0]
                                        ) * T.Cast("int32", w[vc, ky, kx, ic])
                    scaled[0] = rescale.up(acc[0], multiplier[vc], shift[vc % S])
                    acc[0] = rescale.down(scaled[0], shift[vc % S]) + q[1]
                    out[
                        image(y),
                        addressing.pick(line(y), lines[KH]),
                        addressing.column(OUT, vx, q),
                        vc,
                    ] = clamp_int8(acc[0], q[2], q[3])

    return RowKernel(row, N * OH)


@row_kernel(
    "tvm_tiny.qconv2d_transpose", scalars=CONVOLUTION_SCALARS, streams=first_operand, tiles=True
)
def qconv2d_transpose(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 transposed convolution; each output gathers the inputs that contribute to it.

    Operands: those of `qconv2d`.
    """
    attrs = call.attrs
    N, H, W, C = shape_of(call.args[0])
    (O, KH, KW, I), weights = spec(call.args[1])  # noqa: E741
    _, OH, OW, _ = shape_of(call)
    SH, SW = (int(v) for v in attrs["strides"])
    DH, DW = dilation_of(call)
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    G = O // int(attrs.get("groups", 1))
    S = shape_of(call.args[4])[0]
    rescale = channel_rescale(call)
    image, line = batch_and_row(N, OH)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, addressing.pitch(0, W), C), "int8"),
        w: T.Buffer((O, KH, KW, I), weights),
        bias: T.Buffer((O,), "int32"),
        multiplier: T.Buffer((O,), rescale.dtype),
        shift: T.Buffer((S,), "int32"),
        q: T.Buffer((addressing.integers,), "int32"),
        out: T.Buffer((N, OH, addressing.pitch(OUT, OW), O), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            for ky in range(KH):
                lines[ky] = T.Select(
                    T.truncmod(line(y) + PT - ky * DH, SH) == 0,
                    addressing.tap(0, T.truncdiv(line(y) + PT - ky * DH, SH), H, q),
                    -1,
                )
            lines[KH] = addressing.slot(OUT, line(y), q)
            for ox, oc in T.grid(addressing.span(OW, q), O):
                with T.sblock("pixel"):
                    vx, vc = T.axis.remap("SS", [ox, oc])
                    acc = T.sblock_alloc_buffer((1,), "int32")
                    scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                    acc[0] = bias[vc]
                    for ky in range(KH):
                        if addressing.pick(reached(line(y) + PT - ky * DH, SH, H), lines[ky] >= 0):
                            for kx in range(KW):
                                if reached(vx + PL - kx * DW, SW, W):
                                    for ic in range(I):
                                        acc[0] += (
                                            T.Cast(
                                                "int32",
                                                x[
                                                    image(y),
                                                    addressing.pick(
                                                        T.truncdiv(line(y) + PT - ky * DH, SH),
                                                        lines[ky],
                                                    ),
                                                    addressing.column(
                                                        0, T.truncdiv(vx + PL - kx * DW, SW), q
                                                    ),
                                                    vc // G * I + ic,
                                                ],
                                            )
                                            - q[0]
                                        ) * T.Cast("int32", w[vc, ky, kx, ic])
                    scaled[0] = rescale.up(acc[0], multiplier[vc], shift[vc % S])
                    acc[0] = rescale.down(scaled[0], shift[vc % S]) + q[1]
                    out[
                        image(y),
                        addressing.pick(line(y), lines[KH]),
                        addressing.column(OUT, vx, q),
                        vc,
                    ] = clamp_int8(acc[0], q[2], q[3])

    return RowKernel(row, N * OH)
