"""Runs a full-integer TFLite model, operator by operator, on the integer kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import ModelError, UnsupportedError
from tvm_tiny.model_file import read_model_file

from .flatbuffer import DAMAGE, Tensor, needed, read_graph
from .tensor import Inputs, TensorInfo, bind_inputs
from .tflite_kernels import evaluate, objections


class TFLiteReference:
    """A TFLite model, computed with the reference kernels.

    Raises ModelError for a file that is not a readable model and UnsupportedError, listing every
    reason, for operators that the reference does not know.
    """

    def __init__(self, model: bytes | Path) -> None:
        data = model if isinstance(model, bytes) else read_model_file(model)
        self._graph = needed(read_graph(data))
        reasons = [reason for op in self._graph.operators for reason in objections(op)]
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
        """One inference: every tensor that an operator or the caller provides, by name.

        `inputs` is {name: array} or a sequence in the model's order, in the model's shapes and
        dtypes; raises DataError where they differ.
        """
        values = bind_inputs(self.inputs, inputs)
        for op in self._graph.operators:
            try:
                for tensor, value in zip(op.outputs, evaluate(op, values), strict=True):
                    values[tensor.name] = np.ascontiguousarray(value).reshape(tensor.shape)
            except DAMAGE as error:
                raise ModelError(f"{op.label}: operands do not fit ({error})") from error
        for tensor in self._graph.outputs:
            if tensor.data is not None:
                values[tensor.name] = tensor.data
        return values


def _info(tensor: Tensor) -> TensorInfo:
    if not tensor.quantized:
        return TensorInfo(tensor.name, tensor.shape, tensor.dtype)
    quant = tensor.quant
    return TensorInfo(tensor.name, tensor.shape, tensor.dtype, quant.scale, quant.zero_point)
