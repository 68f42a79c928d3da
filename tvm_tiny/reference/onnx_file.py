"""Reads an ONNX file.

Weights may be in files beside it, and the batch size may be dynamic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped,unused-ignore]

from tvm_tiny.errors import ModelError
from tvm_tiny.model_file import LFS_POINTER, MAX_BYTES, read_model_file, suspicion


def parse_model(source: bytes | Path) -> Any:
    """The `onnx.ModelProto` in a file or its content, with weights from files beside it.

    Raises ModelError where the content is no ONNX model, or a file of weights does not fit.
    """
    path = None if isinstance(source, bytes) else Path(source)
    label = "the ONNX model" if path is None else f"'{path}'"
    data = source if isinstance(source, bytes) else read_model_file(Path(source))
    if not data:
        raise ModelError(f"{label} is empty: expected an ONNX model")
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{label} is not an ONNX model (truncated, or another format): "
            f"{_first_line(error)}{suspicion(data)}"
        ) from None
    embed_external_data(model, path)
    return model


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def embed_external_data(model: Any, path: Path | None) -> None:
    """Move weights in files beside the model at `path` into `model`.

    Raises ModelError for files that are missing, elsewhere, or of another size than the tensors.
    """
    budget = MAX_BYTES
    for tensor in _tensors(model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            tensor.raw_data = _read(tensor, path, budget)
            budget -= len(tensor.raw_data)
            tensor.data_location = onnx.TensorProto.DEFAULT
            del tensor.external_data[:]


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _read(tensor: Any, path: Path | None, budget: int) -> bytes:
    """The bytes of one tensor, from its file; none of the file's entries is trusted."""
    fields = {entry.key: entry.value for entry in tensor.external_data}
    where, size = f"tensor '{tensor.name}'", _size(tensor)
    if path is None:
        raise ModelError(
            f"{where} keeps its data in another file; give the model's path, not its content"
        )
    file = _beside(path, fields.get("location", ""), where)
    offset, length = (_number(fields.get(key, "0"), where) for key in ("offset", "length"))
    if length not in (0, size) or size > budget:
        raise ModelError(f"{where} has {size} bytes, but {length} are recorded in another file")
    try:
        if offset + size > file.stat().st_size:
            raise ModelError(
                f"{where}: '{file}' ends before byte {offset + size}; it is truncated, a Git LFS "
                "pointer, or belongs to another model"
                if not _is_pointer(file)
                else f"{where}: '{file}' is a Git LFS pointer; fetch the file itself: git lfs pull"
            )
        with file.open("rb") as stream:
            stream.seek(offset)
            return stream.read(size)
    except OSError as error:
        raise ModelError(
            f"{where} keeps its data in '{file}', which cannot be read ({error.strerror}); "
            "keep it beside the model, under its name"
        ) from None


def _is_pointer(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(LFS_POINTER)) == LFS_POINTER


def _beside(path: Path, location: str, where: str) -> Path:
    """The file `location` in the model's folder; ModelError for a path that leads elsewhere."""
    parts = {*PurePosixPath(location).parts, *PureWindowsPath(location).parts}
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
    file = path.parent / location
    folders = [path.parent.resolve(), path.resolve().parent]
    if not location or ".." in parts or absolute or "\0" in location:
        raise ModelError(
            f"{where} names '{location!r}' as the file of its data; only files beside the model "
            "are read"
        )
    if not any(file.resolve().is_relative_to(folder) for folder in folders):
        raise ModelError(f"{where}: '{file}' leads out of the model's folder; copy it there")
    return file


def _number(text: str, where: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise ModelError(f"{where}: '{text[:20]}' is no offset or length of data in a file")
    return int(text)


def _size(tensor: Any) -> int:
    """Bytes of a tensor's data as ONNX stores it.

    Two elements of four bits share a byte.
    """
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, ValueError, TypeError):
        raise ModelError(f"tensor '{tensor.name}' has an unknown element type") from None
    elements = math.prod(tensor.dims)
    if min(tensor.dims, default=0) < 0 or dtype == np.dtype(object):
        raise ModelError(f"tensor '{tensor.name}' of shape {list(tensor.dims)} has no fixed size")
    bits = 4 if str(dtype) in ("int4", "uint4", "float4_e2m1fn") else 8 * dtype.itemsize
    return int(elements * bits + 7) // 8


def pin_batch(model: Any) -> list[str]:
    """Set the dynamic first dimension of inputs to 1; returns the names of these inputs.

    Where the dimension has a name, every dimension of that name becomes 1.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    pinned, symbols = [], set()
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in known and len(dims) > 1 and is_open(dims[0]):
            pinned.append(str(value.name))
            symbols.add(dims[0].dim_param)
            dims[0].dim_value = 1
    symbols.discard("")
    for value in (*model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_value = 1
    return pinned


def is_open(dim: Any) -> bool:
    """Whether a dimension is dynamic: anything but a positive number."""
    return bool(dim.WhichOneof("value") != "dim_value" or dim.dim_value <= 0)
