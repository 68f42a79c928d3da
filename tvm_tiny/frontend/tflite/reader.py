"""Reads a TFLite flatbuffer into plain values, without trusting the file.

The flatbuffers library checks no offset: a damaged file makes it raise almost any exception, or
follow a vector of 2^32 entries. Every count is therefore compared with the file's size before it is
used, and `read_model` is the one place where the library's exceptions become a ModelError.
"""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import tflite

from tvm_tiny.errors import ModelError
from tvm_tiny.reference.tensor import unique_names

from . import schema
from .model import ABSENT, Array, Model, Operator, Option, Quantization, Tensor
from .validate import validate

MAX_FILE_BYTES = 256 << 20
MAX_TENSOR_BYTES = 64 << 20
MAX_RANK = 8
MAX_ITEMS = 1 << 16  # of tensors, of operators, and of buffers
# Types that kernels read with scale and zero point -> range of the zero points.
_ZERO_POINTS = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "INT4": (-8, 7),
}
_LOW_LEVEL = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


def read_model(data: bytes) -> Model:
    """Parse and validate the bytes of a TFLite file.

    Raises ModelError (one line) for anything wrong with the file. Well-formed content that cannot
    be compiled is accepted here; the converter lists it.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ModelError(f"the file has {len(data)} bytes; at most {MAX_FILE_BYTES} are read")
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ModelError(
            "not a TFLite model: bytes 4 to 7 are not 'TFL3'; "
            "give a .tflite file of schema version 3"
        )
    try:
        model = _Reader(data).model()
    except _LOW_LEVEL as error:
        raise ModelError(
            f"the TFLite file is truncated or corrupt: its {len(data)} bytes point outside "
            "themselves or hold no valid table; copy or export the model again"
        ) from error
    validate(model)
    return model


class _Reader:
    """A reader that passes over the file once.

    It counts the bytes that it reads: a small file can hold thousands of entries that alias each
    other, which would otherwise take unlimited time.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = 8 * len(data) + (1 << 16)  # bytes that may yet be read

    def model(self) -> Model:
        """The first subgraph, with the tensors and options that it refers to."""
        root = tflite.Model.GetRootAs(self._data, 0)
        if root.Version() != schema.VERSION:
            raise ModelError(
                f"TFLite schema version {root.Version()}; expected {schema.VERSION}: "
                "convert the model again"
            )
        subgraphs = self._count(root.SubgraphsLength(), "subgraph")
        if subgraphs == 0:
            raise ModelError("the TFLite file holds no subgraph; export the model again")
        graph = root.Subgraphs(0)
        buffers = self._count(root.BuffersLength(), "buffer")
        tensors = tuple(
            self._tensor(root, graph.Tensors(i), i, buffers)
            for i in range(self._count(graph.TensorsLength(), "tensor"))
        )
        inputs, outputs = (self._integers(x()) for x in (graph.InputsAsNumpy, graph.OutputsAsNumpy))
        codes = [
            self._kind(root.OperatorCodes(i))
            for i in range(self._count(root.OperatorCodesLength(), "operator code"))
        ]
        operators = tuple(self._operators(graph, codes))
        return Model(
            tensors=_with_unique_names(tensors, [*inputs, *outputs]),
            operators=operators,
            inputs=inputs,
            outputs=outputs,
            subgraphs=subgraphs,
        )

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ModelError(
                "the TFLite file is corrupt: its entries overlap; export the model again"
            )

    def _count(self, length: int, what: str) -> int:
        """Check the length of a vector of tables (4 bytes an entry in the file)."""
        if length > min(MAX_ITEMS, len(self._data) // 4):
            raise ModelError(
                f"the TFLite file is corrupt: it claims {length} {what}s; at most {MAX_ITEMS}, "
                f"and what fits in its {len(self._data)} bytes, are read"
            )
        self._spend(4 * length)
        return length

    def _vector(self, view: Any) -> Array:
        """A numeric vector of the file; empty where it is absent.

        The bindings answer 0 for an absent vector.
        """
        array = np.asarray(view) if isinstance(view, np.ndarray) else np.zeros(0, np.int32)
        self._spend(array.nbytes)
        return array

    def _integers(self, view: Any) -> tuple[int, ...]:
        return tuple(int(value) for value in self._vector(view))

    def _text(self, raw: bytes | None) -> str:
        if raw is None:
            return ""
        self._spend(len(raw))
        text = raw.decode("utf-8")
        if not text.isprintable():
            raise ModelError("the TFLite file is corrupt: a name holds control characters")
        return text

    def _kind(self, code: Any) -> str:
        """The operator's name.

        Files older than operator code 127 have only the byte-sized field.
        """
        value = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = schema.OPERATORS.get(value, f"operator code {value}")
        return f"CUSTOM '{self._text(code.CustomCode())}'" if name == "CUSTOM" else name

    def _tensor(self, root: Any, table: Any, index: int, buffers: int) -> Tensor:
        name = self._text(table.Name()) or f"tensor_{index}"
        shape = self._integers(table.ShapeAsNumpy())
        where = f"tensor '{name}'"
        dtype = schema.ELEMENT_TYPES.get(table.Type())
        if dtype is None:
            raise ModelError(f"{where}: unknown element type {table.Type()}; the file is corrupt")
        if len(shape) > MAX_RANK:
            raise ModelError(f"{where}: rank {len(shape)}; at most {MAX_RANK} dimensions are read")
        flaws = list(self._flaws(table))
        if any(size < 0 for size in shape):
            flaws.append(f"dynamic shape {shape}: export the model with fixed shapes")
        elif not all(shape):
            raise ModelError(f"{where}: shape {shape} has no elements")
        else:
            _check_size(shape, dtype, where)
        if not 0 <= table.Buffer() < max(buffers, 1):
            raise ModelError(f"{where}: buffer {table.Buffer()} of {buffers}; the file is corrupt")
        constant, data = self._data_of(root, table, shape, dtype, where)
        if constant and root.Buffers(table.Buffer()).Size() > 0:
            flaws.append("data outside the flatbuffer")
        return Tensor(
            index=index,
            name=name,
            shape=shape,
            # Four-bit constants are unpacked to bytes, so that their type is int8.
            dtype="int8" if dtype == "INT4" and data is not None else dtype,
            constant=constant,
            data=data,
            quantization=self._quantization(table.Quantization(), shape, dtype, where, flaws),
            signature=self._integers(table.ShapeSignatureAsNumpy()),
            flaws=tuple(flaws),
        )

    def _flaws(self, table: Any) -> Iterator[str]:
        if table.Sparsity() is not None:
            yield "sparse tensor: export the model with dense weights"
        if table.IsVariable():
            yield "variable (stateful) tensor"

    def _data_of(
        self, root: Any, table: Any, shape: tuple[int, ...], dtype: str, where: str
    ) -> tuple[bool, Array | None]:
        """(is a constant, its values); a buffer with bytes in it makes a constant."""
        if table.Buffer() == 0:
            return False, None
        buffer = root.Buffers(table.Buffer())
        raw = self._vector(buffer.DataAsNumpy())
        if len(raw) == 0:
            return buffer.Size() > 0, None
        if dtype == "INT4":
            return True, _nibbles(raw, shape, where)
        if dtype.isupper():
            return True, None
        expected = math.prod(shape) * np.dtype(dtype).itemsize
        if len(raw) != expected:
            raise ModelError(
                f"{where}: {len(raw)} bytes of data; shape {shape} of {dtype} needs {expected}"
            )
        return True, raw.view(np.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)

    def _quantization(
        self, table: Any, shape: tuple[int, ...], dtype: str, where: str, flaws: list[str]
    ) -> Quantization | None:
        if table is None:
            return None
        if table.DetailsType() != 0:
            flaws.append("custom quantization")
            return None
        scales = self._vector(table.ScaleAsNumpy()).astype(np.float32)
        zero_points = self._vector(table.ZeroPointAsNumpy()).astype(np.int64)
        if len(scales) == 0:
            return None
        if dtype not in _ZERO_POINTS:
            return _scales_only(scales, shape)
        if len(zero_points) != len(scales) and len(set(zero_points.tolist())) <= 1:
            # Old converters write too many or too few zero points, all of one value.
            zero_points = np.full(len(scales), zero_points[0] if len(zero_points) else 0)
        axis = table.QuantizedDimension()
        _check_quantization(scales, zero_points, axis, shape, dtype, where)
        return Quantization(scales, zero_points, axis if len(scales) > 1 else 0)

    def _operators(self, graph: Any, codes: list[str]) -> Iterator[Operator]:
        for index in range(self._count(graph.OperatorsLength(), "operator")):
            table = graph.Operators(index)
            if not 0 <= table.OpcodeIndex() < len(codes):
                raise ModelError(
                    f"operator {index}: operator code {table.OpcodeIndex()} of {len(codes)}; "
                    "the file is corrupt"
                )
            kind = codes[table.OpcodeIndex()]
            yield Operator(
                index=index,
                kind=kind,
                inputs=self._integers(table.InputsAsNumpy()),
                outputs=self._integers(table.OutputsAsNumpy()),
                options=self._options(table, kind, index),
            )

    def _options(self, table: Any, kind: str, index: int) -> dict[str, Option]:
        """The options named in `schema.OPTIONS`, keyed in snake case."""
        if kind not in schema.OPTIONS:
            return {}
        class_name, fields = schema.OPTIONS[kind]
        union = table.BuiltinOptions()
        if table.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, class_name) or not union:
            if kind in schema.OPTIONAL_OPTIONS:
                return {}
            raise ModelError(
                f"{kind} (operator {index}): its {class_name} are missing; the file is corrupt"
            )
        options = getattr(tflite, class_name)()
        options.Init(union.Bytes, union.Pos)
        return {_snake(name): self._field(options, name) for name in fields}

    def _field(self, options: Any, name: str) -> Option:
        if name in schema.VECTOR_FIELDS:
            return self._integers(getattr(options, f"{name}AsNumpy")())
        value: int | float | bool = getattr(options, name)()
        return value


def _with_unique_names(tensors: tuple[Tensor, ...], first: list[int]) -> tuple[Tensor, ...]:
    """The tensors, renamed where two have one name.

    Inputs and outputs are the first to keep their names.
    """
    known = [index for index in first if 0 <= index < len(tensors)]
    names = unique_names([tensor.name for tensor in tensors], known)
    for index in dict.fromkeys(known):
        if names[index] != tensors[index].name:
            warnings.warn(
                f"the model has more than one tensor '{tensors[index].name}': its input or output "
                f"{index} is called '{names[index]}'",
                stacklevel=2,
            )
    return tuple(replace(t, name=name) for t, name in zip(tensors, names, strict=True))


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _nibbles(raw: Array, shape: tuple[int, ...], where: str) -> Array:
    """Unpack signed 4-bit values to int8, each byte's low half first."""
    count = math.prod(shape)
    if len(raw) != (count + 1) // 2:
        raise ModelError(
            f"{where}: {len(raw)} bytes of data; shape {shape} of int4 needs {(count + 1) // 2}"
        )
    halves = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)[:count]
    return ((halves ^ 8).astype(np.int8) - 8).reshape(shape)


def _check_size(shape: tuple[int, ...], dtype: str, where: str) -> None:
    size = math.prod(shape) * (1 if dtype.isupper() else np.dtype(dtype).itemsize)
    if size > MAX_TENSOR_BYTES:
        raise ModelError(
            f"{where}: shape {shape} of {dtype} needs {size} bytes; "
            f"at most {MAX_TENSOR_BYTES} a tensor are compiled"
        )


def _scales_only(scales: Array, shape: tuple[int, ...]) -> Quantization | None:
    """The quantization of an int32, bool or float32 tensor: a bias's scales, else None.

    Kernels read nothing else of it, and converters have written arbitrary zero points and
    dimensions there.
    """
    if shape != (len(scales),) and len(scales) != 1:
        return None
    if not np.all(np.isfinite(scales)) or np.any(scales <= 0):
        return None
    return Quantization(scales, np.zeros(len(scales), np.int64), 0)


def _check_quantization(
    scales: Array, zero_points: Array, axis: int, shape: tuple[int, ...], dtype: str, where: str
) -> None:
    """Check a quantization record: one scale, or one for each index of the quantized dimension.

    Source: the TFLite quantization specification.
    """
    if len(scales) > 1 and (not 0 <= axis < len(shape) or len(scales) != shape[axis]):
        raise ModelError(
            f"{where}: {len(scales)} quantization scales along dimension {axis} of shape {shape}; "
            "expected one, or one for each slice"
        )
    if len(zero_points) != len(scales):
        raise ModelError(
            f"{where}: {len(zero_points)} zero points for {len(scales)} scales; expected as many"
        )
    if not np.all(np.isfinite(scales)) or np.any(scales <= 0):
        raise ModelError(f"{where}: a quantization scale is not a finite number above 0")
    low, high = _ZERO_POINTS[dtype]
    if np.any(zero_points < low) or np.any(zero_points > high):
        raise ModelError(f"{where}: a zero point is outside {low} to {high}, the range of {dtype}")


__all__ = ["ABSENT", "MAX_TENSOR_BYTES", "read_model"]
