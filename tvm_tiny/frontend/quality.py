"""The loss by quantizing a float model: each layer's error, and the accuracy."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

# The attribute of function "main" that holds a `Quality` as JSON.
ATTRIBUTE = "tvm_tiny.calibration"


@dataclass(frozen=True)
class LayerError:
    """The error of one quantized tensor, compared with its value in float.

    Attributes:
        tensor: its name in the model.
        op: the operators that compute it; "" for an input.
        sqnr_db: signal to quantization noise ratio in dB over all samples. The noise includes
            the errors of all layers before. None where there is no error.

    """

    tensor: str
    op: str
    sqnr_db: float | None


@dataclass(frozen=True)
class Accuracy:
    """The share of samples classified right, in float and in int8.

    A sample is classified right where its largest output is the labelled one.
    """

    in_float: float
    in_int8: float


@dataclass(frozen=True)
class Quality:
    """The outcome of a calibration; `layers` are in execution order."""

    method: str
    samples: int
    layers: tuple[LayerError, ...]
    accuracy: Accuracy | None = None

    def worst(self, count: int) -> tuple[LayerError, ...]:
        """The `count` layers with the lowest signal to noise ratio, the worst first."""
        noisy = [layer for layer in self.layers if layer.sqnr_db is not None]
        return tuple(sorted(noisy, key=lambda layer: layer.sqnr_db or 0.0)[:count])

    def to_json(self) -> str:
        """The JSON text that `main`'s attribute holds."""
        return json.dumps(asdict(self))

    @classmethod
    def from_module(cls, mod: Any) -> Quality | None:
        """The quality that a frontend recorded in a module; None if nothing was calibrated."""
        attrs = mod["main"].attrs
        if not attrs or ATTRIBUTE not in attrs:
            return None
        document = json.loads(str(attrs[ATTRIBUTE]))
        layers = tuple(LayerError(**layer) for layer in document.pop("layers"))
        accuracy = document.pop("accuracy")
        return cls(**document, layers=layers, accuracy=accuracy and Accuracy(**accuracy))


def sqnr_db(signal: float, noise: float) -> float | None:
    """10 log10(signal / noise) of two sums of squares; None without noise or signal."""
    return round(10 * math.log10(signal / noise), 2) if signal and noise else None
