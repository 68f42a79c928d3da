"""Which reference kernel computes a TFLite operator, and what has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

from tvm_tiny.errors import ModelError

from .flatbuffer import Operator, Tensor
from .float_ops import FLOAT
from .tflite_ops import INTEGER, MOVEMENT, Arrays, Handler, unequal_quantization, where
from .tflite_plain import PLAIN

Values = Mapping[str, npt.NDArray[Any]]


def objections(op: Operator) -> list[str]:
    """Why the reference cannot compute an operator; [] where it can."""
    unequal = unequal_quantization(op)
    if unequal is not None:
        return [f"{where(op)}: {unequal}"]
    if op.name in MOVEMENT:
        return []
    if any(t is not None and t.dtype in ("uint8", "int16") for t in (*op.inputs, *op.outputs)):
        return [f"{where(op)}: only int8 tensors are supported"]
    return [] if _kernel(op) is not None else [f"{where(op)}: no reference for this operator"]


def evaluate(op: Operator, values: Values) -> Arrays:
    """Results of one operator; `values` are the tensors so far, by name.

    An int8 operator without an integer form runs in float.
    """
    kernel = _kernel(op)
    assert kernel is not None, "the caller has asked for objections"
    return kernel(op, [None if t is None else _lookup(op, t, values) for t in op.inputs])


def _kernel(op: Operator) -> Handler | None:
    is_integer = _has_int8(op.inputs)
    if op.name in MOVEMENT:
        return MOVEMENT[op.name]
    if op.name in INTEGER and is_integer:
        return INTEGER[op.name]
    if op.name in PLAIN and (not is_integer or op.name in ("SHAPE", "RANK")):
        return PLAIN[op.name]
    return FLOAT.get(op.name)


def _has_int8(tensors: Sequence[Tensor | None]) -> bool:
    return any(tensor is not None and tensor.dtype == "int8" for tensor in tensors)


def _lookup(op: Operator, tensor: Tensor, values: Values) -> npt.NDArray[Any]:
    if tensor.data is not None:
        return tensor.data
    if tensor.name not in values:
        raise ModelError(f"{where(op)}: input '{tensor.name}' is computed by no operator before")
    return values[tensor.name]
