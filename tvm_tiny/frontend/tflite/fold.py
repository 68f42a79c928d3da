"""Removes operators that need not run on the device: constant ones and unused ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tvm_tiny.errors import ModelError
from tvm_tiny.reference.tflite_constants import constant_results

from .model import ABSENT, Array, Model, Operator, Tensor
from .validate import label


def fold_constants(model: Model, data: bytes) -> Model:
    """Replace the results of operators on constants by constants.

    The operators are evaluated with the integer reference, from the file's bytes. Exporters write
    weights before a DEQUANTIZE, and shapes as SHAPE, STRIDED_SLICE and PACK. Raises ModelError
    where a declared result does not match the computed one.
    """
    results = constant_results(data)
    tensors = list(model.tensors)
    for operator in model.operators:
        for index, value in zip(operator.outputs, results.get(operator.index, ()), strict=False):
            tensors[index] = _constant(operator, tensors[index], value)
    kept = tuple(operator for operator in model.operators if operator.index not in results)
    return replace(model, tensors=tuple(tensors), operators=kept)


def drop_unneeded(model: Model) -> Model:
    """Remove operators that no model output depends on, even unsupported ones.

    TFLM runs them, but no result shows it.
    """
    wanted = set(model.outputs)
    kept = []
    for operator in reversed(model.operators):
        if wanted & set(operator.outputs):
            wanted |= set(operator.inputs) - {ABSENT}
            kept.append(operator)
    return replace(model, operators=tuple(reversed(kept)))


def _constant(operator: Operator, result: Tensor, value: Array) -> Tensor:
    if value.shape != result.shape:
        raise ModelError(
            f"{label(operator)}: output '{result.name}' is declared as {result.shape}; "
            f"inputs and options give {value.shape}"
        )
    if str(value.dtype) != result.dtype:
        raise ModelError(
            f"{label(operator)}: output '{result.name}' is declared as {result.dtype}; "
            f"the operator gives {value.dtype}"
        )
    return replace(result, constant=True, data=np.asarray(value, order="C"))
