"""ONNX operators that only move values; they run on the integers, whatever their scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import pooling
from .onnx_operands import NoIntegerForm
from .onnx_requantized import padded, resized_shape
from .onnx_values import Node
from .onnx_windows import from_nhwc, to_nhwc, window
from .quantization import Quant

Array = npt.NDArray[Any]

# Operators whose ONNX definition holds for any element type: onnx's own evaluator runs them.
GENERIC = {
    "DepthToSpace",
    "Expand",
    "Flatten",
    "GatherND",
    "Identity",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
}


def gather(node: Node, operands: list[Any], quant: Quant | None) -> Array:
    """Gather; indices below 0 count from the end.

    An index outside of the axis becomes the nearest inside.
    """
    x, indices = operands[:2]
    axis = node.attributes.get("axis", 0)
    counted = np.where(indices < 0, indices + x.shape[axis], indices)
    return np.asarray(np.take(x, counted, axis=axis, mode="clip"))


def max_pool(node: Node, operands: list[Any], quant: Quant | None) -> Array:
    """MaxPool on int8 NCHW data."""
    x = operands[0]
    if len(node.outputs) > 1:
        raise NoIntegerForm
    shape = window(node, x.shape, list(node.attributes["kernel_shape"]))
    result = pooling.max_pool2d(
        to_nhwc(x),
        shape.kernel,
        strides=shape.strides,
        pads=shape.pads,
        dilations=shape.dilations,
    )
    return from_nhwc(result, x.ndim)


def global_max_pool(node: Node, operands: list[Any], quant: Quant | None) -> Array:
    """GlobalMaxPool of [N, C, ...]; onnx's evaluator drops an axis of [N, C, L]."""
    x = operands[0]
    return np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


def pad(node: Node, operands: list[Any], quant: Quant | None) -> Array:
    """Pad with zero or with the data itself.

    Any other value raises NoIntegerForm: it has to be quantized like the result.
    """
    x = operands[0]
    fill = operands[2] if len(operands) > 2 and operands[2] is not None else 0.0
    value = np.reshape(node.attributes.get("value", fill), -1)
    if quant is None or (node.attributes.get("mode", "constant") == "constant" and value.any()):
        raise NoIntegerForm
    return padded(node, x, operands, quant.zero_point)


def resize_nearest(node: Node, operands: list[Any], quant: Quant | None) -> Array:
    """Resize in nearest mode by ONNX's definition of positions and ties."""
    x = operands[0]
    if node.attributes.get("mode", "nearest") != "nearest":
        raise NoIntegerForm
    size = resized_shape(x.shape, tuple(operands))
    scales = operands[2] if len(operands) > 2 and np.size(operands[2]) else None
    for axis, output in enumerate(size):
        if output != x.shape[axis]:
            factor = output / x.shape[axis] if scales is None else float(scales[axis])
            x = np.take(x, _nearest(node, x.shape[axis], output, factor), axis=axis)
    return np.asarray(x)


def _nearest(node: Node, size: int, output: int, factor: float) -> npt.NDArray[np.int64]:
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    target = np.arange(output, dtype=np.float64)
    if mode == "asymmetric":
        source = target / factor
    elif mode == "align_corners":
        source = target * (size - 1) / max(output - 1, 1)
    elif mode in ("half_pixel", "pytorch_half_pixel"):
        source = (target + 0.5) / factor - 0.5
        if mode == "pytorch_half_pixel" and output == 1:
            source = np.zeros(1)
    else:
        raise NoIntegerForm
    rounding: dict[str, Callable[[Any], Any]] = {
        "round_prefer_floor": lambda s: np.ceil(s - 0.5),
        "round_prefer_ceil": lambda s: np.floor(s + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
    index = rounding[node.attributes.get("nearest_mode", "round_prefer_floor")](source)
    return np.asarray(np.clip(index, 0, size - 1), dtype=np.int64)


SPECIAL: dict[str, Callable[[Node, list[Any], Quant | None], Array]] = {
    "GlobalMaxPool": global_max_pool,
    "Gather": gather,
    "MaxPool": max_pool,
    "Pad": pad,
    "Resize": resize_nearest,
}
