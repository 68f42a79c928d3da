"""Reads what firmware needs to know of a model from its archive's metadata.json.

Archives come from elsewhere, and their names end up in makefiles and C. So every name is checked
where it is read: identifiers are those of C, paths have letters, digits and `_ . - /` only.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from tvm_tiny.errors import DataError

SOURCES = "codegen/host/src"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")


@dataclass(frozen=True)
class Patches:
    """A result that was computed, and is traced, tile by tile.

    rows: for each row of tiles, the first row and the one behind the last; columns: the same for
    each column of tiles. row_bytes: bytes of a record, which is a row. narrow: whether a record
    begins with the first column of the tile, not of the tensor.
    """

    rows: tuple[tuple[int, int], ...]
    columns: tuple[tuple[int, int], ...]
    row_bytes: int
    narrow: bool

    def join(self, data: bytes, tensor: Tensor) -> np.ndarray:
        """Joins records to the tensor; elements that no tile has computed are masked."""
        whole = np.zeros((math.prod(tensor.shape[:-2]), *tensor.shape[-2:]), tensor.dtype)
        unknown = np.ones(whole.shape, bool)
        elements = np.frombuffer(data, tensor.dtype)
        records = elements.reshape(-1, self.row_bytes // whole[0, 0].nbytes, tensor.shape[-1])
        number = 0
        for (top, bottom), (left, right) in itertools.product(self.rows, self.columns):
            start = 0 if self.narrow else left
            tile = records[number : number + bottom - top, start : start + right - left]
            whole[top:bottom, left:right] = tile
            unknown[top:bottom, left:right] = False
            number += bottom - top
        joined, missing = whole.reshape(tensor.shape), unknown.reshape(tensor.shape)
        return np.ma.MaskedArray(joined, missing) if missing.any() else joined


@dataclass(frozen=True)
class Tensor:
    """An input, output or result of a step in its compiled form.

    c_name: "" for a step. patches: the tiles of a step that runs tile by tile.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    c_name: str = ""
    patches: Patches | None = None

    @property
    def nbytes(self) -> int:
        """Size of the dense tensor in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Pool:
    """An arena of the model.

    c_name: its pointer in the structure of pools. bytes: its size. name: the board's memory pool,
    "" where there is one arena.
    """

    c_name: str
    bytes: int
    name: str = ""


@dataclass(frozen=True)
class ModelInfo:
    """A model as an unpacked Model Library Format folder describes it.

    steps            result of each step by its index; a step whose index is absent is traced as
                     bytes
    pools            in the order of the structure; workspace_bytes is their sum
    copies_weights   before the first run they must be copied to a pool
    weights_section  of the constants on the board that the model is meant for
    files            all that the compiler wrote but metadata.json, relative to the folder
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    workspace_bytes: int
    io_in_arena: bool
    steps: Mapping[int, Tensor]
    stream_input: bool = False
    pools: tuple[Pool, ...] = ()
    copies_weights: bool = False
    weights_section: str | None = None
    files: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """Prefix of the generated names."""
        return f"tvmgen_{self.name}"

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that are compiled, sorted."""
        return tuple(
            sorted(name for name in self.files if PurePosixPath(name).match(f"{SOURCES}/*.c"))
        )

    @property
    def arenas(self) -> tuple[Pool, ...]:
        """The pools, or the only arena."""
        return self.pools or (Pool("workspace", self.workspace_bytes),)

    @property
    def run_function(self) -> str:
        """Name of the generated entry point that runs kernels."""
        return f"{self.prefix}_{'push_row' if self.stream_input else 'run'}"


def read_model_info(mlf_dir: Path) -> ModelInfo:
    """Reads `mlf_dir`/metadata.json; DataError if it is missing or not of the expected form."""
    path = mlf_dir / "metadata.json"
    try:
        root = json.loads(path.read_text(encoding="utf-8"))
        name = _string(root["model_name"])
        info = root["modules"][name]["tvm_tiny"]
        return ModelInfo(
            name=name,
            inputs=tuple(_tensor(entry) for entry in info["inputs"]),
            outputs=tuple(_tensor(entry) for entry in info["outputs"]),
            workspace_bytes=int(info["workspace_bytes"]),
            io_in_arena=bool(info["io_in_arena"]),
            stream_input=bool(info.get("stream_input", False)),
            pools=tuple(_pool(entry) for entry in info.get("pools", ())),
            copies_weights=info.get("weights", {}).get("copied_to") is not None,
            weights_section=info.get("weights", {}).get("section"),
            steps={int(entry["index"]): _tensor(entry) for entry in info.get("steps", ())},
            files=tuple(_file(name) for name in info["sha256"]),
        )
    except OSError as error:
        raise DataError(f"{path}: not a Model Library Format folder ({error.strerror})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not metadata of a tvm_tiny model ({error!r})") from error


def _string(value: object) -> str:
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ValueError(f"{value!r} is not a name")
    return value


def is_plain_path(name: str) -> bool:
    """Whether a name can be the path of a file below a model's folder."""
    return _PATH.fullmatch(name) is not None and ".." not in name.split("/")


def _file(name: str) -> str:
    if not is_plain_path(name):
        raise ValueError(f"{name!r} is no name of a model's file")
    return name


def _pool(entry: Mapping[str, Any]) -> Pool:
    return Pool(_string(entry["c_name"]), int(entry["used"]), _string(entry["name"]))


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    shape: Sequence[int] = entry["shape"]
    c_name = _string(entry["c_name"]) if "c_name" in entry else ""
    dtype = str(entry["dtype"])
    np.dtype(dtype)  # a TypeError names what is not a type
    patches = _patches(entry["patches"]) if entry.get("patches") else None
    extents = tuple(int(extent) for extent in shape)
    return Tensor(str(entry["name"]), extents, dtype, c_name, patches)


def _patches(entry: Mapping[str, Any]) -> Patches:
    rows, columns = (
        tuple((int(first), int(end)) for first, end in entry[key]) for key in ("rows", "columns")
    )
    return Patches(rows, columns, int(entry["row_bytes"]), bool(entry["narrow"]))
