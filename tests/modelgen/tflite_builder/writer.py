"""The flatbuffer of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

from .graph import Graph, Operator, Tensor
from .schema import ENUMS, OPTIONS, TYPES, VERSIONS


class Writer:
    """One pass over a graph; flatbuffers are written from the leaves up."""

    def __init__(self, source: Graph) -> None:
        self.source = source
        self.flat = flatbuffers.Builder(1024)
        self.codes = sorted({operator.code for operator in source.operators})

    def model(self, outputs: Sequence[Tensor]) -> bytes:
        flat = self.flat
        constants = [t for t in self.source.tensors if t.data is not None]
        # Buffer 0 is, by the schema, the empty one that every other tensor names.
        buffer_of = {t.index: 1 + i for i, t in enumerate(constants)}
        buffers = [self._buffer(None), *(self._buffer(_stored(t)) for t in constants)]
        buffer_vector = self._tables(buffers)
        codes = self._tables([self._code(code) for code in self.codes])
        subgraphs = self._tables([self._subgraph(outputs, buffer_of)])
        description = flat.CreateString("tvm_tiny random model")
        tflite.ModelStart(flat)
        tflite.ModelAddVersion(flat, 3)
        tflite.ModelAddOperatorCodes(flat, codes)
        tflite.ModelAddSubgraphs(flat, subgraphs)
        tflite.ModelAddDescription(flat, description)
        tflite.ModelAddBuffers(flat, buffer_vector)
        flat.Finish(tflite.ModelEnd(flat), file_identifier=b"TFL3")
        return bytes(flat.Output())

    def _subgraph(self, outputs: Sequence[Tensor], buffer_of: dict[int, int]) -> int:
        flat, source = self.flat, self.source
        tensors = self._tables([self._tensor(t, buffer_of.get(t.index, 0)) for t in source.tensors])
        operators = self._tables([self._operator(o) for o in source.operators])
        inputs = self._indices(source.inputs)
        outs = self._indices(outputs)
        name = flat.CreateString("main")
        tflite.SubGraphStart(flat)
        tflite.SubGraphAddTensors(flat, tensors)
        tflite.SubGraphAddInputs(flat, inputs)
        tflite.SubGraphAddOutputs(flat, outs)
        tflite.SubGraphAddOperators(flat, operators)
        tflite.SubGraphAddName(flat, name)
        return tflite.SubGraphEnd(flat)

    def _tensor(self, tensor: Tensor, buffer: int) -> int:
        flat = self.flat
        name = flat.CreateString(tensor.name)
        shape = self._array(np.asarray(tensor.shape, "int32"))
        quantization = self._quantization(tensor) if tensor.scales else None
        tflite.TensorStart(flat)
        tflite.TensorAddShape(flat, shape)
        tflite.TensorAddType(flat, getattr(tflite.TensorType, TYPES[tensor.dtype]))
        tflite.TensorAddBuffer(flat, buffer)
        tflite.TensorAddName(flat, name)
        if quantization is not None:
            tflite.TensorAddQuantization(flat, quantization)
        return tflite.TensorEnd(flat)

    def _quantization(self, tensor: Tensor) -> int:
        flat = self.flat
        scale = self._array(np.asarray(tensor.scales, "float32"))
        zero = self._array(np.asarray(tensor.zero_points, "int64"))
        tflite.QuantizationParametersStart(flat)
        tflite.QuantizationParametersAddScale(flat, scale)
        tflite.QuantizationParametersAddZeroPoint(flat, zero)
        tflite.QuantizationParametersAddQuantizedDimension(flat, tensor.axis)
        return tflite.QuantizationParametersEnd(flat)

    def _operator(self, operator: Operator) -> int:
        flat = self.flat
        inputs = self._indices(operator.inputs)
        outputs = self._indices(operator.outputs)
        table = OPTIONS.get(operator.code)
        options = self._options(table, operator.options) if table else None
        tflite.OperatorStart(flat)
        tflite.OperatorAddOpcodeIndex(flat, self.codes.index(operator.code))
        tflite.OperatorAddInputs(flat, inputs)
        tflite.OperatorAddOutputs(flat, outputs)
        if options is not None:
            kind = getattr(tflite.BuiltinOptions, table)
            tflite.OperatorAddBuiltinOptionsType(flat, kind)
            tflite.OperatorAddBuiltinOptions(flat, options)
        return tflite.OperatorEnd(flat)

    def _options(self, table: str, options: dict[str, Any]) -> int:
        fields = {"".join(p.capitalize() for p in k.split("_")): v for k, v in options.items()}
        for name, value in fields.items():
            if isinstance(value, str):
                fields[name] = getattr(ENUMS[name], value)
            elif isinstance(value, list):
                fields[name] = self._array(np.asarray(value, "int32"))
        getattr(tflite, f"{table}Start")(self.flat)
        for name, value in fields.items():
            getattr(tflite, f"{table}Add{name}")(self.flat, value)
        return int(getattr(tflite, f"{table}End")(self.flat))

    def _code(self, code: str) -> int:
        value = getattr(tflite.BuiltinOperator, code)
        tflite.OperatorCodeStart(self.flat)
        # Readers older than schema 3a look at this byte; 127 sends the newer ones to the other.
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self.flat, min(value, 127))
        tflite.OperatorCodeAddVersion(self.flat, VERSIONS.get(code, 2))
        tflite.OperatorCodeAddBuiltinCode(self.flat, value)
        return tflite.OperatorCodeEnd(self.flat)

    def _buffer(self, data: np.ndarray | None) -> int:
        content = None if data is None else self._bytes(data.tobytes())
        tflite.BufferStart(self.flat)
        if content is not None:
            tflite.BufferAddData(self.flat, content)
        return tflite.BufferEnd(self.flat)

    def _bytes(self, content: bytes) -> int:
        """A byte vector aligned to 16, as the schema demands of constants."""
        flat = self.flat
        flat.StartVector(1, len(content), 16)
        flat.head = flat.head - len(content)
        flat.Bytes[flat.head : flat.head + len(content)] = content
        return flat.EndVector()

    def _array(self, values: np.ndarray) -> int:
        return self.flat.CreateNumpyVector(values)

    def _indices(self, tensors: Sequence[Tensor | None]) -> int:
        return self._array(np.asarray([-1 if t is None else t.index for t in tensors], "int32"))

    def _tables(self, offsets: Sequence[int]) -> int:
        self.flat.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.flat.PrependUOffsetTRelative(offset)
        return self.flat.EndVector()


def _stored(tensor: Tensor) -> np.ndarray:
    """A constant's values as the file has them: of int4 two to a byte, the lower half first."""
    assert tensor.data is not None
    if tensor.dtype != "int4":
        return tensor.data
    low, high = np.resize(tensor.data, (tensor.data.size + 1) // 2 * 2).reshape(-1, 2).T
    return ((low & 15) | (high << 4)).astype("uint8")
