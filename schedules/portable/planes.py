"""Depthwise convolution channel by channel, which may write over its input.

After MCUNet's in-place depthwise convolution (Lin et al., NeurIPS 2020, section 3.2).
"""

# No postponed annotations here: TVMScript reads the buffer shapes from them.
from tvm import tirx
from tvm.ir import Call
from tvm.script import tirx as T

from ..requantize import channel_rescale, clamp_int8
from ..shapes import dilation_of, inside, shape_of, spec


def depthwise_planes(call: Call) -> tirx.PrimFunc:
    """The function (x, w, bias, multiplier, shift, integers, out, plane) of a whole operator.

    call: a depthwise `qconv2d` whose output has its input's shape. For each channel its input is
    first copied to the scratch buffer `plane`, int8 [H, W], so that out may be the memory of x.
    """
    attrs = call.attrs
    _, H, W, C = shape_of(call.args[0])
    (_, KH, KW, _), weights = spec(call.args[1])
    DH, DW = dilation_of(call)
    PT, PL = int(attrs["padding"][0]), int(attrs["padding"][1])
    S = shape_of(call.args[4])[0]
    rescale = channel_rescale(call)

    @T.prim_func(private=True, s_tir=True)
    def planes(
        x: T.Buffer((1, H, W, C), "int8"),
        w: T.Buffer((C, KH, KW, 1), weights),
        bias: T.Buffer((C,), "int32"),
        multiplier: T.Buffer((C,), rescale.dtype),
        shift: T.Buffer((S,), "int32"),
        q: T.Buffer((4,), "int32"),
        out: T.Buffer((1, H, W, C), "int8"),
        plane: T.Buffer((H, W), "int8"),
    ):
        for c in range(C):
            for y, k in T.grid(H, W):
                with T.sblock("copy"):
                    vc, vy, vk = T.axis.remap("SSS", [c, y, k])
                    plane[vy, vk] = x[0, vy, vk, vc]
            for y, k in T.grid(H, W):
                with T.sblock("pixel"):
                    vc, vy, vk = T.axis.remap("SSS", [c, y, k])
                    acc = T.sblock_alloc_buffer((1,), "int32")
                    scaled = T.sblock_alloc_buffer((1,), rescale.dtype)
                    acc[0] = bias[vc]
                    for ky in range(KH):
                        if inside(vy + ky * DH - PT, H):
                            for kx in range(KW):
                                if inside(vk + kx * DW - PL, W):
                                    acc[0] += (
                                        T.Cast("int32", plane[vy + ky * DH - PT, vk + kx * DW - PL])
                                        - q[0]
                                    ) * T.Cast("int32", w[vc, ky, kx, 0])
                    scaled[0] = rescale.up(acc[0], multiplier[vc], shift[vc % S])
                    acc[0] = rescale.down(scaled[0], shift[vc % S]) + q[1]
                    out[0, vy, vk, vc] = clamp_int8(acc[0], q[2], q[3])

    return planes
