"""Values of ONNX tensors while an int8 graph is evaluated.

Quantized data is always int8: uint8 values and zero points are moved down by 128.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import UnsupportedError

from .quantization import Quant

Array = npt.NDArray[Any]
UINT8_SHIFT = 128


@dataclass(frozen=True)
class Node:
    """An operator with its attributes as Python values; "" is an absent input."""

    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    proto: Any

    @property
    def where(self) -> str:
        """The operator's name in messages."""
        return f"{self.op} (tensor '{self.outputs[0] if self.outputs else '?'}')"


@dataclass(frozen=True)
class Raw:
    """Quantized integers before their scale is known.

    unsigned: the model's type is uint8.
    """

    data: Array
    unsigned: bool

    def in_model_dtype(self) -> Array:
        """The values in the model's type, uint8 or int8."""
        if not self.unsigned:
            return self.data
        return (self.data.astype(np.int16) + UINT8_SHIFT).astype(np.uint8)


@dataclass(frozen=True)
class Dequantized:
    """The output of a DequantizeLinear: integers that stand for scale * (q - zero_point)."""

    data: Array  # int8 activations and weights, int32 biases
    scales: npt.NDArray[np.float32]  # 1-D, one element or one per index of `axis`
    zero_points: npt.NDArray[np.int64]  # like `scales`
    axis: int
    constant: bool

    @property
    def quant(self) -> Quant:
        """The quantization of a tensor with one scale."""
        if self.scales.size != 1:
            raise UnsupportedError("an activation has one scale per channel; use one per tensor")
        return Quant(float(self.scales[0]), int(self.zero_points[0]))

    def centered(self) -> Array:
        """Integers minus their zero points."""
        return np.asarray(self.data.astype(np.int64) - self._spread(self.zero_points))

    def real(self) -> npt.NDArray[np.float32]:
        """The float32 values."""
        real = self.centered() * self._spread(self.scales.astype(np.float64))
        return np.asarray(real, dtype=np.float64).astype(np.float32)

    def with_data(self, data: Array) -> Dequantized:
        """Other integers in the same per-tensor quantization."""
        return replace(self, data=data)

    def _spread(self, values: Array) -> Array:
        """One value per channel, in the shape that broadcasts along `axis`."""
        if values.size == 1:
            return values.reshape(())
        shape = [1] * self.data.ndim
        shape[self.axis] = -1
        return values.reshape(shape)


@dataclass(frozen=True)
class Island:
    """A float operator on dequantized operands that waits for its QuantizeLinear.

    `low` and `high` bound the result (from Relu and Clip after the operator); None is unbounded.
    """

    node: Node
    args: tuple[Dequantized | Array | None, ...]
    low: float | None = None
    high: float | None = None

    def clipped(self, low: float | None, high: float | None) -> Island:
        """The island followed by one more Relu or Clip."""
        lows = [bound for bound in (self.low, low) if bound is not None]
        highs = [bound for bound in (self.high, high) if bound is not None]
        return replace(self, low=max(lows) if lows else None, high=min(highs) if highs else None)


Value = Raw | Dequantized | Island | Array


def to_raw(array: Array) -> Raw:
    """A uint8 or int8 array of the model as `Raw`."""
    if array.dtype == np.uint8:
        return Raw((array.astype(np.int16) - UINT8_SHIFT).astype(np.int8), unsigned=True)
    return Raw(array, unsigned=False)


def dequantized(
    value: Value, scale: Array, zero_point: Array | None, axis: int, constant: bool
) -> Dequantized:
    """Integers (uint8, int8 or int32) with the scale and zero point of a DequantizeLinear."""
    if isinstance(value, (Dequantized, Island)):
        raise UnsupportedError("DequantizeLinear of a float tensor")
    raw = value if isinstance(value, Raw) else to_raw(value)
    scales = np.asarray(scale, dtype=np.float32).reshape(-1)
    zeros = np.zeros(scales.size, dtype=np.int64)
    if zero_point is not None:
        zeros = zeros + np.asarray(zero_point).astype(np.int64).reshape(-1)
    if raw.unsigned:
        zeros = zeros - UINT8_SHIFT
    return Dequantized(raw.data, scales, zeros, axis, constant)
