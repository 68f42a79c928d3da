"""Operators that move values or interpolate between them: pad, concat, slices, resize."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import (
    Int8Array,
    IntArray,
    round_half_away_array,
    truncating_divide,
    truncating_shift,
    wrap_int32,
)
from .quantization import Quant, Rounding, requantize

RESIZE_BITS = 10  # fraction bits of a bilinear source position


def pad(x: npt.NDArray[Any], pad_width: Sequence[Sequence[int]], value: int) -> npt.NDArray[Any]:
    """Surround `x` with the quantized `value` (the zero point for a real 0)."""
    return np.pad(x, [tuple(pair) for pair in pad_width], constant_values=value)


def space_to_batch(
    x: npt.NDArray[Any], blocks: Sequence[int], pad_width: Sequence[Sequence[int]]
) -> npt.NDArray[Any]:
    """Make a batch of every blocks[k]-th element of axis 1 + k, for each start.

    TFLM pads with the integer 0, whatever the zero point.
    """
    rest = [(0, 0)] * (x.ndim - 1 - len(blocks))
    padded = pad(x, [(0, 0), *pad_width, *rest], 0)
    return np.concatenate([padded[step] for step in _steps(blocks)])


def batch_to_space(
    x: npt.NDArray[Any], blocks: Sequence[int], crops: Sequence[Sequence[int]]
) -> npt.NDArray[Any]:
    """Interleave the rows of batches, then crop: the reverse of `space_to_batch`."""
    sizes = [n * b for n, b in zip(x.shape[1:], blocks, strict=False)]
    parts = np.split(x, math.prod(blocks))
    whole = np.empty((len(parts[0]), *sizes, *x.shape[1 + len(blocks) :]), x.dtype)
    for step, part in zip(_steps(blocks), parts, strict=True):
        whole[step] = part
    kept = [slice(a, n - b) for n, (a, b) in zip(sizes, crops, strict=True)]
    box = (slice(None), *kept)
    return whole[box]


def _steps(blocks: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Index tuples with steps of blocks[k] along axis 1 + k, one for each start."""
    for starts in itertools.product(*map(range, blocks)):
        steps = [slice(start, None, block) for start, block in zip(starts, blocks, strict=True)]
        yield (slice(None), *steps)


def concat(
    parts: Sequence[npt.NDArray[Any]],
    quants: Sequence[Quant],
    y_quant: Quant,
    axis: int,
    rounding: Rounding = Rounding.TFLITE,
) -> npt.NDArray[Any]:
    """Join int8 tensors along `axis`; parts of another quantization are requantized."""
    moved = [
        requantize(x, q, y_quant, rounding=rounding) for x, q in zip(parts, quants, strict=True)
    ]
    return np.concatenate(moved, axis=axis)


def strided_slice(
    x: npt.NDArray[Any],
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int],
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    end_is_offset: bool = False,
) -> npt.NDArray[Any]:
    """TFLite's STRIDED_SLICE.

    Bit i of `begin_mask` or `end_mask` lifts the bound of entry i; bit i of `shrink_axis_mask`
    drops its axis. An entry may also mean a new axis, or all axes that no other entry names.
    """
    index: list[Any] = []
    axis = -1
    for k, (first, last, stride) in enumerate(zip(begin, end, strides, strict=True)):
        if ellipsis_mask >> k & 1:
            index.append(Ellipsis)
            after = range(k + 1, len(begin))
            axis = x.ndim - 1 - sum(not new_axis_mask >> later & 1 for later in after)
            continue
        if new_axis_mask >> k & 1:
            index.append(None)
            continue
        axis += 1
        size = x.shape[axis]
        low, high = (0, size) if stride > 0 else (-1, size - 1)
        start = min(max(first + size if first < 0 else first, low), high)
        if begin_mask >> k & 1:
            start = 0 if stride > 0 else size - 1
        if shrink_axis_mask >> k & 1:
            index.append(start)
            continue
        last += start if end_is_offset else 0
        stop = min(max(last + size if last < 0 else last, low), high)
        if end_mask >> k & 1:
            stop = size if stride > 0 else -1
        # Python takes -1 for the last element; None is the bound before the first one.
        index.append(slice(start, None if stop < 0 else stop, stride))
    return np.asarray(x[tuple(index)])


def depth_to_space(x: npt.NDArray[Any], block: int) -> npt.NDArray[Any]:
    """Move channels into blocks of height and width.

    [N, H, W, block * block * C] -> [N, H * block, W * block, C].
    """
    n, height, width, channels = x.shape
    parts = x.reshape(n, height, width, block, block, -1).transpose(0, 1, 3, 2, 4, 5)
    return np.asarray(parts.reshape(n, height * block, width * block, channels // block**2))


def space_to_depth(x: npt.NDArray[Any], block: int) -> npt.NDArray[Any]:
    """The reverse of `depth_to_space`."""
    n, height, width, channels = x.shape
    parts = x.reshape(n, height // block, block, width // block, block, channels)
    parts = parts.transpose(0, 1, 3, 2, 4, 5)
    return np.asarray(parts.reshape(n, height // block, width // block, block**2 * channels))


def nearest_positions(size: int, output: int, *, align_corners: bool, half_pixel: bool) -> IntArray:
    """Source index of each of `output` positions along an axis of `size`; float32 arithmetic."""
    if align_corners and output > 1:
        scale = np.float32(size - 1) / np.float32(output - 1)
    else:
        scale = np.float32(size) / np.float32(output)
    offset = np.float32(0.5 if half_pixel else 0.0)
    source = (np.arange(output, dtype=np.float32) + offset) * scale
    index = round_half_away_array(source) if align_corners else np.floor(source).astype(np.int64)
    return np.clip(index, 0, size - 1)


def resize_nearest(
    x: npt.NDArray[Any],
    output: tuple[int, int],
    *,
    align_corners: bool = False,
    half_pixel: bool = False,
) -> npt.NDArray[Any]:
    """Resize an image by nearest neighbour: [N, H, W, C] -> [N, *output, C]."""
    rows, columns = (
        nearest_positions(size, out, align_corners=align_corners, half_pixel=half_pixel)
        for size, out in zip(x.shape[1:3], output, strict=True)
    )
    return x[:, rows][:, :, columns]


# For each output position: lower index, upper index, weight of the upper in 1/1024.
LinearPositions = tuple[IntArray, IntArray, IntArray]


def bilinear_positions(
    size: int, output: int, *, align_corners: bool, half_pixel: bool
) -> LinearPositions:
    """(lower index, upper index, weight of the upper in 1/1024) of each output position."""
    one = 1 << RESIZE_BITS
    if align_corners and output > 1:
        step = (one * (size - 1) + (output - 1) // 2) // (output - 1)
    else:
        step = (one * size + output // 2) // output
    position = np.arange(output, dtype=np.int64) * step
    if half_pixel:
        position += step // 2 - one // 2
    lower = np.maximum(truncating_shift(position, RESIZE_BITS), 0)
    upper = np.minimum(truncating_divide(position + one - 1, one), size - 1)
    return lower, upper, position - lower * one


def real_positions(mode: str, size: int, output: int) -> npt.NDArray[np.float64] | None:
    """The position in the source of each output position; None for an unknown mode.

    mode: ONNX's `coordinate_transformation_mode`.
    """
    target, factor = np.arange(output, dtype=np.float64), output / size
    return {
        "asymmetric": target / factor,
        "align_corners": target * (size - 1) / max(output - 1, 1),
        "half_pixel": (target + 0.5) / factor - 0.5,
        "pytorch_half_pixel": (target + 0.5) / factor - 0.5 if output > 1 else np.zeros(1),
    }.get(mode)


def linear_positions(mode: str, size: int, output: int) -> LinearPositions:
    """Bilinear positions from `real_positions`, in which only the weight is rounded."""
    real = real_positions(mode, size, output)
    assert real is not None, mode
    inside = np.clip(real, 0, size - 1)
    lower = np.floor(inside).astype(np.int64)
    weight = np.rint((inside - lower) * (1 << RESIZE_BITS)).astype(np.int64)
    return lower, np.minimum(lower + 1, size - 1), weight


def resize_bilinear(
    x: npt.NDArray[Any],
    output: tuple[int, int],
    *,
    align_corners: bool = False,
    half_pixel: bool = False,
) -> Int8Array:
    """Resize an image as TFLite does: [N, H, W, C] -> [N, *output, C].

    Positions have 10 fraction bits.
    """
    rows, columns = (
        bilinear_positions(size, out, align_corners=align_corners, half_pixel=half_pixel)
        for size, out in zip(x.shape[1:3], output, strict=True)
    )
    return interpolate(x, rows, columns)


def interpolate(x: npt.NDArray[Any], rows: LinearPositions, columns: LinearPositions) -> Int8Array:
    """Interpolate raw int8 values [N, H, W, C] between rows and columns, in fixed point.

    Products have 20 fraction bits; the result is rounded to nearest, ties away from zero.
    """
    (y0, y1, fy), (x0, x1, fx) = rows, columns
    one = 1 << RESIZE_BITS
    wide = x.astype(np.int64)
    fx, fy = fx[None, None, :, None], fy[None, :, None, None]
    top = wide[:, y0][:, :, x0] * (one - fx) + wide[:, y0][:, :, x1] * fx
    bottom = wide[:, y1][:, :, x0] * (one - fx) + wide[:, y1][:, :, x1] * fx
    total = top * (one - fy) + bottom * fy
    half = 1 << (2 * RESIZE_BITS - 1)
    nudged = np.asarray(total + np.where(total > 0, half, -half), dtype=np.int64)
    rounded = truncating_shift(nudged, 2 * RESIZE_BITS)
    narrow: Int8Array = wrap_int32(rounded).astype(np.int8)
    return narrow
