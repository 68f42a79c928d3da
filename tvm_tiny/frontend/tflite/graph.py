"""The function under construction, shared by all converters.

Converters read operands as real numbers and write results as quantized tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import relax

from tvm_tiny.errors import ModelError, UnsupportedError

from .model import ABSENT, Array, Model, Operator, Quantization, Tensor
from .validate import label


class Graph:
    """The function under construction: Relax expressions by tensor index.

    Converters read with `real` and `constant`, check with `expect_shape`, and finish with `store`.
    """

    def __init__(self, model: Model, builder: relax.BlockBuilder) -> None:
        self.model = model
        self._builder = builder
        self._values: dict[int, Any] = {}

    def tensor(self, index: int) -> Tensor:
        """The tensor of this index."""
        return self.model.tensors[index]

    def bind(self, index: int, value: Any) -> None:
        """Record the Relax variable that holds a tensor."""
        self._values[index] = value

    def value(self, index: int) -> Any:
        """The Relax variable that holds an activation as stored (not dequantized)."""
        return self._values[index]

    def emit(self, expr: Any) -> Any:
        """Bind an expression within an island; returns the variable."""
        return self._builder.emit(expr)

    # Operands

    def input(self, operator: Operator, position: int) -> Tensor | None:
        """The operand at this position; None where it is left out."""
        if position >= len(operator.inputs) or operator.inputs[position] == ABSENT:
            return None
        return self.tensor(operator.inputs[position])

    def operand(self, operator: Operator, position: int) -> Tensor:
        """The operand at this position; ModelError where it is left out."""
        tensor = self.input(operator, position)
        if tensor is None:
            raise ModelError(f"{label(operator)}: operand {position} is missing")
        return tensor

    def output(self, operator: Operator, position: int = 0) -> Tensor:
        """The result at this position."""
        return self.tensor(operator.outputs[position])

    def real(self, operator: Operator, tensor: Tensor, data: Array | None = None) -> Any:
        """A float32 expression of an int8 or float32 tensor, with a dequantize of its own.

        `data` replaces a constant's values where the layout or rank differs from the file's.
        """
        if tensor.dtype == "float32":
            return self._stored(operator, tensor, data)
        return self.emit(self.dequantized(operator, tensor, data))

    def dequantized(self, operator: Operator, tensor: Tensor, data: Array | None = None) -> Any:
        """The `R.dequantize` of an int8 tensor, not bound yet."""
        parameters = self._int8_parameters(operator, tensor)
        return dequantize(self._stored(operator, tensor, data), parameters, tensor.dtype)

    def copied(self, operator: Operator, tensor: Tensor, position: int = 0) -> Any:
        """The operand's integers, read with the scale and zero point of the result.

        TFLite's kernels copy these integers whatever the quantization of the two tensors is. Read
        in this way, they are equal to the result's integers after its quantize.
        """
        if tensor.dtype == "float32":
            return self.real(operator, tensor)
        if tensor.dtype != "int8":
            raise unsupported(operator, tensor, wrong_type(tensor.dtype))
        parameters = self._int8_parameters(operator, self.output(operator, position))
        return self.emit(dequantize(self._stored(operator, tensor, None), parameters, "int8"))

    def expect_result_quantization(
        self, operator: Operator, tensor: Tensor, tolerance: float = 0.0
    ) -> None:
        """Refuse an operand whose quantization differs from the result's.

        Kernels that copy integers need the two to be equal.
        """
        if tensor.dtype != "int8":
            return
        own = self._int8_parameters(operator, tensor)
        wanted = self._int8_parameters(operator, self.output(operator))
        if own.agrees(wanted, tolerance):
            return
        raise unsupported(
            operator,
            tensor,
            f"{own} where the result has {wanted}; TFLite's kernel needs them equal: "
            "put a QUANTIZE operator between them",
        )

    def plain(self, operator: Operator, tensor: Tensor) -> Any:
        """The stored values of a tensor of any type, constant or not."""
        return self._stored(operator, tensor, None)

    def _stored(self, operator: Operator, tensor: Tensor, data: Array | None) -> Any:
        if not tensor.constant:
            return self._values[tensor.index]
        value = np.asarray(self.constant(operator, tensor, data), order="C")
        return relax.const(value, str(value.dtype))

    def _int8_parameters(self, operator: Operator, tensor: Tensor) -> Quantization:
        if tensor.dtype != "int8":
            raise unsupported(operator, tensor, wrong_type(tensor.dtype))
        if tensor.quantization is None:
            raise unsupported(operator, tensor, "int8 without scale and zero point")
        if not tensor.quantization.per_tensor:
            raise unsupported(operator, tensor, "one scale a channel, which only weights may have")
        return tensor.quantization

    def constant(
        self,
        operator: Operator,
        tensor: Tensor,
        data: Array | None = None,
        remedy: str = "export the model with fixed shapes",
    ) -> Array:
        """The values of a tensor that must be a constant."""
        values = tensor.data if data is None else data
        if values is None:
            raise unsupported(operator, tensor, f"must be a constant; {remedy}")
        return values

    def integers(self, operator: Operator, position: int) -> tuple[int, ...]:
        """A constant int32 or int64 operand (axes, sizes, paddings), flattened."""
        tensor = self.operand(operator, position)
        values = self.constant(operator, tensor)
        if tensor.dtype not in {"int32", "int64"}:
            raise ModelError(
                f"{label(operator)}: tensor '{tensor.name}' is {tensor.dtype}; expected int32"
            )
        return tuple(int(value) for value in values.reshape(-1))

    def axes(self, operator: Operator, position: int, rank: int) -> tuple[int, ...]:
        """A constant operand of axes, each normalized to 0 .. rank - 1, sorted, without repeats."""
        return tuple(
            sorted({axis_of(operator, a, rank) for a in self.integers(operator, position)})
        )

    # Results

    def expect_shape(self, operator: Operator, shape: Sequence[int], position: int = 0) -> None:
        """Compare the file's output shape with the one that inputs and options give."""
        tensor = self.output(operator, position)
        if tensor.shape != tuple(shape):
            raise ModelError(
                f"{label(operator)}: output '{tensor.name}' is declared as {tensor.shape}; "
                f"inputs and options give {tuple(shape)}"
            )

    def store(self, operator: Operator, expr: Any, position: int = 0) -> None:
        """End an island: quantize to the output tensor's parameters (float32: bind as it is)."""
        tensor = self.output(operator, position)
        expr = self.emit(expr) if tensor.dtype != "float32" else expr
        self.expect_shape(operator, expr_shape(self._builder.normalize(expr)), position)
        if tensor.dtype != "float32":
            expr = quantize(expr, self._int8_parameters(operator, tensor), "int8")
        self.store_plain(operator, expr, position)

    def settled(self, operator: Operator, expr: Any) -> Any:
        """Quantize and dequantize an intermediate value, as an island of its own.

        Scale and zero point are those of the operator's result.
        """
        tensor = self.output(operator)
        real = self.emit(expr)
        if tensor.dtype == "float32":
            return real
        parameters = self._int8_parameters(operator, tensor)
        return self.emit(
            dequantize(self.emit(quantize(real, parameters, "int8")), parameters, "int8")
        )

    def store_plain(self, operator: Operator, expr: Any, position: int = 0) -> None:
        """Bind the output tensor's variable to `expr`."""
        tensor = self.output(operator, position)
        self.bind(tensor.index, self.named(tensor, expr))

    def named(self, tensor: Tensor, expr: Any) -> Any:
        """Bind `expr` to a new variable with the tensor's name; returns the variable.

        The builder's own `emit` would replace dots in the name and number repeated names.
        """
        expr = self._builder.normalize(expr)
        kind = relax.Var if tensor.index in self.model.outputs else relax.DataflowVar
        variable = kind(tensor.name, expr.ty)
        self._builder.emit_normalized(relax.VarBinding(variable, expr))
        return variable


def _constants(parameters: Quantization, dtype: str) -> tuple[Any, Any]:
    """Scale and zero point of a per-tensor quantization as scalar Relax constants."""
    zero_point = parameters.zero_points[0].astype(dtype)
    return relax.const(parameters.scales[0], "float32"), relax.const(zero_point, dtype)


def dequantize(value: Any, parameters: Quantization, dtype: str) -> Any:
    """`R.dequantize` with one scale and zero point."""
    scale, zero_point = _constants(parameters, dtype)
    return relax.op.dequantize(value, scale, zero_point, axis=-1, out_dtype="float32")


def quantize(expr: Any, parameters: Quantization, dtype: str) -> Any:
    """`R.quantize` to one scale and zero point."""
    scale, zero_point = _constants(parameters, dtype)
    return relax.op.quantize(expr, scale, zero_point, axis=-1, out_dtype=dtype)


def expr_shape(expr: Any) -> tuple[int, ...]:
    """The static shape that Relax infers for a normalized expression."""
    return tuple(int(size) for size in expr.ty.shape)


def axis_of(operator: Operator, axis: int, rank: int) -> int:
    """A possibly negative axis as 0 .. rank - 1; ModelError where it is out of range."""
    if not -rank <= axis < rank:
        raise ModelError(f"{label(operator)}: axis {axis} of a tensor of rank {rank}")
    return axis % rank


def unsupported(operator: Operator, tensor: Tensor, reason: str) -> UnsupportedError:
    """An UnsupportedError that names operator and tensor."""
    return UnsupportedError(f"{operator.kind} (tensor '{tensor.name}'): {reason}")


def wrong_type(dtype: str) -> str:
    """The reason why an activation or weight of this element type cannot be compiled."""
    remedy = {
        "float32": "float32 where int8 is needed; quantize the model to int8",
        "int16": "int16 activations (16x8 quantization); quantize to int8",
        "uint8": "uint8 is supported only by QUANTIZE and DEQUANTIZE; convert the model to int8",
        "INT4": "int4 activations; quantize them to int8",
    }
    return remedy.get(dtype, f"element type {dtype.lower()} is not supported; quantize to int8")
