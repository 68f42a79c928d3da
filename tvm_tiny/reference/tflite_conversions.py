"""TFLite operators between element types: comparisons, logic, choices, casts, quantization."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .comparison import RELATIONS, compare
from .flatbuffer import Operator
from .quantization import dequantize, quantize, requantize
from .tflite_operands import Array, Arrays, Handler, Inputs, array, arrays, given


def _compare(op: Operator, inputs: Inputs) -> Arrays:
    relation, (a, b) = op.name.lower(), arrays(inputs)
    if a.dtype != np.int8:
        return [RELATIONS[relation](a, b)]
    return [compare(relation, a, b, given(op, 0).quant, given(op, 1).quant)]


def _logical(function: Callable[..., Array]) -> Handler:
    return lambda op, inputs: [function(*arrays(inputs))]


def _select(op: Operator, inputs: Inputs) -> Arrays:
    condition, yes, no = arrays(inputs)
    if op.name == "SELECT" and condition.ndim == 1 < yes.ndim:
        condition = condition.reshape(-1, *[1] * (yes.ndim - 1))
    return [np.where(condition, yes, no)]


def _cast(op: Operator, inputs: Inputs) -> Arrays:
    return [array(inputs, 0).astype(op.outputs[0].dtype)]


def _quantize(op: Operator, inputs: Inputs) -> Arrays:
    x, source, target = array(inputs, 0), given(op, 0), op.outputs[0]
    dtype = np.dtype(target.dtype)
    if source.dtype == "float32":
        return [quantize(x, target.quant, dtype)]
    return [requantize(x, source.quant, target.quant, dtype)]


def _dequantize(op: Operator, inputs: Inputs) -> Arrays:
    return [dequantize(array(inputs, 0), given(op, 0).quant)]


#: Operators whose operands have any of several element types.
CONVERSIONS: dict[str, Handler] = {
    **dict.fromkeys(map(str.upper, RELATIONS), _compare),
    "CAST": _cast,
    "DEQUANTIZE": _dequantize,
    "LOGICAL_AND": _logical(np.logical_and),
    "LOGICAL_NOT": _logical(np.logical_not),
    "LOGICAL_OR": _logical(np.logical_or),
    "QUANTIZE": _quantize,
    "SELECT": _select,
    "SELECT_V2": _select,
}
