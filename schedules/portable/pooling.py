"""Row kernels of average and max pooling; taps outside the input do not count."""

import math
from collections.abc import Callable

from tvm import tirx
from tvm.ir import Call, Expr
from tvm.script import tirx as T

from tvm_tiny.reference.reduction import mean_ratio

from ..addressing import OUT, Addressing
from ..kernel import RowKernel, first_operand, row_kernel
from ..requantize import Rescale, clamp_int8
from ..shapes import batch_and_row, dilation_of, inside, shape_of


def _mean_ratio(call: Call) -> Callable[[Expr], Expr]:
    """The multiplier of a sum as a function of its number of values.

    It is a constant without padding, where all windows have the same number.
    """
    x_scale, y_scale = (float(call.attrs.get(name, 1.0)) for name in ("x_scale", "y_scale"))
    taps = math.prod(int(v) for v in call.attrs["pool_size"])
    fixed = tirx.const(float(mean_ratio(x_scale, y_scale, taps)), "float32")

    def ratio(count: Expr) -> Expr:
        real = tirx.const(y_scale, "float32") * count.astype("float32")
        return tirx.const(x_scale, "float32") / real

    return ratio if any(int(v) for v in call.attrs["padding"]) else lambda count: fixed


@row_kernel(
    "tvm_tiny.qavg_pool2d", scalars=("act_min", "act_max"), streams=first_operand, tiles=True
)
@row_kernel(
    "tvm_tiny.qavg_pool2d_rescaled",
    scalars=("act_min", "act_max", "x_zp", "y_zp"),
    streams=first_operand,
    tiles=True,
)
def qavg_pool2d(call: Call, addressing: Addressing) -> RowKernel:
    """Average pooling of int8 x [N,H,W,C] over the taps inside the input.

    `qavg_pool2d` keeps the quantization and rounds halves away from zero; `qavg_pool2d_rescaled`
    gives any quantization, with one rounding as in onnxruntime.
    """
    attrs = call.attrs
    rescales = call.op.name == "tvm_tiny.qavg_pool2d_rescaled"
    rescale = Rescale(float32=rescales)
    ratio = _mean_ratio(call)
    N, H, W, C = shape_of(call.args[0])
    _, OH, OW, _ = shape_of(call)
    KH, KW = (int(v) for v in attrs["pool_size"])
    SH, SW = (int(v) for v in attrs["strides"])
    DH, DW = dilation_of(call)
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    image, line = batch_and_row(N, OH)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, addressing.pitch(0, W), C), "int8"),
        q: T.Buffer((addressing.integers,), "int32"),
        out: T.Buffer((N, OH, addressing.pitch(OUT, OW), C), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            for ky in range(KH):
                lines[ky] = addressing.tap(0, line(y) * SH + ky * DH - PT, H, q)
            lines[KH] = addressing.slot(OUT, line(y), q)
            for ox, c in T.grid(addressing.span(OW, q), C):
                with T.sblock("pixel"):
                    vx, vc = T.axis.remap("SS", [ox, c])
                    acc = T.sblock_alloc_buffer((2,), "int32")
                    scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                    acc[0] = 0
                    acc[1] = 0
                    for ky in range(KH):
                        if addressing.pick(inside(line(y) * SH + ky * DH - PT, H), lines[ky] >= 0):
                            for kx in range(KW):
                                if inside(vx * SW + kx * DW - PL, W):
                                    acc[0] += T.Cast(
                                        "int32",
                                        x[
                                            image(y),
                                            addressing.pick(line(y) * SH + ky * DH - PT, lines[ky]),
                                            addressing.column(0, vx * SW + kx * DW - PL, q),
                                            vc,
                                        ],
                                    )
                                    acc[1] += 1
                    if rescales:
                        scaled[0] = rescale.up(acc[0] - q[2] * acc[1], ratio(acc[1]), acc[1])
                        acc[0] = rescale.down(scaled[0], acc[1]) + q[3]
                    elif acc[0] > 0:
                        acc[0] = T.truncdiv(acc[0] + T.truncdiv(acc[1], 2), acc[1])
                    else:
                        acc[0] = T.truncdiv(acc[0] - T.truncdiv(acc[1], 2), acc[1])
                    out[
                        image(y),
                        addressing.pick(line(y), lines[KH]),
                        addressing.column(OUT, vx, q),
                        vc,
                    ] = clamp_int8(acc[0], q[0], q[1])

    return RowKernel(row, N * OH)


@row_kernel(
    "tvm_tiny.qmax_pool2d", scalars=("act_min", "act_max"), streams=first_operand, tiles=True
)
def qmax_pool2d(call: Call, addressing: Addressing) -> RowKernel:
    """Max pooling of int8 x [N,H,W,C] over the taps inside the input."""
    attrs = call.attrs
    N, H, W, C = shape_of(call.args[0])
    _, OH, OW, _ = shape_of(call)
    KH, KW = (int(v) for v in attrs["pool_size"])
    SH, SW = (int(v) for v in attrs["strides"])
    DH, DW = dilation_of(call)
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    image, line = batch_and_row(N, OH)

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, addressing.pitch(0, W), C), "int8"),
        q: T.Buffer((addressing.integers,), "int32"),
        out: T.Buffer((N, OH, addressing.pitch(OUT, OW), C), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            for ky in range(KH):
                lines[ky] = addressing.tap(0, line(y) * SH + ky * DH - PT, H, q)
            lines[KH] = addressing.slot(OUT, line(y), q)
            for ox, c in T.grid(addressing.span(OW, q), C):
                with T.sblock("pixel"):
                    vx, vc = T.axis.remap("SS", [ox, c])
                    best = T.sblock_alloc_buffer((1,), "int32")
                    best[0] = -128
                    for ky in range(KH):
                        if addressing.pick(inside(line(y) * SH + ky * DH - PT, H), lines[ky] >= 0):
                            for kx in range(KW):
                                if inside(vx * SW + kx * DW - PL, W):
                                    best[0] = T.max(
                                        best[0],
                                        T.Cast(
                                            "int32",
                                            x[
                                                image(y),
                                                addressing.pick(
                                                    line(y) * SH + ky * DH - PT, lines[ky]
                                                ),
                                                addressing.column(0, vx * SW + kx * DW - PL, q),
                                                vc,
                                            ],
                                        ),
                                    )
                    out[
                        image(y),
                        addressing.pick(line(y), lines[KH]),
                        addressing.column(OUT, vx, q),
                        vc,
                    ] = clamp_int8(best[0], q[0], q[1])

    return RowKernel(row, N * OH)
