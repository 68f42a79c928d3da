"""Conv and ConvTranspose, 1-D and 2-D (3-D goes to TVM's frontend, in float)."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from ..graph import Node, QParams, Refused
from .context import Context, dims
from .tail import convert_by_tvm

# Data layout by the number of spatial axes.
LAYOUTS = {1: "NCW", 2: "NCHW"}


def explicit_pads(
    node: Node,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: list[int],
    dilations: list[int],
) -> list[int]:
    """[top, left, bottom, right] of a convolution or pooling, from `auto_pad` and `pads`.

    Source: the ONNX specification of Conv.
    """
    mode = node.attrs.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = [int(p) for p in node.attrs.get("pads", [0] * 2 * len(size))]
        if min(pads) < 0:
            raise Refused("negative padding is not supported")
        return pads
    if mode == "VALID":
        return [0] * 2 * len(size)
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        raise Refused(f"unknown auto_pad {mode}")
    before, after = [], []
    for n, k, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        total = max((-(-n // stride) - 1) * stride + (k - 1) * dilation + 1 - n, 0)
        small, large = total // 2, total - total // 2
        before.append(small if mode == "SAME_UPPER" else large)
        after.append(large if mode == "SAME_UPPER" else small)
    return before + after


def _kernel(context: Context, name: str, axis: int, channels: int) -> Any:
    """The dequantized kernel.

    A constant kernel with one scale gets the same scale for each of `channels` along `axis`.
    """
    known = context.dequantized_constant(name)
    if known is None or not known[1].per_tensor:
        return context.value(name)
    raw, params = known
    spread = QParams(
        np.full(channels, params.scale, np.float32),
        np.full(channels, params.zero_point, params.zero_point.dtype),
        axis,
    )
    return context.dequantize(relax.const(raw), spread)


def _add_bias(context: Context, node: Node, result: Any) -> Any:
    """Add the bias [O], if there is one.

    It is reshaped to [1, O, 1, 1] or [1, O, 1] to broadcast.
    """
    if not node.input(2):
        return result
    bias = context.value(node.inputs[2])
    shape = (1, dims(bias)[0], *[1] * (len(dims(result)) - 2))
    shaped = context.emit(relax.op.reshape(bias, shape))
    return context.emit(relax.op.add(result, shaped))


def conv(context: Context, node: Node) -> list[Any]:
    """Conv: data [N, C, (H,) W], kernel [O, C / groups, (KH,) KW], bias [O]."""
    data = context.value(node.inputs[0])
    rank = len(dims(data)) - 2
    if rank not in LAYOUTS:
        return convert_by_tvm(context, node)
    groups = int(node.attrs.get("group", 1))
    weights = context.dequantized_constant(node.inputs[1])
    channels = weights[0].shape[0] if weights else 0
    kernel = _kernel(context, node.inputs[1], 0, channels)
    strides = list(node.attrs.get("strides", [1] * rank))
    dilations = list(node.attrs.get("dilations", [1] * rank))
    pads = explicit_pads(node, dims(data)[2:], dims(kernel)[2:], strides, dilations)
    make = relax.op.nn.conv1d if rank == 1 else relax.op.nn.conv2d
    layouts = LAYOUTS[rank], f"OI{LAYOUTS[rank][2:]}"
    result = context.emit(make(data, kernel, strides, pads, dilations, groups, *layouts))
    return [_add_bias(context, node, result)]


def conv_transpose(context: Context, node: Node) -> list[Any]:
    """ConvTranspose: data [N, C, (H,) W], kernel [C, O / groups, (KH,) KW], bias [O]."""
    data = context.value(node.inputs[0])
    rank = len(dims(data)) - 2
    if rank not in LAYOUTS:
        return convert_by_tvm(context, node)
    groups = int(node.attrs.get("group", 1))
    weights = context.dequantized_constant(node.inputs[1])
    channels = weights[0].shape[1] if weights else 0
    kernel = _kernel(context, node.inputs[1], 1, channels)
    strides = list(node.attrs.get("strides", [1] * rank))
    dilations = list(node.attrs.get("dilations", [1] * rank))
    extra = list(node.attrs.get("output_padding", [0] * rank))
    size, taps = dims(data)[2:], dims(kernel)[2:]
    full = [
        (n - 1) * stride + more + (k - 1) * dilation + 1
        for n, k, stride, dilation, more in zip(size, taps, strides, dilations, extra, strict=True)
    ]
    pads = _transpose_pads(node, size, taps, strides, dilations, full)
    extra = [e + max(-p, 0) for e, p in zip(extra, pads[rank:], strict=True)]
    if any(e >= stride for e, stride in zip(extra, strides, strict=True)):
        raise Refused("output_shape is larger than strides and kernel can give")
    pads = [max(p, 0) for p in pads]
    make = relax.op.nn.conv1d_transpose if rank == 1 else relax.op.nn.conv2d_transpose
    layouts = LAYOUTS[rank], f"IO{LAYOUTS[rank][2:]}"
    result = context.emit(make(data, kernel, strides, pads, extra, dilations, groups, *layouts))
    return [_add_bias(context, node, result)]


def _transpose_pads(
    node: Node,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: list[int],
    dilations: list[int],
    full: list[int],
) -> list[int]:
    """[top, left, bottom, right] to cut off the full result of a ConvTranspose.

    Source: ONNX ConvTranspose, `output_shape`. `full` holds the sizes of the result without
    padding. Where an explicit shape is larger, the pad at the end is negative; SAME never asks for
    more.
    """
    mode, wanted = node.attrs.get("auto_pad", "NOTSET"), node.attrs.get("output_shape")
    if (mode == "NOTSET" and wanted is None) or mode == "VALID":
        return explicit_pads(node, size, kernel, strides, dilations)
    before, after = [], []
    for axis, stride in enumerate(strides):
        target = size[axis] * stride if wanted is None else wanted[-len(size) :][axis]
        total = max(full[axis] - target, 0)
        first = total // 2 if mode == "SAME_UPPER" else total - total // 2
        before.append(first)
        after.append(total - first if wanted is None else full[axis] - target - first)
    return before + after


TABLE = {"Conv": conv, "ConvTranspose": conv_transpose}
