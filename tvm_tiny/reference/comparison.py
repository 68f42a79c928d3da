"""Comparisons of two int8 tensors, each with its own quantization; the results are bool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import Int8Array, multiply_by_quantized_multiplier, quantize_multiplier
from .quantization import Quant, Rounding, dequantize

Relation = Callable[[Any, Any], npt.NDArray[np.bool_]]

# Relation by Relax's name of the operator.
RELATIONS: dict[str, Relation] = {
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "not_equal": np.not_equal,
}
SHIFT = 8  # fraction bits of the values that TFLite compares


def comparable(x: Int8Array, quant: Quant, rounding: Rounding) -> npt.NDArray[Any]:
    """The values that a comparison compares.

    TFLite rounds them to multiples of 1/256; onnxruntime compares float32 values.
    """
    if rounding is Rounding.FLOAT32:
        return dequantize(x, quant)
    centred = (x.astype(np.int64) - quant.zero_point) << SHIFT
    return multiply_by_quantized_multiplier(centred, *quantize_multiplier(quant.scale))


def compare(
    relation: str,
    a: Int8Array,
    b: Int8Array,
    a_quant: Quant,
    b_quant: Quant,
    rounding: Rounding = Rounding.TFLITE,
) -> npt.NDArray[np.bool_]:
    """Compare two tensors that broadcast; `relation` is a key of RELATIONS."""
    left, right = comparable(a, a_quant, rounding), comparable(b, b_quant, rounding)
    return RELATIONS[relation](left, right)
