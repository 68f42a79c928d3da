"""What firmware needs to know of a model, from the metadata.json of its Model Library Format."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tvm_tiny.errors import DataError


@dataclass(frozen=True)
class Tensor:
    """An input, output or step result in its compiled form; `c_name` is "" for a step."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    c_name: str = ""

    @property
    def nbytes(self) -> int:
        """Size of the dense tensor in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Pool:
    """An arena of the model: its pointer in the structure of pools, and the bytes it has."""

    c_name: str
    bytes: int


@dataclass(frozen=True)
class ModelInfo:
    """A model as an unpacked Model Library Format folder describes it.

    steps            result of each step by its index; a step whose index is absent is traced as
                     bytes
    pools            in the order of the structure; workspace_bytes is their sum
    copies_weights   before the first run they must be copied to a pool
    weights_section  of the constants on the board that the model is meant for
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

    @property
    def prefix(self) -> str:
        """Prefix of the generated names."""
        return f"tvmgen_{self.name}"

    @property
    def arenas(self) -> tuple[Pool, ...]:
        """The pools, or the one arena."""
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
        )
    except OSError as error:
        raise DataError(f"{path}: not a Model Library Format folder ({error.strerror})") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not metadata of a tvm_tiny model ({error!r})") from error


def _string(value: object) -> str:
    if not isinstance(value, str) or not value.isidentifier():
        raise ValueError(f"{value!r} is not a name")
    return value


def _pool(entry: Mapping[str, Any]) -> Pool:
    return Pool(_string(entry["c_name"]), int(entry["used"]))


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    shape: Sequence[int] = entry["shape"]
    c_name = _string(entry["c_name"]) if "c_name" in entry else ""
    dtype = str(entry["dtype"])
    np.dtype(dtype)  # a TypeError names what is not a type
    return Tensor(str(entry["name"]), tuple(int(extent) for extent in shape), dtype, c_name)
