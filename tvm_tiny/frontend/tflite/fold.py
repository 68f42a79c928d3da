"""Integer arithmetic on shapes, done at import.

Exporters write a reshape of a tensor with an unknown batch as SHAPE, STRIDED_SLICE, PACK, RESHAPE.
With static shapes the first three are constants.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tvm_tiny.errors import ModelError

from .model import ABSENT, Array, Model, Operator, Tensor
from .ops.slicing import bounds
from .validate import label

MAX_ELEMENTS = 64  # of a shape computation; more than any rank needs


def fold_shapes(model: Model) -> Model:
    """The model with every operator that only computes a shape replaced by its constant result.

    Raises ModelError where the declared output does not match the computed one.
    """
    tensors = list(model.tensors)
    kept = []
    for operator in model.operators:
        if _foldable(operator, tensors):
            index = operator.outputs[0]
            tensors[index] = _constant(operator, tensors[index], tensors)
        else:
            kept.append(operator)
    return replace(model, tensors=tuple(tensors), operators=tuple(kept))


def _foldable(operator: Operator, tensors: list[Tensor]) -> bool:
    if operator.kind not in _FUNCTIONS or len(operator.outputs) != 1:
        return False
    result = tensors[operator.outputs[0]]
    if result.dtype not in {"int32", "int64"} or np.prod(result.shape) > MAX_ELEMENTS:
        return False
    if ABSENT in operator.inputs:
        return False
    operands = [tensors[index] for index in operator.inputs]
    if operator.kind == "SHAPE":
        return min(operands[0].shape, default=1) > 0
    return all(
        t.data is not None and t.dtype in {"int32", "int64"} and t.data.size <= MAX_ELEMENTS
        for t in operands
    )


def _constant(operator: Operator, result: Tensor, tensors: list[Tensor]) -> Tensor:
    operands = [tensors[index] for index in operator.inputs]
    try:
        value = _FUNCTIONS[operator.kind](operator, operands).astype(result.dtype)
    except (ValueError, IndexError) as error:  # NumPy's words for operands that do not fit
        raise ModelError(f"{label(operator)}: operands do not fit together: {error}") from error
    if value.shape != result.shape:
        raise ModelError(
            f"{label(operator)}: output '{result.name}' is declared as {result.shape}; "
            f"inputs and options give {value.shape}"
        )
    return replace(result, constant=True, data=value)


def _values(operands: list[Tensor]) -> list[Array]:
    return [t.data for t in operands if t.data is not None]


def _shape(operator: Operator, operands: list[Tensor]) -> Array:
    return np.array(operands[0].shape, np.int64)


def _strided_slice(operator: Operator, operands: list[Tensor]) -> Array:
    data, begin, end, strides = _values(operands)
    if data.ndim != 1 or not begin.size == end.size == strides.size == 1 or not strides.any():
        raise ValueError("expected one begin, end and stride of a vector")
    start, stop, step = bounds(operator, 0, data.size, *(int(v[0]) for v in (begin, end, strides)))
    picked: Array = data[[*range(start, stop, step)]]
    return picked.reshape(()) if operator.integer("shrink_axis_mask") & 1 else picked


def _pack(operator: Operator, operands: list[Tensor]) -> Array:
    return np.stack(_values(operands), axis=operator.integer("axis"))


def _concatenation(operator: Operator, operands: list[Tensor]) -> Array:
    return np.concatenate(_values(operands), axis=operator.integer("axis"))


def _multiply(operator: Operator, operands: list[Tensor]) -> Array:
    left, right = _values(operands)
    product: Array = left * right
    return product


_FUNCTIONS: dict[str, Callable[[Operator, list[Tensor]], Array]] = {
    "SHAPE": _shape,
    "STRIDED_SLICE": _strided_slice,
    "PACK": _pack,
    "CONCATENATION": _concatenation,
    "MUL": _multiply,
}
