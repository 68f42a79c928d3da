"""Row kernels of convolution, depthwise and transposed convolution.

Layouts: data NHWC, kernels OHWI. Taps outside the input are skipped: their value is the real 0,
stored as the zero point, which adds 0 to the sum.
"""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from tvm.ir import Call
from tvm.script import tirx as T

from ..addressing import OUT, Addressing
from ..kernel import RowKernel, first_operand, row_kernel
from ..requantize import channel_rescale, clamp_int8
from ..shapes import shape_of, spec
from .windows import TransposedWindow, Window, find_lines, window_of

CONVOLUTION_SCALARS = ("x_zp", "y_zp", "act_min", "act_max")


@row_kernel("tvm_tiny.qconv2d", scalars=CONVOLUTION_SCALARS, streams=first_operand, tiles=True)
def qconv2d(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 convolution of any kernel, stride, dilation, groups and padding.

    Operands: x int8 [N,H,W,C]; w [O,KH,KW,C/groups], int8, or int16 where the model's weights have
    a zero point; bias, multiplier int32 [O] (multiplier float32 with rounding "float32"); shift
    int32 [O] or [1].
    """
    return _convolution(call, addressing, Window)


@row_kernel(
    "tvm_tiny.qconv2d_transpose", scalars=CONVOLUTION_SCALARS, streams=first_operand, tiles=True
)
def qconv2d_transpose(call: Call, addressing: Addressing) -> RowKernel:
    """An int8 transposed convolution; each output gathers the inputs that contribute to it.

    Operands: those of `qconv2d`.
    """
    return _convolution(call, addressing, TransposedWindow)


def _convolution(call: Call, addressing: Addressing, kind: type[Window]) -> RowKernel:
    N, H, W, C = shape_of(call.args[0])
    (O, KH, KW, I), weights = spec(call.args[1])  # noqa: E741  OHWI is the layout's name
    _, OH, OW, _ = shape_of(call)
    G = O // int(call.attrs.get("groups", 1))
    S = shape_of(call.args[4])[0]
    rescale = channel_rescale(call)
    window = window_of(call, addressing, (KH, KW), kind)

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
            find_lines(window, lines, y, q)
            for ox, oc in T.grid(addressing.span(OW, q), O):
                with T.sblock("pixel"):
                    vx, vc = T.axis.remap("SS", [ox, oc])
                    acc = T.sblock_alloc_buffer((1,), "int32")
                    scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                    acc[0] = bias[vc]
                    for ky in range(KH):
                        if window.has_row(lines, y, ky):
                            for kx in range(KW):
                                if window.column_is_inside(vx, kx):
                                    for ic in range(I):
                                        acc[0] += (
                                            window.element(
                                                x, q, lines, (y, vx), (ky, kx), vc // G * I + ic
                                            )
                                            - q[0]
                                        ) * T.Cast("int32", w[vc, ky, kx, ic])
                    scaled[0] = rescale.up(acc[0], multiplier[vc], shift[vc % S])
                    acc[0] = rescale.down(scaled[0], shift[vc % S]) + q[1]
                    out[
                        window.image(y),
                        window.output_row(lines, y),
                        addressing.column(OUT, vx, q),
                        vc,
                    ] = clamp_int8(acc[0], q[2], q[3])

    return RowKernel(row, N * OH)
