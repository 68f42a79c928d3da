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
from ..shapes import shape_of
from .windows import find_lines, window_of


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
    rescales = call.op.name == "tvm_tiny.qavg_pool2d_rescaled"
    rescale = Rescale(float32=rescales)
    ratio = _mean_ratio(call)
    N, H, W, C = shape_of(call.args[0])
    _, OH, OW, _ = shape_of(call)
    KH, KW = (int(v) for v in call.attrs["pool_size"])
    window = window_of(call, addressing, (KH, KW))

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, addressing.pitch(0, W), C), "int8"),
        q: T.Buffer((addressing.integers,), "int32"),
        out: T.Buffer((N, OH, addressing.pitch(OUT, OW), C), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            find_lines(window, lines, y, q)
            for ox, c in T.grid(addressing.span(OW, q), C):
                with T.sblock("pixel"):
                    vx, vc = T.axis.remap("SS", [ox, c])
                    # The sum and the number of the taps inside.
                    acc = T.sblock_alloc_buffer((2,), "int32")
                    scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                    acc[0] = 0
                    acc[1] = 0
                    for ky in range(KH):
                        if window.has_row(lines, y, ky):
                            for kx in range(KW):
                                if window.column_is_inside(vx, kx):
                                    acc[0] += window.element(x, q, lines, (y, vx), (ky, kx), vc)
                                    acc[1] += 1
                    if rescales:
                        scaled[0] = rescale.up(acc[0] - q[2] * acc[1], ratio(acc[1]), acc[1])
                        acc[0] = rescale.down(scaled[0], acc[1]) + q[3]
                    elif acc[0] > 0:
                        acc[0] = T.truncdiv(acc[0] + T.truncdiv(acc[1], 2), acc[1])
                    else:
                        acc[0] = T.truncdiv(acc[0] - T.truncdiv(acc[1], 2), acc[1])
                    out[
                        window.image(y),
                        window.output_row(lines, y),
                        addressing.column(OUT, vx, q),
                        vc,
                    ] = clamp_int8(acc[0], q[0], q[1])

    return RowKernel(row, N * OH)


@row_kernel(
    "tvm_tiny.qmax_pool2d", scalars=("act_min", "act_max"), streams=first_operand, tiles=True
)
def qmax_pool2d(call: Call, addressing: Addressing) -> RowKernel:
    """Max pooling of int8 x [N,H,W,C] over the taps inside the input."""
    N, H, W, C = shape_of(call.args[0])
    _, OH, OW, _ = shape_of(call)
    KH, KW = (int(v) for v in call.attrs["pool_size"])
    window = window_of(call, addressing, (KH, KW))

    @T.prim_func(private=True, s_tir=True)
    def row(
        x: T.Buffer((N, H, addressing.pitch(0, W), C), "int8"),
        q: T.Buffer((addressing.integers,), "int32"),
        out: T.Buffer((N, OH, addressing.pitch(OUT, OW), C), "int8"),
        y: T.int32,
    ):
        with T.sblock("row"):
            lines = T.sblock_alloc_buffer((KH + 1,), "int32")
            find_lines(window, lines, y, q)
            for ox, c in T.grid(addressing.span(OW, q), C):
                with T.sblock("pixel"):
                    vx, vc = T.axis.remap("SS", [ox, c])
                    best = T.sblock_alloc_buffer((1,), "int32")
                    best[0] = -128
                    for ky in range(KH):
                        if window.has_row(lines, y, ky):
                            for kx in range(KW):
                                if window.column_is_inside(vx, kx):
                                    best[0] = T.max(
                                        best[0],
                                        window.element(x, q, lines, (y, vx), (ky, kx), vc),
                                    )
                    out[
                        window.image(y),
                        window.output_row(lines, y),
                        addressing.column(OUT, vx, q),
                        vc,
                    ] = clamp_int8(best[0], q[0], q[1])

    return RowKernel(row, N * OH)
