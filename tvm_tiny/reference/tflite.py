"""Runs a full-integer TFLite model tensor by tensor on the integer kernels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import ModelError, UnsupportedError

from .flatbuffer import DAMAGE, Operator, Tensor, read_graph
from .float_ops import FLOAT
from .tensor import Inputs, TensorInfo, bind_inputs, read_file
from .tflite_ops import INTEGER, MOVEMENT, Arrays, unequal_quantization, where


class TFLiteReference:
    """A TFLite model as the reference kernels compute it.

    Raises ModelError for a file that is not a readable model and UnsupportedError, listing
    every reason, for operators the reference does not know.
    """

    def __init__(self, model: bytes | Path) -> None:
        self._graph = read_graph(model if isinstance(model, bytes) else read_file(model))
        reasons = [reason for op in self._graph.operators for reason in _objections(op)]
        if reasons:
            raise UnsupportedError(reasons)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The model's inputs in its own order."""
        return tuple(_info(tensor) for tensor in self._graph.inputs)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The model's outputs in its own order."""
        return tuple(_info(tensor) for tensor in self._graph.outputs)

    def run(self, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Every tensor an operator or the caller provides, by name, for one inference.

        `inputs` is {name: array} or a sequence in the model's order, in the model's shapes
        and dtypes; raises DataError where they differ.
        """
        values = bind_inputs(self.inputs, inputs)
        for op in self._graph.operators:
            try:
                for tensor, value in zip(op.outputs, _evaluate(op, values), strict=True):
                    values[tensor.name] = np.ascontiguousarray(value).reshape(tensor.shape)
            except DAMAGE as error:
                raise ModelError(f"{where(op)}: operands do not fit ({error})") from error
        for tensor in self._graph.outputs:
            if tensor.data is not None:
                values[tensor.name] = tensor.data
        return values


def _info(tensor: Tensor) -> TensorInfo:
    if not tensor.quantized:
        return TensorInfo(tensor.name, tensor.shape, tensor.dtype)
    quant = tensor.quant
    return TensorInfo(tensor.name, tensor.shape, tensor.dtype, quant.scale, quant.zero_point)


def _is_integer(tensors: Sequence[Tensor | None]) -> bool:
    return any(tensor is not None and tensor.dtype == "int8" for tensor in tensors)


def _objections(op: Operator) -> list[str]:
    unequal = unequal_quantization(op)
    if unequal is not None:
        return [f"{where(op)}: {unequal}"]
    if op.name in MOVEMENT:
        return []
    if any(t is not None and t.dtype in ("uint8", "int16") for t in (*op.inputs, *op.outputs)):
        return [f"{where(op)}: only int8 tensors are supported"]
    if op.name in FLOAT or (op.name in INTEGER and _is_integer(op.inputs)):
        return []
    return [f"{where(op)}: no reference for this operator"]


def _evaluate(op: Operator, values: dict[str, npt.NDArray[Any]]) -> Arrays:
    """Outputs of one operator; an int8 operator without integer form runs in float."""
    arrays = [None if t is None else _lookup(op, t, values) for t in op.inputs]
    if op.name in MOVEMENT:
        return MOVEMENT[op.name](op, arrays)
    if op.name in INTEGER and _is_integer(op.inputs):
        return INTEGER[op.name](op, arrays)
    return FLOAT[op.name](op, arrays)


def _lookup(op: Operator, tensor: Tensor, values: dict[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if tensor.data is not None:
        return tensor.data
    if tensor.name not in values:
        raise ModelError(f"{where(op)}: input '{tensor.name}' is computed by no operator before")
    return values[tensor.name]
