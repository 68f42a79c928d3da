"""A model's inputs and outputs, in the model's form and in the generated C's.

Passes attach the interface to main as the attribute `tvm_tiny.interface`, a JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .reference.quantization import Quant, Rounding, dequantize, quantize

ATTRIBUTE = "tvm_tiny.interface"

# Attribute of main in QDQ form that says how sums are rounded to the output's scale: "tflite" or
# "float32" (see docs/numerics.md). Frontends set it; the default is "tflite".
ROUNDING = "tvm_tiny.rounding"

# Attribute of main in QDQ form with [scale, zero point] of each input, [] for one without. A
# frontend sets it if the file has them; otherwise the dequantize that reads an input has them.
INPUT_QUANTIZATION = "tvm_tiny.input_quantization"


@dataclass(frozen=True)
class Port:
    """One input or output.

    name                      name in the model
    shape, dtype              in the generated C
    model_shape, model_dtype  as the model declares them
    permutation               model axes in the order of the C's axes; None for the same order
    scale, zero_point         quantization of the integers; None where unknown
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    model_shape: tuple[int, ...]
    model_dtype: str
    permutation: tuple[int, ...] | None = None
    scale: float | None = None
    zero_point: int | None = None
    rounding: str = "tflite"

    @property
    def bytes(self) -> int:
        """Bytes in the generated C."""
        return int(np.prod(self.shape, dtype="int64")) * np.dtype(self.dtype).itemsize

    def to_device(self, array: np.ndarray) -> np.ndarray:
        """Converts an array from the model's form to the generated C's; float is quantized."""
        moved = array if self.permutation is None else array.transpose(self.permutation)
        if self.dtype == self.model_dtype:
            return np.ascontiguousarray(moved)
        rounding = Rounding.FLOAT32 if self.rounding == "float32" else Rounding.TFLITE
        quantized = quantize(moved, self._quant, np.dtype(self.dtype), rounding)
        return np.ascontiguousarray(quantized)

    def from_device(self, array: np.ndarray) -> np.ndarray:
        """The reverse of `to_device`, for outputs."""
        real = array if self.dtype == self.model_dtype else dequantize(array, self._quant)
        if self.permutation is None:
            return real
        return np.ascontiguousarray(real.transpose(np.argsort(self.permutation)))

    @property
    def _quant(self) -> Quant:
        assert self.scale is not None, self.name
        assert self.zero_point is not None, self.name
        return Quant(self.scale, self.zero_point)


@dataclass(frozen=True)
class Interface:
    """Inputs and outputs in the model's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def to_json(self) -> str:
        """The interface as the attribute's text."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Interface:
        """Reads an interface from the attribute's text."""
        fields = json.loads(text)
        return Interface(_ports(fields["inputs"]), _ports(fields["outputs"]))


def _ports(entries: Sequence[dict[str, Any]]) -> tuple[Port, ...]:
    return tuple(map(port_from_fields, entries))


def port_from_fields(fields: Mapping[str, Any]) -> Port:
    """A port from its fields as JSON gives them, with lists for tuples."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return Port(**values)
