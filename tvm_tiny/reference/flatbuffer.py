"""Reads TFLite flatbuffers into plain dataclasses."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from tvm_tiny.errors import ModelError, UnsupportedError

from .quantization import Quant
from .tensor import unique_names

MAGIC = b"TFL3"
NO_TENSOR = -1
# TFLite's TensorType by value, for the types that can occur in an int8 model.
DTYPES: dict[int, str] = {
    tflite.TensorType.FLOAT32: "float32",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT64: "int64",
    tflite.TensorType.BOOL: "bool",
    tflite.TensorType.INT16: "int16",
    tflite.TensorType.INT8: "int8",
    tflite.TensorType.INT4: "int8",  # constants only, two to a byte
}
# Types whose scales and zero points kernels read.
QUANTIZED = frozenset({"int8", "uint8", "int16"})


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


_OPERATORS, _OPTIONS, _TYPES = map(
    _names, (tflite.BuiltinOperator, tflite.BuiltinOptions, tflite.TensorType)
)
# Exceptions that flatbuffers and NumPy raise for damaged offsets, lengths and enums.
DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError)


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model; `data` is None for activations."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: npt.NDArray[np.float32]
    zero_points: npt.NDArray[np.int64]
    data: npt.NDArray[Any] | None

    @property
    def quantized(self) -> bool:
        """Whether the tensor has a scale."""
        return self.scales.size > 0

    @property
    def quant(self) -> Quant:
        """The quantization of a tensor with one scale; UnsupportedError for any other number."""
        if self.scales.size != 1:
            has = f"{self.scales.size} scales" if self.quantized else "no scale and zero point"
            raise UnsupportedError(f"tensor '{self.name}': {self.dtype} has {has}; expected one")
        return Quant(float(self.scales[0]), int(self.zero_points[0]))


@dataclass(frozen=True)
class Operator:
    """An operator: builtin name, tensors (None for an absent optional input), flatbuffer table."""

    index: int
    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    table: Any = field(repr=False)

    @property
    def label(self) -> str:
        """The operator's name in messages."""
        return f"{self.name} (tensor '{self.outputs[0].name if self.outputs else '?'}')"

    @cached_property
    def options(self) -> Any:
        """The options table, or None where there is none; ModelError for a damaged one.

        It is read on demand, since the options of most operators have no influence.
        """
        try:
            kind = _OPTIONS.get(self.table.BuiltinOptionsType(), "NONE")
            union = self.table.BuiltinOptions()
            if union is None or kind == "NONE":
                return None
            options = getattr(tflite, kind)()
        except DAMAGE as error:
            raise ModelError(f"{self.label}: its options are damaged ({error})") from error
        options.Init(union.Bytes, union.Pos)
        return options


@dataclass(frozen=True)
class Graph:
    """The model's only subgraph, with operators in execution order."""

    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def needed(graph: Graph) -> Graph:
    """The graph without operators that no model output depends on."""
    wanted = {tensor.name for tensor in graph.outputs}
    kept = []
    for op in reversed(graph.operators):
        if wanted & {tensor.name for tensor in op.outputs}:
            wanted |= {tensor.name for tensor in op.inputs if tensor is not None}
            kept.append(op)
    return replace(graph, operators=tuple(reversed(kept)))


def read_graph(data: bytes) -> Graph:
    """Parse a TFLite model; ModelError where it is none or is damaged."""
    if len(data) < 8 or data[4:8] != MAGIC:
        raise ModelError("not a TFLite model: identifier 'TFL3' not found; pass a .tflite file")
    try:
        return _read(data)
    except DAMAGE as error:
        raise ModelError(f"TFLite model is damaged or truncated ({error}); export it again") from (
            error
        )


def _read(data: bytes) -> Graph:
    model = tflite.Model.GetRootAsModel(data, 0)
    if model.SubgraphsLength() != 1:
        raise UnsupportedError(f"model has {model.SubgraphsLength()} subgraphs, expected one")
    graph = model.Subgraphs(0)
    ends = [graph.Inputs(k) for k in range(graph.InputsLength())]
    ends += [graph.Outputs(k) for k in range(graph.OutputsLength())]
    tensors = [_tensor(model, graph.Tensors(i), i) for i in range(graph.TensorsLength())]
    names = unique_names([tensor.name for tensor in tensors], ends)
    tensors = [replace(t, name=name) for t, name in zip(tensors, names, strict=True)]
    return Graph(
        tuple(
            _operator(model, graph.Operators(i), i, tensors) for i in range(graph.OperatorsLength())
        ),
        tuple(tensors[graph.Inputs(k)] for k in range(graph.InputsLength())),
        tuple(tensors[graph.Outputs(k)] for k in range(graph.OutputsLength())),
    )


def _operator(model: Any, op: Any, index: int, tensors: list[Tensor]) -> Operator:
    code = model.OperatorCodes(op.OpcodeIndex())
    # Codes above 127 are only in the newer field; the older one holds the others.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    inputs = [op.Inputs(k) for k in range(op.InputsLength())]
    return Operator(
        index,
        _OPERATORS.get(number, f"operator code {number}"),
        tuple(None if k == NO_TENSOR else tensors[k] for k in inputs),
        tuple(tensors[op.Outputs(k)] for k in range(op.OutputsLength())),
        op,
    )


def _unpacked(raw: npt.NDArray[Any], count: int) -> npt.NDArray[np.int8]:
    """int4 values as int8, the low half of each byte first."""
    signed = raw.astype(np.int8)
    return np.stack([np.left_shift(signed, 4) >> 4, signed >> 4], axis=-1).reshape(-1)[:count]


def _tensor(model: Any, tensor: Any, index: int) -> Tensor:
    name = (tensor.Name() or b"").decode("utf-8", "replace") or f"tensor_{index}"
    shape = tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))
    # A type that no kernel takes keeps the schema's name, so that only its readers are refused.
    dtype = DTYPES.get(tensor.Type()) or _TYPES[tensor.Type()]
    scales, zero_points = _quantization(tensor.Quantization(), dtype)
    return Tensor(name, shape, dtype, scales, zero_points, _data(model, tensor, shape))


def _data(model: Any, tensor: Any, shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    # Buffer 0 means no data, whatever it holds (schema.fbs, `buffers`).
    if not tensor.Buffer() or tensor.Type() not in DTYPES:
        return None
    buffer = model.Buffers(tensor.Buffer())
    if not buffer.DataLength():
        return None
    raw = buffer.DataAsNumpy()
    if tensor.Type() == tflite.TensorType.INT4:
        raw = _unpacked(raw, int(np.prod(shape)))
    return np.frombuffer(raw.tobytes(), dtype=DTYPES[tensor.Type()]).reshape(shape)


def _quantization(record: Any, dtype: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Scales and zero points; empty for types whose quantization kernels do not read."""
    if record is None or not record.ScaleLength() or dtype not in QUANTIZED:
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    scales = np.array(record.ScaleAsNumpy(), dtype=np.float32)
    zero_points = np.zeros(scales.size, dtype=np.int64)
    if record.ZeroPointLength():
        given = record.ZeroPointAsNumpy()
        # Some converters write too many or too few zero points, all of one value.
        zero_points[:] = given if given.size == scales.size else given[0]
    return scales, zero_points
