"""A gain and an offset for each channel, as a depthwise 1x1 convolution.

Batch normalization on its own, and products and sums with constant vectors, have this form: one
int8 weight a channel, whose scale contains the gain, and an int32 bias.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .arithmetic import Int8Array
from .convolution import depthwise_conv2d
from .elementwise import add_n
from .quantization import Quant, Rounding

Array = npt.NDArray[Any]

# Weights to choose from: the best brings the offset nearest to a multiple of x_scale * its scale.
_WEIGHTS = np.arange(64, 128)
# Largest bias: its sum with 255 * 127 is still exact in float32.
_LARGEST_BIAS = 1 << 23
# Weight, bias and factors take 13 bytes of flash a channel; more channels would take too much.
MOST_CHANNELS = 4096


class Channels(NamedTuple):
    """A view of a tensor whose last axes are channels, and their constants.

    order: the tensor's axes, permuted. gains, offsets: one for each channel.
    """

    order: list[int]
    gains: Array
    offsets: Array


class ChannelAffine(NamedTuple):
    """For each channel an int8 weight, a float32 weight scale and an int32 bias."""

    weights: Array
    scales: npt.NDArray[np.float32]
    bias: Array


def quantize_affine(gains: Array, offsets: Array, x_scale: float) -> ChannelAffine:
    """Integer weights and biases for real gains and offsets [C].

    An offset may be so large that its bias would not be exact in float32. Its weight then gets
    fewer bits; the loss is below 2^-16 of the offset.
    """
    gains, offsets = np.asarray(gains, "float64"), np.asarray(offsets, "float64")
    coarsest = np.abs(offsets) / (float(x_scale) * _LARGEST_BIAS)
    # [64, C]: the scale with which each weight gives the gain.
    scales = np.abs(gains) / _WEIGHTS[:, None]
    scales = np.maximum(scales, np.maximum(coarsest, np.finfo("float32").tiny)).astype("float32")
    step = float(x_scale) * scales.astype("float64")
    bias = np.rint(offsets / step)
    lost = np.abs(bias * step - offsets)
    best = np.argmin(lost, axis=0)[None]
    scale = np.take_along_axis(scales, best, 0)[0]
    weights = np.clip(np.rint(gains / scale.astype("float64")), -127, 127)
    return ChannelAffine(
        weights.astype("int8"), scale, np.take_along_axis(bias, best, 0)[0].astype("int32")
    )


def channel_affine(
    x: Array,
    gains: Array,
    offsets: Array,
    x_quant: Quant,
    y_quant: Quant,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array:
    """gain * x + offset for int8 x, along the last axis.

    gains, offsets: one for each index of that axis.
    """
    made = quantize_affine(gains, offsets, x_quant.scale)
    channels = x.shape[-1]
    result = depthwise_conv2d(
        x.reshape(1, 1, -1, channels), made.weights.reshape(1, 1, 1, channels),
        made.bias.astype("int64"), x_quant, made.scales, y_quant, rounding=rounding,
    )  # fmt: skip
    return result.reshape(x.shape)


def split_constant(values: Array) -> list[tuple[Array, Quant]]:
    """A float constant as the sum of two int8 terms.

    The second term holds the first one's rounding error; both together have 15 bits.
    """
    terms = []
    for _ in range(2):
        largest = float(np.abs(values).max(initial=0.0))
        scale = float(np.float32(largest / 127 if largest else 1.0))
        codes = np.clip(np.rint(values / scale), -127, 127)
        terms.append((codes.astype("int8"), Quant(scale, 0)))
        values = values - codes * scale
    return terms


def as_channels(gain: Array, offset: Array, shape: Sequence[int]) -> Channels | None:
    """Constants that broadcast to `shape`, as vectors over channels.

    Constants along one axis make that axis the last. For constants along several, all axes from the
    first of them on are the channels. None for single numbers and for more than MOST_CHANNELS.
    """
    rank = len(shape)
    gain, offset = (part.reshape((1,) * (rank - part.ndim) + part.shape) for part in (gain, offset))
    extents = np.broadcast_shapes(gain.shape, offset.shape)
    axes = [axis for axis, extent in enumerate(extents) if extent > 1]
    order, count = list(range(rank)), rank - axes[0] if axes else 0
    if len(axes) == 1:
        order, count = [axis for axis in order if axis not in axes] + axes, 1
    inner = [shape[axis] for axis in order[rank - count :]]
    if not axes or math.prod(inner) > MOST_CHANNELS:
        return None

    def vector(part: Array) -> Array:
        last = part.transpose(order).reshape([part.shape[axis] for axis in order[rank - count :]])
        return np.broadcast_to(last, inner).reshape(-1)

    return Channels(order, vector(gain), vector(offset))


def affine(
    x: Array,
    gain: Array,
    offset: Array,
    x_quant: Quant,
    y_quant: Quant,
    rounding: Rounding = Rounding.TFLITE,
) -> Int8Array | None:
    """gain * x + offset, with constants that broadcast to x.

    Without a gain, and with an offset along several axes, it is computed as the sum of three
    tensors. None where no kernel computes it.
    """
    if is_sum(gain, offset):
        terms = [(x, x_quant), *split_constant(offset)]
        return add_n([data for data, _ in terms], [quant for _, quant in terms], y_quant)
    view = as_channels(gain, offset, x.shape)
    if view is None:
        return None
    moved = x.transpose(view.order)
    result = channel_affine(
        moved.reshape(-1, len(view.gains)), view.gains, view.offsets, x_quant, y_quant, rounding
    )
    back: Int8Array = result.reshape(moved.shape).transpose(np.argsort(view.order))
    return back


def is_sum(gain: Array, offset: Array) -> bool:
    """Whether there is no gain, and the offset varies along several axes."""
    wide = [extent for extent in offset.shape if extent > 1]
    return gain.size == 1 and bool((gain == 1).all()) and len(wide) > 1
