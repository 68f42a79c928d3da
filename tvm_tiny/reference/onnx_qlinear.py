"""QLinear* operators (ONNX and com.microsoft) as islands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tvm_tiny.errors import UnsupportedError

from .onnx_operands import Operand
from .onnx_values import UINT8_SHIFT, Dequantized, Node, Raw, Value, dequantized
from .quantization import Quant

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class QLinearSignature:
    """The positions of a QLinear operator's operands.

    island: the float operator that it computes. operands: positions of the triples (tensor, scale,
    zero point). output: position of the result's pair (scale, zero point).
    """

    island: str
    operands: tuple[int, ...]  # positions of (tensor, scale, zero point) triples
    output: int  # position of (scale, zero point)
    bias: int | None = None


QLINEAR: dict[str, QLinearSignature] = {
    "QGemm": QLinearSignature("Gemm", (0, 3), 7, bias=6),
    "QLinearAdd": QLinearSignature("Add", (0, 3), 6),
    "QLinearAveragePool": QLinearSignature("AveragePool", (0,), 3),
    "QLinearConcat": QLinearSignature("Concat", (), 0),
    "QLinearConv": QLinearSignature("Conv", (0, 3), 6, bias=8),
    "QLinearGlobalAveragePool": QLinearSignature("GlobalAveragePool", (0,), 3),
    "QLinearLeakyRelu": QLinearSignature("LeakyRelu", (0,), 3),
    "QLinearMatMul": QLinearSignature("MatMul", (0, 3), 6),
    "QLinearMul": QLinearSignature("Mul", (0, 3), 6),
    "QLinearReduceMean": QLinearSignature("ReduceMean", (0,), 3),
    "QLinearSigmoid": QLinearSignature("Sigmoid", (0,), 3),
    "QLinearSoftmax": QLinearSignature("Softmax", (0,), 3),
}


@dataclass(frozen=True)
class QLinearCall:
    """A QLinear operator rewritten as an island; `unsigned` tells the output's dtype."""

    node: Node
    args: tuple[Operand, ...]
    quant: Quant
    unsigned: bool


def read_call(node: Node, values: list[Value | None], constants: list[bool]) -> QLinearCall:
    """Split the operands of a QLinear operator; UnsupportedError if they do not fit."""
    signature = QLINEAR[node.op]
    starts = signature.operands if signature.operands else tuple(range(2, len(values), 3))
    # Weights of a matrix product may have one scale per column.
    axis = {"Conv": 0, "Gemm": 0 if node.attributes.get("transB", 0) else 1}.get(
        signature.island, -1
    )
    args: list[Operand] = [_operand(node, values, constants, k, axis) for k in starts]
    bias = signature.bias
    if bias is not None and bias < len(values) and values[bias] is not None:
        args.append(_bias(node, args, values[bias]))
    if node.attributes.get("channels_last", 0):
        raise UnsupportedError(f"{node.where}: channels_last is not supported")
    scale, zero = _array(node, values, signature.output), _array(node, values, signature.output + 1)
    unsigned = zero.dtype == np.uint8
    level = int(zero.reshape(-1)[0]) - (UINT8_SHIFT if unsigned else 0)
    quant = Quant(float(scale.reshape(-1)[0]), level)
    return QLinearCall(replace(node, op=signature.island), tuple(args), quant, unsigned)


def _array(node: Node, values: list[Value | None], position: int) -> Array:
    value = values[position] if position < len(values) else None
    if isinstance(value, Raw):
        return value.in_model_dtype()
    if not isinstance(value, np.ndarray):
        raise UnsupportedError(f"{node.where}: operand {position} must be a constant")
    return value


def _operand(
    node: Node, values: list[Value | None], constants: list[bool], position: int, axis: int
) -> Dequantized:
    value = values[position]
    if value is None:
        raise UnsupportedError(f"{node.where}: operand {position} is missing")
    scale, zero = _array(node, values, position + 1), _array(node, values, position + 2)
    return dequantized(value, scale, zero, axis, constants[position])


def _bias(node: Node, args: list[Operand], value: Value | None) -> Operand:
    """An int32 bias, whose scale is x_scale * w_scale by definition."""
    x, w = args[0], args[1]
    if not (isinstance(value, np.ndarray) and isinstance(x, Dequantized)):
        raise UnsupportedError(f"{node.where}: the bias must be a constant")
    assert isinstance(w, Dequantized), "operands come from _operand"
    scales = (x.scales.astype(np.float64) * w.scales).astype(np.float32)
    zeros = np.zeros(scales.size, dtype=np.int64)
    return Dequantized(value.reshape(-1), scales, zeros, 0, constant=True)
