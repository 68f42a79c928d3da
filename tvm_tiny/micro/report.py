"""Reads what firmware writes: report.txt, fault.txt and trace.bin."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from tvm_tiny.archive.metadata import Tensor
from tvm_tiny.errors import BoardError

#: Exit statuses of runtime_c/boards/common/report.h.
EXIT_FAILED = 64
EXIT_FAULT = 65

#: TVM_TINY_TRACE_SAMPLE of runtime_c/boards/common/trace.h.
_TRACE_SAMPLE = 0xFFFFFFFF

_ERROR_ROW = re.compile(r"X\((\w+), (0x[0-9a-f]{4}), \"([^\"]*)\"\)")


@dataclass(frozen=True)
class Line:
    """`word key=0xhex ...` of report.txt or fault.txt."""

    word: str
    fields: Mapping[str, int]


def read_lines(path: Path) -> list[Line]:
    """Lines of a report, none where the file is missing; BoardError if it is damaged."""
    if not path.is_file():
        return []
    lines = []
    try:
        for text in path.read_text(encoding="ascii").splitlines():
            word, *pairs = text.split()
            fields = dict(pair.split("=") for pair in pairs)
            lines.append(Line(word, {key: int(value, 16) for key, value in fields.items()}))
    except ValueError as error:
        raise BoardError(f"{path.name} of the firmware is damaged: {error}") from error
    return lines


def describe_code(code: int) -> str:
    """`0x0202 (ARENA_ALIGNMENT: the arena is ...)`, with the text of tvm_tiny/errors.h."""
    header = files("tvm_tiny.runtime_c") / "include" / "tvm_tiny" / "errors.h"
    for name, value, text in _ERROR_ROW.findall(header.read_text(encoding="ascii")):
        if int(value, 16) == code:
            return f"{value} ({name}: {text})"
    return f"0x{code:04x} (not a code of tvm_tiny/errors.h)"


def read_trace(path: Path, steps: Mapping[int, Tensor]) -> list[dict[int, np.ndarray]]:
    """The result of each step of each sample, from trace.bin.

    Each sample is a dictionary by index of the step, in the order in which steps ran. A result has
    the dtype and shape that the metadata has for the step, else it is uint8 [bytes]. The file has
    one record for each row of a step that ran row by row, and in a patch stage for each row of each
    tile; a step's records are joined.
    """
    data = path.read_bytes()
    samples: list[dict[int, bytes]] = []
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise BoardError(f"{path.name} of the firmware ends within a record")
        step, nbytes = struct.unpack_from("=II", data, at)
        at += 8
        if step == _TRACE_SAMPLE:
            samples.append({})
            continue
        if not samples or at + nbytes > len(data):
            raise BoardError(f"{path.name} of the firmware ends within step {step}")
        samples[-1][step] = samples[-1].get(step, b"") + data[at : at + nbytes]
        at += nbytes
    return [{k: _array(v, steps.get(k)) for k, v in sample.items()} for sample in samples]


def _array(data: bytes, tensor: Tensor | None) -> np.ndarray:
    if tensor is not None and tensor.patches is not None:
        return tensor.patches.join(data, tensor)
    if tensor is None or tensor.nbytes != len(data):
        return np.frombuffer(data, np.uint8)
    return np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
