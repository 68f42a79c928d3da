"""Operators that move values without computing: reshape, transpose, concat, slice, pad."""

from __future__ import annotations

from typing import Any

from tvm import relax

from tvm_tiny.frontend.onnx.graph import Node, Refused

from .context import Context, dims

MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


def identity(context: Context, node: Node) -> list[Any]:
    """Identity and Dropout that name a model output."""
    return [context.value(node.inputs[0])]


def reshape(context: Context, node: Node) -> list[Any]:
    """Reshape; 0 copies a dimension of the input unless `allowzero`."""
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
    rows = 1
    for n in shape[:axis]:
        rows *= n
    return [context.emit(relax.op.reshape(data, (rows, -1)))]


def squeeze(context: Context, node: Node) -> list[Any]:
    """Squeeze as a reshape."""
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
    """Unsqueeze as a reshape; axes count in the result."""
    data = context.value(node.inputs[0])
    axes = context.ints(node, 1, "axes") or []
    rank = len(dims(data)) + len(axes)
    new = {axis % rank for axis in axes}
    old = iter(dims(data))
    return [
        context.emit(relax.op.reshape(data, [1 if i in new else next(old) for i in range(rank)]))
    ]


def transpose(context: Context, node: Node) -> list[Any]:
    """Transpose."""
    data = context.value(node.inputs[0])
    order = node.attrs.get("perm")
    return [context.emit(relax.op.permute_dims(data, None if order is None else list(order)))]


def concat(context: Context, node: Node) -> list[Any]:
    """Concat along `axis`."""
    parts = [context.value(name) for name in node.inputs]
    axis = int(node.attrs["axis"]) % len(dims(parts[0]))
    return [context.emit(relax.op.concat(parts, axis))]


def split(context: Context, node: Node) -> list[Any]:
    """Split: a slice of its own for each output, each from its own dequantize."""
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
    """Slice with constant bounds; they saturate at the tensor's own (ONNX Slice)."""
    data = context.value(node.inputs[0])
    shape = dims(data)
    starts = context.ints(node, 1, "starts") or []
    ends = context.ints(node, 2, "ends") or []
    axes = context.ints(node, 3, "axes") or list(range(len(starts)))
    steps = context.ints(node, 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Refused("starts, ends, axes and steps differ in length")
    if any(step < 1 for step in steps):
        raise Refused("negative steps are not supported")
    axes = [axis % len(shape) for axis in axes]
    begin = [_bound(n, shape[axis]) for n, axis in zip(starts, axes, strict=True)]
    end = [_bound(n, shape[axis]) for n, axis in zip(ends, axes, strict=True)]
    if any(b >= e for b, e in zip(begin, end, strict=True)):
        raise Refused("its result is empty")
    return [context.emit(relax.op.strided_slice(data, axes, begin, end, steps))]


def _bound(position: int, size: int) -> int:
    return min(max(position + size if position < 0 else position, 0), size)


def pad(context: Context, node: Node) -> list[Any]:
    """Pad: ONNX lists all begins, then all ends; Relax begin and end of each axis."""
    data = context.value(node.inputs[0])
    rank = len(dims(data))
    pads, axes = context.ints(node, 1, "pads"), context.ints(node, 3) or list(range(rank))
    mode = str(node.attrs.get("mode", "constant"))
    if pads is None or len(pads) != 2 * len(axes):
        raise Refused("its pads do not fit the tensor's dimensions")
    if min(pads, default=0) < 0 or mode not in MODES:
        raise Refused("negative pads and wrap mode are not supported")
    widths = [0] * 2 * rank
    for position, axis in enumerate(axes):
        widths[2 * (axis % rank)] = pads[position]
        widths[2 * (axis % rank) + 1] = pads[position + len(axes)]
    value = context.constant(node, 2, "value")
    real = 0.0 if value is None or not value.size else float(value.reshape(-1)[0])
    return [context.emit(relax.op.nn.pad(data, widths, MODES[mode], real))]


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
    "Pad": pad,
}
