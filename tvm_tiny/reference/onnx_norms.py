"""ONNX normalizations between DequantizeLinear and QuantizeLinear, in integers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .norms import Norm, norm_of, normalize
from .onnx_operands import Kernel, NoIntegerForm, Operand, per_tensor
from .onnx_values import Dequantized, Node
from .quantization import Quant, Rounding

Array = npt.NDArray[Any]


def trailing_norm(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """LayerNormalization and RMSNormalization, over the axes from `axis` on, or over `axes`."""
    x, x_quant = per_tensor(args)
    first = node.attributes.get("axis", -1) % x.ndim
    axes = [a % x.ndim for a in node.attributes.get("axes", range(first, x.ndim))]
    rows = np.moveaxis(x, axes, range(-len(axes), 0))
    shape = [x.shape[a] for a in axes]
    gains = _spread(args, 1, x.shape, axes, 1.0)
    offsets = _spread(args, 2, x.shape, axes, 0.0)
    norm = norm_of(
        math.prod(shape), x_quant.scale, gains, offsets, y,
        node.attributes.get("epsilon", 1e-5), centred=node.op == "LayerNormalization",
    )  # fmt: skip
    result = _run(rows.reshape(-1, math.prod(shape)), norm, x_quant).reshape(rows.shape)
    return np.moveaxis(result, range(-len(axes), 0), axes)


def lp_norm(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """LpNormalization with p = 2, as an RMS normalization with gains 1 / sqrt(n)."""
    if node.attributes.get("p", 2) != 2:
        raise NoIntegerForm
    x, x_quant = per_tensor(args)
    rows = np.moveaxis(x, node.attributes.get("axis", -1), -1)
    n = rows.shape[-1]
    gain = np.full(n, np.float32(1 / math.sqrt(n)))
    norm = norm_of(n, x_quant.scale, gain, np.zeros(n), y, 0.0, centred=False)
    result = _run(rows.reshape(-1, n), norm, x_quant).reshape(rows.shape)
    return np.moveaxis(result, -1, node.attributes.get("axis", -1))


def group_norm(node: Node, args: tuple[Operand, ...], y: Quant, rounding: Rounding) -> Array:
    """GroupNormalization and InstanceNormalization; a row is a group of channels of an image."""
    x, x_quant = per_tensor(args)
    batch, channels = x.shape[:2]
    groups: int = node.attributes.get("num_groups") or channels
    rows = x.reshape(batch * groups, -1)
    n = rows.shape[-1]
    gains, offsets = (
        np.repeat(value.reshape(-1), channels // value.size)
        for value in (_real(args, 1), _real(args, 2))
    )
    epsilon = node.attributes.get("epsilon", 1e-5)
    norm = norm_of(n, x_quant.scale, gains, offsets, y, epsilon, centred=True)
    if norm is None:
        raise NoIntegerForm
    share = n // (channels // groups)
    spread_gains, spread_offsets = (
        np.tile(np.repeat(values, share).reshape(groups, n), (batch, 1))
        for values in (norm.gains, norm.offsets)
    )
    norm = replace(norm, gains=spread_gains, offsets=spread_offsets)
    return normalize(rows, norm, x_quant.zero_point).reshape(x.shape)


def _run(rows: Array, norm: Norm | None, quant: Quant) -> Array:
    if norm is None:
        raise NoIntegerForm
    return normalize(rows, norm, quant.zero_point)


def _real(args: tuple[Operand, ...], position: int) -> Array:
    """The real values of a constant operand."""
    value = args[position]
    if isinstance(value, Dequantized):
        return value.real().astype(np.float64)
    if value is None:
        raise NoIntegerForm
    return value


def _spread(
    args: tuple[Operand, ...],
    position: int,
    shape: tuple[int, ...],
    axes: list[int],
    absent: float,
) -> Array:
    """A gain or an offset for each element of a row.

    absent: the value where the operand is left out.
    """
    extents = [shape[a] for a in axes]
    if position >= len(args) or args[position] is None:
        return np.full(math.prod(extents), absent)
    value = _real(args, position)
    value = value.reshape((1,) * (len(shape) - value.ndim) + value.shape)
    value = np.moveaxis(value, axes, range(-len(axes), 0))
    return np.broadcast_to(value.reshape(value.shape[-len(axes) :]), extents).reshape(-1)


NORMS: dict[str, Kernel] = {
    "GroupNormalization": group_norm,
    "InstanceNormalization": group_norm,
    "LayerNormalization": trailing_norm,
    "LpNormalization": lp_norm,
    "RMSNormalization": trailing_norm,
    "SimplifiedLayerNormalization": trailing_norm,
}
