"""Runs an int8 ONNX graph (QDQ or QLinear operators) on the integer kernels.

An island DequantizeLinear -> one float operator [-> Relu / Clip] -> QuantizeLinear becomes one
integer kernel. Operators that only move values run on the integers. Operators without an integer
form run in float32 through onnx's own reference evaluator.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx.reference import ReferenceEvaluator

from tvm_tiny.errors import DataError, ModelError, TvmTinyError, UnsupportedError

from .arithmetic import INT8_MAX, INT8_MIN
from .onnx_graph import Graph, read_graph
from .onnx_islands import ISLANDS
from .onnx_movement import GENERIC, SPECIAL
from .onnx_operands import NoIntegerForm
from .onnx_qlinear import QLINEAR, read_call
from .onnx_real import evaluate
from .onnx_values import (
    UINT8_SHIFT,
    Dequantized,
    Island,
    Node,
    Raw,
    Value,
    dequantized,
    to_raw,
)
from .quantization import Quant, Rounding, clip_limits, quantize, requantize
from .tensor import Inputs, TensorInfo, bind_inputs

Array = npt.NDArray[Any]


class ONNXReference:
    """An ONNX model, computed with the reference kernels.

    Raises ModelError for a file that is not a readable model and UnsupportedError, listing every
    reason, for content that the reference cannot run. `rounding` selects the arithmetic of
    convolutions, products, means and of the input's quantization.
    """

    def __init__(self, model: bytes | Path, rounding: Rounding = Rounding.FLOAT32) -> None:
        self._graph = read_graph(model)
        self._rounding = rounding

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The model's inputs in its own order."""
        return self._graph.inputs

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The model's outputs in its own order."""
        return self._graph.outputs

    def run(self, inputs: Inputs) -> dict[str, Array]:
        """One inference: inputs, every quantized tensor and outputs, by name.

        Quantized tensors are int8 in the model's layout, named as the output of their
        QuantizeLinear or QLinear operator; uint8 ones are moved down by 128. Graph inputs and
        outputs keep the model's dtype.
        """
        given = bind_inputs(self.inputs, inputs)
        evaluation = _Evaluation(self._graph, given, self._rounding)
        for node in self._graph.nodes:
            try:
                evaluation.step(node)
            except TvmTinyError:
                raise
            except (ValueError, IndexError, TypeError, KeyError, MemoryError) as error:
                raise ModelError(f"{node.where}: operands do not fit ({error})") from error
        return {**given, **evaluation.tensors, **evaluation.outputs()}


class _Evaluation:
    """One inference: the value of each tensor name, and the quantized tensors so far."""

    def __init__(self, graph: Graph, inputs: dict[str, Array], rounding: Rounding) -> None:
        self._graph = graph
        self._rounding = rounding
        self._values: dict[str, Value] = dict(graph.constants)
        self._constants = set(graph.constants)
        self.tensors: dict[str, Array] = {}
        for name, array in inputs.items():
            integer = array.dtype in (np.int8, np.uint8)
            self._values[name] = to_raw(array) if integer else array

    def outputs(self) -> dict[str, Array]:
        """Graph outputs in the model's dtypes."""
        return {info.name: self._plain(self._value(info.name)) for info in self._graph.outputs}

    def step(self, node: Node) -> None:
        """Evaluate one operator."""
        steps: dict[str, Callable[[Node], None]] = {
            "QuantizeLinear": self._quantize_linear,
            "DequantizeLinear": self._dequantize_linear,
        }
        if node.op in steps:
            steps[node.op](node)
        elif node.op in QLINEAR:
            self._qlinear(node)
        elif not (self._bounds(node) or self._moves(node) or self._waits(node)):
            self._floats(node)

    def _value(self, name: str) -> Value:
        if name not in self._values:
            raise ModelError(f"tensor '{name}' is computed by no operator before its use")
        return self._values[name]

    def _operands(self, node: Node) -> list[Value | None]:
        return [self._value(name) if name else None for name in node.inputs]

    def _array(self, name: str) -> Array:
        value = self._value(name)
        if isinstance(value, Raw):
            return value.in_model_dtype()
        if not isinstance(value, np.ndarray):
            raise UnsupportedError(f"tensor '{name}' must be a constant")
        return value

    def _set_raw(self, name: str, data: Array, unsigned: bool) -> None:
        data = np.ascontiguousarray(data)
        self._values[name] = Raw(data, unsigned)
        self.tensors[name] = data

    def _quantize_linear(self, node: Node) -> None:
        value = self._value(node.inputs[0])
        scale = self._array(node.inputs[1])
        zero = self._array(node.inputs[2]) if len(node.inputs) > 2 else np.zeros(1, np.uint8)
        if zero.dtype not in (np.int8, np.uint8):
            raise UnsupportedError(f"{node.where}: only int8 and uint8 results are supported")
        if isinstance(value, np.ndarray) and node.inputs[0] in self._constants:
            self._values[node.outputs[0]] = self._reference(node, {})
            self._constants.add(node.outputs[0])
            return
        if scale.size != 1:
            raise UnsupportedError(f"{node.where}: one scale per tensor is needed here")
        unsigned = zero.dtype == np.uint8
        shift = UINT8_SHIFT if unsigned else 0
        quant = Quant(float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]) - shift)
        self._set_raw(node.outputs[0], self._quantized(value, quant), unsigned)

    def _quantized(self, value: Value, quant: Quant) -> Array:
        if isinstance(value, Dequantized):
            return requantize(value.data, value.quant, quant, rounding=self._rounding)
        if isinstance(value, Island):
            try:
                return _run_island(value, quant, self._rounding)
            except NoIntegerForm:
                value = self._real(value)
        if isinstance(value, Raw):
            raise UnsupportedError("QuantizeLinear of an integer tensor")
        return quantize(value, quant, rounding=self._rounding)

    def _dequantize_linear(self, node: Node) -> None:
        name = node.inputs[0]
        zero = self._array(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
        self._values[node.outputs[0]] = dequantized(
            self._value(name),
            self._array(node.inputs[1]),
            zero,
            node.attributes.get("axis", 1),
            constant=name in self._constants,
        )

    def _qlinear(self, node: Node) -> None:
        constants = [name in self._constants for name in node.inputs]
        call = read_call(node, self._operands(node), constants)
        data = self._quantized(Island(call.node, call.args), call.quant)
        self._set_raw(node.outputs[0], data, call.unsigned)

    def _bounds(self, node: Node) -> bool:
        """Record a Relu or Clip as bounds of an island.

        That is the island before it, or a new one where a dequantized tensor is clipped. Returns
        False for any other operator or operand.
        """
        if node.op not in ("Relu", "Clip"):
            return False
        value = self._value(node.inputs[0])
        if isinstance(value, Dequantized):
            value = Island(node, (value,))
        if not isinstance(value, Island):
            return False
        low, high = (0.0, None) if node.op == "Relu" else self._clip_bounds(node)
        self._values[node.outputs[0]] = value.clipped(low, high)
        return True

    def _clip_bounds(self, node: Node) -> tuple[float | None, float | None]:
        bounds = [node.attributes.get("min"), node.attributes.get("max")]
        for k, name in enumerate(node.inputs[1:3]):
            if name:
                bounds[k] = float(self._real(self._value(name)).reshape(-1)[0])
        return bounds[0], bounds[1]

    def _moves(self, node: Node) -> bool:
        """Evaluate movement on integers; returns False for any other operator or operand."""
        value = self._value(node.inputs[0]) if node.inputs else None
        if not isinstance(value, (Raw, Dequantized)):
            return False
        if isinstance(value, Dequantized) and value.scales.size != 1:
            return False
        if node.op == "ArgMax" and not node.attributes.get("select_last_index", 0):
            self._values[node.outputs[0]] = self._argmax(node, value.data)
            return True
        try:
            parts = self._moved(node, value)
        except NoIntegerForm:
            return False
        for name, data in zip(node.outputs, parts, strict=True):
            if isinstance(value, Raw):
                self._set_raw(name, data, value.unsigned)
            else:
                self._values[name] = value.with_data(data)
        return True

    def _moved(self, node: Node, value: Raw | Dequantized) -> list[Array]:
        if node.op in GENERIC:
            result = self._reference(node, {node.inputs[0]: value.data})
            return list(result) if len(node.outputs) > 1 else [result]
        if node.op not in SPECIAL:
            raise NoIntegerForm
        rest = [None if v is None else self._plain(v) for v in self._operands(node)[1:]]
        quant = value.quant if isinstance(value, Dequantized) else None
        return [SPECIAL[node.op](node, [value.data, *rest], quant)]

    def _argmax(self, node: Node, data: Array) -> Array:
        axis = node.attributes.get("axis", 0)
        keepdims = bool(node.attributes.get("keepdims", 1))
        return np.asarray(np.argmax(data, axis=axis, keepdims=keepdims), dtype=np.int64)

    def _waits(self, node: Node) -> bool:
        """Turn the operator into an island that waits for its QuantizeLinear.

        Returns whether it has an integer form as an island.
        """
        if node.op not in ISLANDS or len(node.outputs) != 1:
            return False
        operands = self._operands(node)
        if node.op == "Add" and self._adds_bias(node, operands):
            return True
        if not any(isinstance(value, Dequantized) for value in operands):
            return False
        args = tuple(
            value
            if value is None or isinstance(value, (Dequantized, np.ndarray))
            else self._real(value)
            for value in operands
        )
        self._values[node.outputs[0]] = Island(node, args)
        return True

    def _adds_bias(self, node: Node, operands: list[Value | None]) -> bool:
        """Take a constant vector that is added to a matrix product as the product's bias."""
        for product, bias in (operands, operands[::-1]):
            if (
                isinstance(product, Island)
                and product.node.op == "MatMul"
                and len(product.args) == 2
                and product.low is product.high is None
                and isinstance(bias, (Dequantized, np.ndarray))
                and _is_vector(bias.data if isinstance(bias, Dequantized) else bias)
            ):
                args = (*product.args, bias)
                self._values[node.outputs[0]] = Island(product.node, args)
                return True
        return False

    def _floats(self, node: Node) -> None:
        """Evaluate any other operator, in float32."""
        own = evaluate(node, [self._plain(self._value(n)) if n else None for n in node.inputs])
        result = self._reference(node, {}) if own is None else own
        many = len(node.outputs) > 1
        for name, array in zip(node.outputs, result if many else [result], strict=True):
            if name:
                self._values[name] = array
                if all(operand in self._constants for operand in node.inputs):
                    self._constants.add(name)

    def _operator_in_float(self, node: Node, given: list[Array | None]) -> Array:
        """Evaluate the operator of an island on float32 operands."""
        own = evaluate(node, given)
        if own is not None:
            return own
        if node.proto.op_type in QLINEAR:
            raise UnsupportedError(f"{node.where}: no integer form for its options")
        names = [name for name in node.inputs if name]
        known = [value for value in given if value is not None]
        return np.asarray(self._reference(node, dict(zip(names, known, strict=False))))

    def _reference(self, node: Node, replaced: dict[str, Array]) -> Any:
        """Evaluate one ONNX operator with onnx's evaluator, operands in the model's types."""
        feeds = {
            name: replaced[name] if name in replaced else self._plain(self._value(name))
            for name in node.inputs
            if name
        }
        if node.op == "Mean":  # onnx adds in place, into the first operand's shape
            feeds = dict(zip(feeds, np.broadcast_arrays(*feeds.values()), strict=True))
        evaluator = ReferenceEvaluator(node.proto, opsets={"": self._graph.opset})
        results = evaluator.run(None, feeds)
        return results if len(node.outputs) > 1 else results[0]

    def _plain(self, value: Value) -> Array:
        """A value as the ONNX operator sees it."""
        return value.in_model_dtype() if isinstance(value, Raw) else self._real(value)

    def _real(self, value: Value) -> Array:
        if isinstance(value, Raw):
            raise DataError("an integer tensor is used where a float one is needed")
        if isinstance(value, Dequantized):
            return value.real()
        if isinstance(value, Island):
            return self._island_in_float(value)
        return value

    def _island_in_float(self, island: Island) -> Array:
        node = island.node
        if node.op in ("Relu", "Clip"):
            result = self._real(island.args[0]) if island.args[0] is not None else np.zeros(0)
        else:
            given = [None if arg is None else self._real(arg) for arg in island.args]
            result = self._operator_in_float(node, given)
            bias = given[2] if node.op == "MatMul" and len(given) > 2 else None
            result = result if bias is None else result + bias
        low = -np.inf if island.low is None else island.low
        high = np.inf if island.high is None else island.high
        return np.asarray(np.clip(result, low, high), dtype=np.float32)


def _is_vector(array: Array) -> bool:
    return array.ndim >= 1 and array.size == array.shape[-1]


def _run_island(island: Island, quant: Quant, rounding: Rounding) -> Array:
    data = ISLANDS[island.node.op](island.node, island.args, quant, rounding)
    low, high = clip_limits(island.low, island.high, quant, rounding)
    low, high = min(max(low, INT8_MIN), INT8_MAX), min(max(high, INT8_MIN), INT8_MAX)
    clipped = np.minimum(np.maximum(data.astype(np.int64), low), high)
    return clipped.astype(np.int8)
