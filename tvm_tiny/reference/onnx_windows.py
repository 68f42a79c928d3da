"""Windows of ONNX convolutions and poolings, and conversions of their NCHW layout."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import UnsupportedError

from .convolution import Pads, Pair, same_pads
from .onnx_values import Node

Array = npt.NDArray[Any]


class Window(NamedTuple):
    """The window of a 2-D operator; `pads` is (top, left, bottom, right)."""

    kernel: Pair
    strides: Pair
    dilations: Pair
    pads: Pads


def to_nhwc(x: Array) -> Array:
    """Transpose [N, C, H, W] or [N, C, W] to [N, H, W, C].

    For the latter the height is 1.
    """
    if x.ndim == 3:
        x = x[:, :, None, :]
    return np.transpose(x, (0, 2, 3, 1))


def from_nhwc(x: Array, rank: int) -> Array:
    """The inverse of `to_nhwc` for a model tensor of `rank`."""
    nchw = np.transpose(x, (0, 3, 1, 2))
    return nchw[:, :, 0, :] if rank == 3 else nchw


def _two(values: list[int], fill: int) -> Pair:
    return (fill, values[0]) if len(values) == 1 else (values[0], values[1])


def window(node: Node, shape: tuple[int, ...], kernel: list[int]) -> Window:
    """The window of `node` on a tensor of NCHW (or NCW) `shape`, with explicit padding.

    `ceil_mode` becomes padding after the image.
    """
    rank = len(shape) - 2
    if rank not in (1, 2):
        raise UnsupportedError(f"{node.where}: {rank}-D windows are not supported, only 1-D, 2-D")
    strides = list(node.attributes.get("strides", [1] * rank))
    dilations = list(node.attributes.get("dilations", [1] * rank))
    pads = list(node.attributes.get("pads", [0] * 2 * rank))
    auto = node.attributes.get("auto_pad", "NOTSET")
    before, after = pads[:rank], pads[rank:]
    for axis in range(rank):
        size, k, s, d = shape[2 + axis], kernel[axis], strides[axis], dilations[axis]
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            first, last = same_pads(size, k, s, d)
            before[axis], after[axis] = (first, last) if auto == "SAME_UPPER" else (last, first)
        elif auto == "VALID":
            before[axis] = after[axis] = 0
        if node.attributes.get("ceil_mode", 0):
            after[axis] += _ceil_padding(size + before[axis] + after[axis], k, s, d, after[axis])
    (top, left), (bottom, right) = _two(before, 0), _two(after, 0)
    return Window(_two(kernel, 1), _two(strides, 1), _two(dilations, 1), (top, left, bottom, right))


def _ceil_padding(padded: int, kernel: int, stride: int, dilation: int, after: int) -> int:
    """Extra padding for a last, partial window; none if it would start behind the image."""
    span = (kernel - 1) * dilation + 1
    steps = math.ceil((padded - span) / stride)
    if steps * stride >= padded - after:
        return 0
    return max(steps * stride + span - padded, 0)


def transposed_window(node: Node, shape: tuple[int, ...], kernel: list[int]) -> tuple[Window, Pair]:
    """The window of a ConvTranspose, and the extents of its output.

    shape: the data's, NCHW or NCW.
    """
    rank = len(shape) - 2
    attributes = node.attributes
    plain: dict[str, Any] = {
        name: attributes[name] for name in ("strides", "dilations", "pads") if name in attributes
    }
    own = window(replace(node, attributes=plain), shape, kernel)
    extra, wanted = attributes.get("output_padding", [0] * rank), attributes.get("output_shape")
    auto = attributes.get("auto_pad", "NOTSET")
    before, sizes = [], []
    for axis in range(rank):
        k = 2 - rank + axis  # a sequence is an image of height 1
        stride, span = own.strides[k], (own.kernel[k] - 1) * own.dilations[k]
        full = (shape[2 + axis] - 1) * stride + span + 1 + extra[axis]
        pads = (0, 0) if auto == "VALID" else (own.pads[k], own.pads[k + 2])
        if wanted is not None or auto.startswith("SAME"):
            size = min(shape[2 + axis] * stride, full) if wanted is None else wanted[-rank:][axis]
            total = max(full - size, 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            pads = (first, full - size - first)
        before.append(pads[0])
        sizes.append(full - sum(pads))
    top, left = _two(before, 0)
    return own._replace(pads=(top, left, 0, 0)), _two(sizes, 1)
