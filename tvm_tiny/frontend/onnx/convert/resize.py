"""Resize of spatial axes, in the modes nearest and linear.

Data is [N, C, H, W] or [N, C, L].
"""

from __future__ import annotations

import math
from typing import Any

from tvm import relax

from ..graph import Node, Refused
from .context import Context, dims
from .tail import convert_by_tvm

TRANSFORMS = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def resize(context: Context, node: Node) -> list[Any]:
    """Resize with constant scales or sizes."""
    data = context.value(node.inputs[0])
    shape = dims(data)
    if len(shape) not in (3, 4) or node.attrs.get("mode", "nearest") == "cubic":
        return convert_by_tvm(context, node)
    size, scales = _target(context, node, shape)
    old = context.opset < 11 or node.op == "Upsample"
    mode = str(
        node.attrs.get("coordinate_transformation_mode", "asymmetric" if old else "half_pixel")
    )
    if mode not in TRANSFORMS or node.attrs.get("antialias", 0):
        raise Refused(f"coordinate_transformation_mode {mode} or antialias is not supported")
    for old_size, new_size, scale in zip(shape[2:], size, scales, strict=True):
        exact = new_size / old_size
        if mode != "align_corners" and not math.isclose(scale, exact, rel_tol=1e-6):
            raise Refused("a scale that does not give a whole size is not supported")
    if node.attrs.get("mode", "nearest") == "nearest":
        rounding = str(node.attrs.get("nearest_mode", "floor" if old else "round_prefer_floor"))
        method = "nearest_neighbor"
        if rounding not in ROUNDINGS:
            raise Refused(f"nearest_mode {rounding} is not supported")
    else:
        method, rounding = "linear", ""
    # pytorch_half_pixel differs from half_pixel only for a result of one pixel.
    if mode == "pytorch_half_pixel" and min(size) > 1:
        mode = "half_pixel"
    if len(shape) == 3:  # an image of one column
        data = context.emit(relax.op.reshape(data, (*shape, 1)))
    call = relax.op.image.resize2d(
        data,
        (*size, 1)[:2],
        layout="NCHW",
        method=method,
        coordinate_transformation_mode=mode,
        rounding_method=rounding,
    )
    result = context.emit(call)
    return (
        [context.emit(relax.op.reshape(result, (*shape[:2], *size)))]
        if len(size) == 1
        else [result]
    )


def _target(context: Context, node: Node, shape: tuple[int, ...]) -> tuple[list[int], list[float]]:
    """Output extents and scales of the spatial axes."""
    first = 1 if context.opset < 11 or node.op == "Upsample" else 2
    scales = context.constant(node, first, "scales")
    sizes = context.ints(node, 3) if first == 2 else None
    rank = len(shape)
    axes = [int(a) % rank for a in node.attrs.get("axes", range(rank))]
    if node.attrs.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Refused("keep_aspect_ratio_policy is not supported")
    full_scales, full_sizes = [1.0] * rank, list(shape)
    if sizes:
        for axis, size in zip(axes, sizes, strict=True):
            full_sizes[axis], full_scales[axis] = size, size / shape[axis]
    elif scales is not None and scales.size:
        for axis, scale in zip(axes, scales.reshape(-1).tolist(), strict=True):
            full_sizes[axis], full_scales[axis] = math.floor(shape[axis] * scale), scale
    if full_sizes[:2] != list(shape[:2]) or min(full_sizes) < 1:
        raise Refused("only spatial axes can be resized")
    return full_sizes[2:], full_scales[2:]


TABLE = {"Resize": resize, "Upsample": resize}
