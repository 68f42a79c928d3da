"""Reads .pt2 files that hold only data, so that no code of the file runs.

`torch.export.load` unpickles whatever a file asks it to, which can run any code. A file is
therefore inspected first: its pickles must be plain tensors, and its expressions numbers and sizes.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvm_tiny.errors import ModelError, UnsupportedError

from ..onnx.load import first_line
from ..quiet import quiet
from .library import import_torch

if TYPE_CHECKING:
    import torch

_WITH_CODE = re.compile(r"/data/(aotinductor/|constants/(custom_obj|opaque_obj))")
# Dynamic sizes, such as a batch's, are SymPy expressions: Symbol('s31', integer=True).
_SYMBOL = re.compile(r"'[su]\d+'")
_IN_SIZES = {
    *("Symbol", "positive", "nonnegative", "integer", "True", "False", "Integer"),
    *("Add", "Mul", "Pow", "Max", "Min", "Mod", "FloorDiv", "CeilDiv", "PythonMod"),
}
_HOW = "torch.export.save(torch.export.export(module.eval(), inputs), 'model.pt2')"


def load_program(path: Path) -> torch.export.ExportedProgram:
    """The exported program in a file.

    Raises ModelError where it is not a readable .pt2, UnsupportedError where it holds code.
    """
    _check_kind(path)
    torch = import_torch()
    try:
        with zipfile.ZipFile(path) as archive:
            _check(torch, path, archive)
        with quiet():
            return torch.export.load(path)
    except (ModelError, UnsupportedError):
        raise
    except Exception as error:
        # A damaged file surfaces as any kind of error.
        raise ModelError(f"'{path}' is not a readable .pt2: {first_line(error)}") from error


def _check_kind(path: Path) -> None:
    """Raise ModelError for a file that is no exported program, such as a pickled module."""
    try:
        with zipfile.ZipFile(path) as archive:
            known = any(name.endswith("/models/model.json") for name in archive.namelist())
    except zipfile.BadZipFile:
        known = False
    except OSError as error:
        raise ModelError(f"cannot read '{path}': {error.strerror or first_line(error)}") from None
    if not known:
        raise ModelError(
            f"'{path}' is no program of torch.export (a pickled module could run any code and is "
            f"not loaded); write one: {_HOW}"
        )


def _check(torch: Any, path: Path, archive: zipfile.ZipFile) -> None:
    for name in archive.namelist():
        content = archive.read(name) if name.endswith((".pt", ".json")) else b""
        if _WITH_CODE.search(name):
            raise UnsupportedError(f"'{path}' holds objects that run code ({name}); not loaded")
        if name.endswith(".pt"):
            _check_pickle(torch, path, name, content)
        elif name.endswith(".json"):
            for pickled in _check_json(path, name, json.loads(content)):
                folder = name.rpartition("/")[0]
                member = f"{folder}/{pickled}"
                _check_pickle(torch, path, member, archive.read(member))


def _check_pickle(torch: Any, path: Path, name: str, content: bytes) -> None:
    """Refuse a pickle that holds anything but tensors and plain containers."""
    try:
        with quiet():
            torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:
        raise UnsupportedError(
            f"'{path}' holds pickled objects that are no tensors ({name}); not loaded"
        ) from error


def _check_json(path: Path, name: str, value: Any) -> Iterator[str]:
    """Yield the paths of pickled tensors in a JSON document.

    Raises UnsupportedError for an expression that is more than numbers and sizes.
    """
    if isinstance(value, list):
        for item in value:
            yield from _check_json(path, name, item)
    if not isinstance(value, dict):
        return
    if value.get("use_pickle") and isinstance(value.get("path_name"), str):
        yield value["path_name"]
    expression = value.get("expr_str")
    if isinstance(expression, str):
        rest = _SYMBOL.sub("", expression)
        names = set(re.findall(r"[^\W\d]\w*", rest))
        if re.search(r"[\"'.\[\]{}]", rest) or not names <= _IN_SIZES:
            raise UnsupportedError(f"'{path}' holds an expression that is no size; not loaded")
    for item in value.values():
        yield from _check_json(path, name, item)
