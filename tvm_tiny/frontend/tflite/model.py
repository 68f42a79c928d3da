"""A TFLite model as plain values, free of the flatbuffer it came from.

The names follow the TFLite schema (schema.fbs, version 3): a model is one subgraph of
operators over numbered tensors; a tensor with data is a constant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import ModelError
from tvm_tiny.reference.arithmetic import round_half_away

Array: TypeAlias = npt.NDArray[Any]
Option: TypeAlias = "int | float | bool | tuple[int, ...]"

#: The index of an optional input that is absent.
ABSENT = -1


@dataclass(frozen=True)
class Quantization:
    """Affine parameters: real = scale * (integer - zero_point).

    `scales` (float32) and `zero_points` (int64) have one entry, or one for each index along
    dimension `axis`.
    """

    scales: Array
    zero_points: Array
    axis: int

    @property
    def per_tensor(self) -> bool:
        """Whether one scale serves the whole tensor."""
        return len(self.scales) == 1

    def steps(self, value: float) -> int:
        """The int8 value nearest to a real one.

        TFLite's kernels quantize the limits of activations in this way, in float32.
        """
        quotient = float(np.float32(value) / np.float32(self.scales[0]))
        return max(-128, min(127, round_half_away(quotient) + int(self.zero_points[0])))

    def real(self, integer: int) -> float:
        """The real value that an integer stands for."""
        return float(self.scales[0]) * (integer - int(self.zero_points[0]))

    def agrees(self, other: Quantization, tolerance: float = 0.0) -> bool:
        """Whether scales differ by at most `tolerance` and zero points are equal."""
        scales = np.abs(self.scales.astype(np.float64) - other.scales) <= tolerance
        return bool(np.all(scales) and np.all(self.zero_points == other.zero_points))

    def __str__(self) -> str:
        scales, zero_points = (v.tolist() for v in (self.scales, self.zero_points))
        if self.per_tensor:
            return f"scale {scales[0]:.6g} and zero point {zero_points[0]}"
        return f"{len(scales)} scales"


@dataclass(frozen=True)
class Tensor:
    """One tensor of the subgraph.

    `dtype` is NumPy's name, or the schema's in capitals where NumPy or this compiler has none
    (INT4, STRING, ...). `data` is None for activations, and for constants of such a type.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    constant: bool
    data: Array | None
    quantization: Quantization | None
    signature: tuple[int, ...] = ()
    flaws: tuple[str, ...] = ()  # reasons why it cannot be compiled: sparse, variable, ...


@dataclass(frozen=True)
class Operator:
    """One operator: kind as named in the schema, tensors by index (-1: absent), options."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Option] = field(default_factory=dict)

    def integer(self, key: str) -> int:
        """The integer or enumeration option `key`."""
        return int(self._option(key))

    def number(self, key: str) -> float:
        """The floating-point option `key`."""
        return float(self._option(key))

    def flag(self, key: str) -> bool:
        """The Boolean option `key`."""
        return bool(self._option(key))

    def integers(self, key: str) -> tuple[int, ...]:
        """The vector option `key`, () where the file leaves it out."""
        value = self.options.get(key, ())
        return value if isinstance(value, tuple) else (int(value),)

    def _option(self, key: str) -> int | float | bool:
        value = self.options.get(key)
        if value is None or isinstance(value, tuple):
            raise ModelError(
                f"{self.kind} (operator {self.index}): option '{key}' is missing; "
                "expected the options that the TFLite schema gives this operator"
            )
        return value


@dataclass(frozen=True)
class Model:
    """A whole model: tensors by index, operators in execution order, graph inputs and outputs."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    subgraphs: int = 1
