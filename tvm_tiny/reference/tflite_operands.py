"""Operands and fused activations of TFLite operators, for their handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import tflite

from tvm_tiny.errors import UnsupportedError

from .flatbuffer import Operator, Tensor
from .quantization import Quant, activation_limits

Array = npt.NDArray[Any]
Arrays = list[Array]
Inputs = list[Array | None]
#: A function from an operator and its inputs' values (None if absent) to its outputs' values.
Handler = Callable[[Operator, Inputs], Arrays]
Pair = tuple[int, int]

FUSED = {
    tflite.ActivationFunctionType.NONE: "none",
    tflite.ActivationFunctionType.RELU: "relu",
    tflite.ActivationFunctionType.RELU6: "relu6",
    tflite.ActivationFunctionType.RELU_N1_TO_1: "relu_n1_to_1",
}


def given(op: Operator, position: int) -> Tensor:
    """The tensor of an input that must be present."""
    tensor = op.inputs[position] if position < len(op.inputs) else None
    if tensor is None:
        raise UnsupportedError(f"{op.label}: input {position} is missing")
    return tensor


def quants(op: Operator, *positions: int) -> list[Quant]:
    """Quantization of the inputs at these positions, then of the first output."""
    return [tensor.quant for tensor in (*(given(op, k) for k in positions), op.outputs[0])]


def array(inputs: Inputs, position: int) -> Array:
    """The values of an input that must be present."""
    value = inputs[position]
    if value is None:
        raise ValueError(f"input {position} is missing")
    return value


def arrays(inputs: Inputs) -> Arrays:
    """The values of all inputs."""
    return [array(inputs, position) for position in range(len(inputs))]


def optional(inputs: Inputs, position: int) -> Array | None:
    """The values of an input that may be left out."""
    return inputs[position] if position < len(inputs) else None


def integers(inputs: Inputs, position: int) -> list[int]:
    """An input of integers (axes, sizes, bounds) as a flat list."""
    return [int(value) for value in array(inputs, position).reshape(-1)]


def pairs(inputs: Inputs, position: int) -> list[list[int]]:
    """An input of integers (paddings, crops) as pairs (before, after)."""
    flat = integers(inputs, position)
    return [list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)]


def fused(op: Operator) -> str:
    """The operator's fused activation, named as in `quantization.ACTIVATIONS`."""
    code = op.options.FusedActivationFunction() if op.options is not None else 0
    if code not in FUSED:
        raise UnsupportedError(f"{op.label}: fused activation {code} has no int8 form")
    return FUSED[code]


def limits_of(op: Operator) -> Pair:
    """The int8 range of the fused activation at the output's quantization."""
    return activation_limits(fused(op), op.outputs[0].quant)


def refuse(op: Operator, condition: object, reason: str) -> None:
    """Raise UnsupportedError with the reason if the condition holds."""
    if condition:
        raise UnsupportedError(f"{op.label}: {reason}")
