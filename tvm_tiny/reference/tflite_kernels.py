"""Chooses the reference kernel of a TFLite operator, or explains why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy.typing as npt

from tvm_tiny.errors import ModelError, UnsupportedError

from .flatbuffer import DTYPES, Operator, Tensor
from .float_ops import FLOAT
from .tflite_arithmetic import ARITHMETIC
from .tflite_conversions import CONVERSIONS
from .tflite_movement import MOVEMENT
from .tflite_operands import Arrays, Handler, refuse
from .tflite_plain import PLAIN, SHAPES
from .tflite_windows import WINDOWS

Values = Mapping[str, npt.NDArray[Any]]

_OF_ANY_TYPE: dict[str, Handler] = {**MOVEMENT, **CONVERSIONS, **SHAPES}
_INTEGER: dict[str, Handler] = {**ARITHMETIC, **WINDOWS}
# Operator -> (first, end, tolerance): operands from `first` to before `end` (None: all) must have
# the result's zero point, and its scale within the tolerance.
_EQUAL: dict[str, tuple[int, int | None, float]] = {
    "AVERAGE_POOL_2D": (0, 1, 1e-6),
    "CONCATENATION": (0, None, 0.0),
    "MAX_POOL_2D": (0, 1, 1e-6),
    "PADV2": (2, 3, 0.0),
}


def objections(op: Operator) -> list[str]:
    """Reasons why the reference cannot compute an operator; empty if it can."""
    try:
        _check_types(op)
        _check_quantization(op)
        refuse(op, _kernel(op) is None, "no reference for this operator")
    except UnsupportedError as error:
        return list(error.reasons)
    return []


def evaluate(op: Operator, values: Values) -> Arrays:
    """Results of one operator; `values` are the tensors so far, by name.

    An int8 operator without an integer form runs in float.
    """
    kernel = _kernel(op)
    assert kernel is not None, "the caller has asked for objections"
    return kernel(op, [None if t is None else _lookup(op, t, values) for t in op.inputs])


def _check_types(op: Operator) -> None:
    narrow = op.name not in _OF_ANY_TYPE
    for tensor in (*op.inputs, *op.outputs):
        if tensor is not None:
            unknown = tensor.dtype not in DTYPES.values()
            refuse(op, unknown, f"element type {tensor.dtype.lower()} is not supported")
            refuse(op, narrow and tensor.dtype in ("uint8", "int16"), "only int8 is supported")


def _check_quantization(op: Operator) -> None:
    first, last, tolerance = _EQUAL.get(op.name, (0, 0, 0.0))
    for tensor in op.inputs[first:last]:
        if tensor is None or tensor.dtype != "int8":
            continue
        own, wanted = tensor.quant, op.outputs[0].quant
        unequal = abs(own.scale - wanted.scale) > tolerance or own.zero_point != wanted.zero_point
        refuse(op, unequal, f"'{tensor.name}' must have the result's scale and zero point")


def _kernel(op: Operator) -> Handler | None:
    if op.name in _OF_ANY_TYPE:
        return _OF_ANY_TYPE[op.name]
    is_int8 = any(tensor is not None and tensor.dtype == "int8" for tensor in op.inputs)
    return (_INTEGER if is_int8 else PLAIN).get(op.name) or FLOAT.get(op.name)


def _lookup(op: Operator, tensor: Tensor, values: Values) -> npt.NDArray[Any]:
    if tensor.data is not None:
        return tensor.data
    if tensor.name not in values:
        raise ModelError(f"{op.label}: input '{tensor.name}' is computed by no operator before")
    return values[tensor.name]
