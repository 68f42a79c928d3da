"""ONNX operators that move values into the quantization of their result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from . import movement
from .onnx_operands import Kernel, NoIntegerForm, Operand, per_tensor, real_values
from .onnx_values import Node
from .onnx_windows import from_nhwc, to_nhwc
from .quantization import Quant, Rounding, quantize, quantize_value, requantize

Array = npt.NDArray[Any]
LINEAR_MODES = ("asymmetric", "align_corners", "half_pixel", "pytorch_half_pixel")


def _concat(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    parts = [per_tensor(args, k) for k in range(len(args))]
    axis = node.attributes["axis"]
    return movement.concat([data for data, _ in parts], [q for _, q in parts], y, axis, rounding)


def _where(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """Where of two choices, both in the output's quantization; float choices are rounded to it."""
    condition = args[0]
    if not isinstance(condition, np.ndarray):
        raise NoIntegerForm
    choices = [
        quantize(choice, y, rounding=rounding)
        if isinstance(choice, np.ndarray)
        else requantize(*per_tensor(args, k), y, rounding=rounding)
        for k, choice in enumerate(args[1:], 1)
    ]
    return np.where(condition, *choices)


def _resize_linear(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    x, x_quant = per_tensor(args)
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    kind = node.attributes.get("mode", "nearest")
    if x.ndim not in (3, 4) or kind != "linear" or mode not in LINEAR_MODES:
        raise NoIntegerForm
    size = resized_shape(x.shape, args)
    if size[:2] != x.shape[:2] or (mode == "pytorch_half_pixel" and 1 in size[2:]):
        raise NoIntegerForm
    if rounding is Rounding.FLOAT32 and y.scale < x_quant.scale:
        raise NoIntegerForm  # steps of the input are too coarse
    image = to_nhwc(x)
    extents = (size[2], size[3]) if x.ndim == 4 else (1, size[2])
    rows, columns = (
        movement.linear_positions(mode, *pair)
        for pair in zip(image.shape[1:3], extents, strict=True)
    )
    result = movement.interpolate(image, rows, columns)
    return requantize(from_nhwc(result, x.ndim), x_quant, y, rounding=rounding)


def resized_shape(shape: tuple[int, ...], args: tuple[Any, ...]) -> tuple[int, ...]:
    """The output shape of a Resize, from its `sizes` or `scales` operand."""
    sizes = args[3] if len(args) > 3 else None
    if sizes is not None and np.size(sizes):
        return tuple(int(size) for size in np.reshape(sizes, -1))
    scales = args[2] if len(args) > 2 else None
    if scales is None or np.size(scales) != len(shape):
        raise NoIntegerForm
    return tuple(
        int(np.floor(size * float(factor)))
        for size, factor in zip(shape, np.reshape(scales, -1), strict=True)
    )


def padded(node: Node, x: Array, operands: Sequence[Any], level: int) -> Array:
    """The integers `x` with the pads of `node` around them; constant pads hold `level`."""
    mode = node.attributes.get("mode", "constant")
    given = node.attributes.get("pads")
    widths = np.asarray(operands[1] if given is None else given).reshape(2, -1)
    axes = operands[3] if len(operands) > 3 and operands[3] is not None else range(x.ndim)
    pairs = [(0, 0)] * x.ndim
    for axis, before, after in zip(axes, *widths.tolist(), strict=True):
        pairs[int(axis)] = (before, after)
    # Negative pads are cut off first.
    kept = [
        slice(max(-before, 0), size + min(after, 0))
        for (before, after), size in zip(pairs, x.shape, strict=True)
    ]
    x, pairs = x[tuple(kept)], [(max(before, 0), max(after, 0)) for before, after in pairs]
    if mode != "constant":
        return np.pad(x, pairs, mode=mode)
    return np.pad(x, pairs, constant_values=level)


def _pad(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """Pad; the pad value is quantized like the result, not like the data."""
    x, x_quant = per_tensor(args)
    fill = args[2] if len(args) > 2 and args[2] is not None else 0.0
    value = float(np.reshape(node.attributes.get("value", real_values(fill)), -1)[0])
    level = min(max(quantize_value(value, y, rounding), -128), 127)
    return padded(node, requantize(x, x_quant, y, rounding=rounding), args, level)


REQUANTIZED: dict[str, Kernel] = {
    "Concat": _concat,
    "Pad": _pad,
    "Resize": _resize_linear,
    "Where": _where,
}
