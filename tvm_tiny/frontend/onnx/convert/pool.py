"""Pooling, 1-D and 2-D (3-D goes to TVM's frontend, in float)."""

from __future__ import annotations

from typing import Any, NamedTuple

from tvm import relax

from ..graph import Node, Refused
from .context import Context, dims
from .conv import LAYOUTS, explicit_pads
from .tail import convert_by_tvm


class Window(NamedTuple):
    """The window of a pooling.

    ceil: the padding at the end of each axis that ceil_mode adds to `pads`.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[int]
    ceil: list[int]

    @property
    def all_pads(self) -> list[int]:
        """The sum of both paddings, which differ only for an average that counts padding."""
        return [a + b for a, b in zip(self.pads, [0] * len(self.ceil) + self.ceil, strict=True)]


def _window(node: Node, size: tuple[int, ...]) -> Window:
    kernel = [int(k) for k in node.attrs["kernel_shape"]]
    strides = list(node.attrs.get("strides", [1] * len(kernel)))
    dilations = list(node.attrs.get("dilations", [1] * len(kernel)))
    pads = explicit_pads(node, size, tuple(kernel), strides, dilations)
    ceil = [0] * len(kernel)
    if node.attrs.get("ceil_mode", 0):
        for axis, stride in enumerate(strides):
            begin, end = pads[axis], pads[axis + len(kernel)]
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            count = -(-(size[axis] + begin + end - reach) // stride) + 1
            if (count - 1) * stride >= size[axis] + begin:
                count -= 1  # a window that starts in the padding at the end is not computed
            needed = (count - 1) * stride + reach - size[axis] - begin
            ceil[axis] = max(needed - end, 0)
    return Window(kernel, strides, dilations, pads, ceil)


def max_pool(context: Context, node: Node) -> list[Any]:
    """MaxPool of [N, C, (H,) W]."""
    data = context.value(node.inputs[0])
    rank = len(dims(data)) - 2
    if rank not in LAYOUTS:
        return convert_by_tvm(context, node)
    if any(node.outputs[1:]):
        raise Refused("the indices output is not supported")
    w = _window(node, dims(data)[2:])
    make = relax.op.nn.max_pool1d if rank == 1 else relax.op.nn.max_pool2d
    call = make(data, w.kernel, w.strides, w.all_pads, w.dilations, layout=LAYOUTS[rank])
    return [context.emit(call)]


def average_pool(context: Context, node: Node) -> list[Any]:
    """AveragePool of [N, C, (H,) W]."""
    data = context.value(node.inputs[0])
    rank = len(dims(data)) - 2
    if rank not in LAYOUTS:
        return convert_by_tvm(context, node)
    w = _window(node, dims(data)[2:])
    pads = w.all_pads
    if node.attrs.get("count_include_pad", 0) and any(w.pads):
        # The model's own padding counts, the padding that ceil_mode adds does not.
        pairs = [side for axis in range(rank) for side in (w.pads[axis], w.pads[axis + rank])]
        data = context.emit(relax.op.nn.pad(data, [0] * 4 + pairs))
        pads = [0] * rank + w.ceil
    make = relax.op.nn.avg_pool1d if rank == 1 else relax.op.nn.avg_pool2d
    options = {"count_include_pad": False, "layout": LAYOUTS[rank]}
    return [context.emit(make(data, w.kernel, w.strides, pads, w.dilations, **options))]


def global_average_pool(context: Context, node: Node) -> list[Any]:
    """GlobalAveragePool of [N, C, ...], as a mean over all axes but the first two."""
    data = context.value(node.inputs[0])
    axes = list(range(2, len(dims(data))))
    return [context.emit(relax.op.mean(data, axes, keepdims=True))]


def global_max_pool(context: Context, node: Node) -> list[Any]:
    """GlobalMaxPool of [N, C, (H,) W], as a max pooling over the whole plane."""
    data = context.value(node.inputs[0])
    rank = len(dims(data)) - 2
    if rank not in LAYOUTS:
        return convert_by_tvm(context, node)
    make = relax.op.nn.max_pool1d if rank == 1 else relax.op.nn.max_pool2d
    return [context.emit(make(data, dims(data)[2:], layout=LAYOUTS[rank]))]


TABLE = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
}
