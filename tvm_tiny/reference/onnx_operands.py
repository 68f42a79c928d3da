"""Operands of an ONNX operator in the forms that integer kernels take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from .onnx_values import Dequantized, Node
from .quantization import Quant, Rounding

Array = npt.NDArray[Any]
Operand = Dequantized | Array | None
# A kernel: operator, operands, quantization of the result -> int8 values of the result.
Kernel = Callable[[Node, tuple[Operand, ...], Quant, Rounding], Array]


class NoIntegerForm(Exception):  # noqa: N818 -- a signal, not an error of the user's
    """A signal that an operator has no integer form with these operands."""


def quantized(args: tuple[Operand, ...], position: int) -> Dequantized:
    """Operand `position`, which must be dequantized."""
    value = args[position] if position < len(args) else None
    if not isinstance(value, Dequantized):
        raise NoIntegerForm
    return value


def per_tensor(args: tuple[Operand, ...], position: int = 0) -> tuple[Array, Quant]:
    """Values and quantization of operand `position`, which must have one scale."""
    value = quantized(args, position)
    if value.scales.size != 1:
        raise NoIntegerForm
    return value.data, value.quant


def real_values(value: Any) -> Any:
    """The real values of a dequantized operand; any other operand is returned as it is."""
    return value.real() if isinstance(value, Dequantized) else value
