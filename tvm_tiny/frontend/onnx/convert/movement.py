"""Operators that move values without computing: reshape, transpose, concat, slice, pad, gather."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import relax

from ..graph import Node, Refused
from .context import Context, dims

MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def identity(context: Context, node: Node) -> list[Any]:
    """Identity or Dropout whose result is a model output."""
    return [context.value(node.inputs[0])]


def reshape(context: Context, node: Node) -> list[Any]:
    """Reshape; 0 copies a dimension of the input unless `allowzero` is set."""
    data = context.value(node.inputs[0])
    wanted = context.ints(node, 1, "shape")
    if wanted is None:
        raise Refused("it has no shape")
    if not node.attrs.get("allowzero", 0):
        wanted = [dims(data)[i] if n == 0 else n for i, n in enumerate(wanted)]
    return [context.emit(relax.op.reshape(data, wanted))]


def flatten(context: Context, node: Node) -> list[Any]:
    """Flatten to two dimensions at `axis`."""
    data = context.value(node.inputs[0])
    shape, axis = dims(data), int(node.attrs.get("axis", 1))
    axis += len(shape) if axis < 0 else 0
    return [context.emit(relax.op.reshape(data, (math.prod(shape[:axis]), -1)))]


def squeeze(context: Context, node: Node) -> list[Any]:
    """Squeeze, as a reshape."""
    data = context.value(node.inputs[0])
    shape = dims(data)
    axes = context.ints(node, 1, "axes")
    if axes is None:
        axes = [i for i, n in enumerate(shape) if n == 1]
    gone = {axis % len(shape) for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise Refused(f"axes {axes} of shape {list(shape)} are not all of size 1")
    kept = [n for i, n in enumerate(shape) if i not in gone]
    return [context.emit(relax.op.reshape(data, kept))]


def unsqueeze(context: Context, node: Node) -> list[Any]:
    """Unsqueeze, as a reshape; axes refer to the result."""
    data = context.value(node.inputs[0])
    axes = context.ints(node, 1, "axes") or []
    rank = len(dims(data)) + len(axes)
    new = {axis % rank for axis in axes}
    old = iter(dims(data))
    return [
        context.emit(relax.op.reshape(data, [1 if i in new else next(old) for i in range(rank)]))
    ]


def transpose(context: Context, node: Node) -> list[Any]:
    """Transpose; without `perm` it reverses the axes."""
    data = context.value(node.inputs[0])
    order = node.attrs.get("perm")
    return [context.emit(relax.op.permute_dims(data, None if order is None else list(order)))]


def concat(context: Context, node: Node) -> list[Any]:
    """Concat along `axis`."""
    parts = [context.value(name) for name in node.inputs]
    axis = int(node.attrs["axis"]) % len(dims(parts[0]))
    return [context.emit(relax.op.concat(parts, axis))]


def split(context: Context, node: Node) -> list[Any]:
    """Split, as one slice for each output, each of a dequantize of its own."""
    data = context.value(node.inputs[0])
    shape = dims(data)
    axis = int(node.attrs.get("axis", 0)) % len(shape)
    sizes = context.ints(node, 1, "split")
    if sizes is None:
        step = -(-shape[axis] // len(node.outputs))
        sizes = [min(step, shape[axis] - i * step) for i in range(len(node.outputs))]
    if sum(sizes) != shape[axis] or min(sizes) < 1 or len(sizes) != len(node.outputs):
        raise Refused(f"sizes {sizes} do not split axis {axis} of shape {list(shape)}")
    results, start = [], 0
    for index, size in enumerate(sizes):
        source = data if index == 0 else context.value(node.inputs[0])
        call = relax.op.strided_slice(source, [axis], [start], [start + size])
        results.append(context.emit(call))
        start += size
    return results


def strided_slice(context: Context, node: Node) -> list[Any]:
    """Slice with constant bounds, which saturate at the tensor's extents (ONNX Slice)."""
    data = context.value(node.inputs[0])
    shape = dims(data)
    starts = context.ints(node, 1, "starts") or []
    ends = context.ints(node, 2, "ends") or []
    axes = context.ints(node, 3, "axes") or list(range(len(starts)))
    steps = context.ints(node, 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Refused("starts, ends, axes and steps differ in length")
    if 0 in steps:
        raise Refused("a step of 0 is not valid")
    axes = [axis % len(shape) for axis in axes]
    picked = [
        range(*slice(start, end, step).indices(shape[axis]))
        for start, end, step, axis in zip(starts, ends, steps, axes, strict=True)
    ]
    if not all(picked):
        raise Refused("its result is empty")
    # Relax counts a negative end from the back; "before the first element" is -size - 1.
    end = [
        r.stop if r.stop >= 0 else -shape[axis] - 1 for r, axis in zip(picked, axes, strict=True)
    ]
    begin = [r.start for r in picked]
    return [context.emit(relax.op.strided_slice(data, axes, begin, end, steps))]


def expand(context: Context, node: Node) -> list[Any]:
    """Expand broadcasts in both directions: the shape may have extents of 1, or fewer axes."""
    data = context.value(node.inputs[0])
    shape = np.broadcast_shapes(dims(data), tuple(context.ints(node, 1) or ()))
    return [context.emit(relax.op.broadcast_to(data, [int(n) for n in shape]))]


def tile(context: Context, node: Node) -> list[Any]:
    """Tile repeats each axis a constant number of times."""
    data = context.value(node.inputs[0])
    repeats = context.ints(node, 1, "repeats")
    if repeats is None or len(repeats) != len(dims(data)):
        raise Refused("it needs one number of repeats for each dimension")
    return [context.emit(relax.op.tile(data, repeats))]


def gather(context: Context, node: Node) -> list[Any]:
    """Gather along `axis`; indices below 0 count from the end."""
    data, axis = context.value(node.inputs[0]), int(node.attrs.get("axis", 0))
    axis %= len(dims(data))
    return [_taken(context, data, node.inputs[1], axis)]


def gather_nd(context: Context, node: Node) -> list[Any]:
    """GatherND by constant indices, or by computed indices of one axis.

    The axes that constant indices name are joined to one, along which the elements are taken.
    """
    data, indices = context.value(node.inputs[0]), context.graph.constants.get(node.inputs[1])
    shape = dims(data)
    if int(node.attrs.get("batch_dims", 0)):
        raise Refused("batch_dims are not supported")
    if indices is None or indices.shape[-1] == 1:
        wanted = dims(context.value(node.inputs[1]))
        if wanted[-1] != 1:
            raise Refused("indices of several axes must be constants")
        return [_taken(context, data, node.inputs[1], 0, wanted[:-1])]
    named, kept = shape[: indices.shape[-1]], shape[indices.shape[-1] :]
    _check_indices(indices, named)
    flat = np.ravel_multi_index(np.moveaxis(indices % named, -1, 0), named)
    joined = context.emit(relax.op.reshape(data, (math.prod(named), *kept)))
    return [context.emit(relax.op.take(joined, relax.const(flat, "int64"), 0, "clip"))]


def _taken(
    context: Context, data: Any, name: str, axis: int, shape: Sequence[int] | None = None
) -> Any:
    """Slices of `data` along `axis`, at the indices in tensor `name`.

    shape: replaces the shape of the indices if given.
    """
    size, known = dims(data)[axis], context.graph.constants.get(name)
    if known is not None:
        _check_indices(known, (size,))
        known = known % size if shape is None else (known % size).reshape(shape)
        return context.emit(relax.op.take(data, relax.const(known, str(known.dtype)), axis, "clip"))
    given = context.value(name)
    dtype = str(given.ty.dtype)
    if shape is not None:
        given = context.emit(relax.op.reshape(given, shape))
    below = context.emit(relax.op.less(given, relax.const(0, dtype)))
    counted = context.emit(relax.op.add(given, relax.const(size, dtype)))
    indices = context.emit(relax.op.where(below, counted, given))
    return context.emit(relax.op.take(data, indices, axis, "clip"))


def _check_indices(indices: Any, sizes: Sequence[int]) -> None:
    if np.any(indices < -np.array(sizes)) or np.any(indices >= sizes):
        raise Refused(f"an index is outside of its axis: of {list(sizes)} elements")


# DepthToSpace views NHWC data with its channels split into three axes; by mode, the order in which
# a transpose brings all axes to [N, H, block, W, block, C].
_DEPTH_TO_SPACE = {"DCR": (0, 1, 3, 2, 4, 5), "CRD": (0, 1, 4, 2, 5, 3)}
_TO_NHWC, _TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)


def depth_to_space(context: Context, node: Node) -> list[Any]:
    """DepthToSpace, as one transpose of NHWC data between two permutes to NHWC and back."""
    data, block = context.value(node.inputs[0]), int(node.attrs["blocksize"])
    n, channels, height, width = dims(data)
    kept, mode = channels // block**2, str(node.attrs.get("mode", "DCR"))
    parts = [block, block, kept] if mode == "DCR" else [kept, block, block]
    return [
        _in_nhwc(
            context,
            data,
            [n, height, width, *parts],
            _DEPTH_TO_SPACE[mode],
            [n, height * block, width * block, kept],
        )
    ]


def space_to_depth(context: Context, node: Node) -> list[Any]:
    """SpaceToDepth, the reverse of DepthToSpace in mode DCR."""
    data, block = context.value(node.inputs[0]), int(node.attrs["blocksize"])
    n, channels, height, width = dims(data)
    rows, columns = height // block, width // block
    return [
        _in_nhwc(
            context,
            data,
            [n, rows, block, columns, block, channels],
            (0, 1, 3, 2, 4, 5),
            [n, rows, columns, block**2 * channels],
        )
    ]


def _in_nhwc(
    context: Context, data: Any, split: list[int], order: Sequence[int], shape: list[int]
) -> Any:
    """Reshape NCHW data in NHWC order: to `split`, transposed to `order`, to `shape`."""
    value = context.emit(relax.op.permute_dims(data, _TO_NHWC))
    value = context.emit(relax.op.reshape(value, split))
    value = context.emit(relax.op.permute_dims(value, order))
    value = context.emit(relax.op.reshape(value, shape))
    return context.emit(relax.op.permute_dims(value, _TO_NCHW))


def pad(context: Context, node: Node) -> list[Any]:
    """Pad; negative widths are cut off before.

    ONNX lists all begins, then all ends; Relax lists begin and end of each axis.
    """
    data = context.value(node.inputs[0])
    rank = len(dims(data))
    pads, axes = context.ints(node, 1, "pads"), context.ints(node, 3) or list(range(rank))
    mode = str(node.attrs.get("mode", "constant"))
    if pads is None or len(pads) != 2 * len(axes):
        raise Refused("its pads do not fit the tensor's dimensions")
    if mode not in MODES:
        raise Refused(f"mode {mode} is not supported")
    widths = [0] * 2 * rank
    for position, axis in enumerate(axes):
        widths[2 * (axis % rank)] = pads[position]
        widths[2 * (axis % rank) + 1] = pads[position + len(axes)]
    value = context.constant(node, 2, "value")
    real = 0.0 if value is None or not value.size else float(value.reshape(-1)[0])
    data = _cropped(context, data, widths)
    kept = [max(width, 0) for width in widths]
    return [context.emit(relax.op.nn.pad(data, kept, MODES[mode], real))]


def _cropped(context: Context, data: Any, widths: list[int]) -> Any:
    """Cut off `data` what the negative widths say.

    widths: before and after, axis by axis; positive ones are ignored.
    """
    if min(widths, default=0) >= 0:
        return data
    begin = [max(-width, 0) for width in widths[::2]]
    end = [n + min(width, 0) for n, width in zip(dims(data), widths[1::2], strict=True)]
    if any(b >= e for b, e in zip(begin, end, strict=True)):
        raise Refused("its pads cut off everything")
    return context.emit(relax.op.strided_slice(data, list(range(len(begin))), begin, end))


TABLE = {
    **dict.fromkeys(("Identity", "Dropout"), identity),
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Concat": concat,
    "Split": split,
    "Slice": strided_slice,
    "Expand": expand,
    "Gather": gather,
    "GatherND": gather_nd,
    "Tile": tile,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Pad": pad,
}
