"""TFLite flatbuffers as plain dataclasses."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
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
# What damaged offsets, lengths and enums make the flatbuffer and NumPy readers raise.
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
        """Quantization of a tensor with one scale; raises UnsupportedError without one."""
        if not self.quantized:
            raise UnsupportedError(f"tensor '{self.name}': {self.dtype} without quantization")
        return Quant(float(self.scales[0]), int(self.zero_points[0]))


@dataclass(frozen=True)
class Operator:
    """An operator: builtin name, tensors (None for an absent optional input), options table."""

    index: int
    name: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Any = field(repr=False)


@dataclass(frozen=True)
class Graph:
    """The model's only subgraph, operators in execution order."""

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


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


def read_graph(data: bytes) -> Graph:
    """Parse a TFLite model; raises ModelError for what is not one or is damaged."""
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
    builtin = _names(tflite.BuiltinOperator)
    options = _names(tflite.BuiltinOptions)
    operators = []
    for i in range(graph.OperatorsLength()):
        op = graph.Operators(i)
        code = model.OperatorCodes(op.OpcodeIndex())
        # Codes above 127 are only in the newer field; the older one holds the others.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        indices = [op.Inputs(k) for k in range(op.InputsLength())]
        operators.append(
            Operator(
                i,
                builtin.get(number, f"operator code {number}"),
                tuple(None if k == NO_TENSOR else tensors[k] for k in indices),
                tuple(tensors[op.Outputs(k)] for k in range(op.OutputsLength())),
                _options(op, options),
            )
        )
    return Graph(
        tuple(operators),
        tuple(tensors[graph.Inputs(k)] for k in range(graph.InputsLength())),
        tuple(tensors[graph.Outputs(k)] for k in range(graph.OutputsLength())),
    )


def _options(op: Any, names: dict[int, str]) -> Any:
    table = op.BuiltinOptions()
    kind = names.get(op.BuiltinOptionsType(), "NONE")
    if table is None or kind == "NONE":
        return None
    options = getattr(tflite, kind)()
    options.Init(table.Bytes, table.Pos)
    return options


def _unpacked(raw: npt.NDArray[Any], count: int) -> npt.NDArray[np.int8]:
    """int4 values, the lower half of each byte first, as int8."""
    signed = raw.astype(np.int8)
    return np.stack([np.left_shift(signed, 4) >> 4, signed >> 4], axis=-1).reshape(-1)[:count]


def _tensor(model: Any, tensor: Any, index: int) -> Tensor:
    name = (tensor.Name() or b"").decode("utf-8", "replace") or f"tensor_{index}"
    if tensor.Type() not in DTYPES:
        raise UnsupportedError(f"tensor '{name}': element type {tensor.Type()} is not supported")
    dtype = DTYPES[tensor.Type()]
    shape = tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))
    # Buffer 0 stands for no data, whatever it holds (schema.fbs, `buffers`).
    buffer = model.Buffers(tensor.Buffer()) if tensor.Buffer() else None
    raw = buffer.DataAsNumpy() if buffer is not None and buffer.DataLength() else None
    if raw is not None and tensor.Type() == tflite.TensorType.INT4:
        raw = _unpacked(raw, int(np.prod(shape)))
    data = None if raw is None else np.frombuffer(raw.tobytes(), dtype=dtype).reshape(shape)
    quantization = tensor.Quantization()
    scales = np.zeros(0, dtype=np.float32)
    zero_points = np.zeros(0, dtype=np.int64)
    if quantization is not None and quantization.ScaleLength():
        scales = np.array(quantization.ScaleAsNumpy(), dtype=np.float32)
        zero_points = np.zeros(scales.size, dtype=np.int64)
        if quantization.ZeroPointLength():
            given = quantization.ZeroPointAsNumpy()
            # Some converters write another number of them, all the same.
            zero_points[:] = given if given.size == scales.size else given[0]
    return Tensor(name, shape, dtype, scales, zero_points, data)
