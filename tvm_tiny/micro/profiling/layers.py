"""Finds the layer of a call in the model's driver by its source lines.

Firmware is built with `-g`, which adds line numbers and changes no instruction.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from tvm_tiny.archive.metadata import ModelInfo
from tvm_tiny.errors import BoardError, DataError

#: The driver's comment before each call: `/* 3: qconv2d -> int8 [1, 5, 5, 8] "name" */`.
_COMMENT = re.compile(r"^\s*/\* (\d+): ")

#: Address and line of each piece of code, ending with the address behind it.
Piece = list[tuple[int, int]]


@dataclass(frozen=True)
class Step:
    """A layer of metadata.json. macs: multiplications, those that tiles repeat included."""

    index: int
    op: str
    tensor: str
    kernel: str
    macs: int


@dataclass(frozen=True)
class Driver:
    """The driver's code in firmware.

    ranges    addresses [first, end) of its pieces
    rows      (address, line) of the line table, sorted
    comments  (line, index of the layer) of the comments before calls, sorted
    """

    name: str
    ranges: tuple[tuple[int, int], ...]
    rows: tuple[tuple[int, int], ...]
    comments: tuple[tuple[int, int], ...]

    def layer(self, address: int) -> int:
        """Index of the layer that is called at an address; BoardError if there is none."""
        position = bisect.bisect_right(self.rows, address, key=lambda row: row[0])
        line = self.rows[position - 1][1] if position else 0
        before = bisect.bisect_right(self.comments, line, key=lambda comment: comment[0])
        if not before:
            raise BoardError(f"{self.name}: no layer is called at 0x{address:x} (line {line})")
        return self.comments[before - 1][1]


def read_steps(mlf_dir: Path, model: ModelInfo) -> tuple[Step, ...]:
    """The layers of a model by index; DataError if its metadata names no kernels."""
    root: Any = json.loads((mlf_dir / "metadata.json").read_text(encoding="utf-8"))
    entries = root["modules"][model.name]["tvm_tiny"].get("steps", [])
    try:
        steps = [
            Step(
                int(entry["index"]),
                str(entry["op"]),
                str(entry["name"]),
                str(entry["kernel"]),
                int(entry["macs"]) + int(entry["extra_macs"]),
            )
            for entry in entries
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{mlf_dir / 'metadata.json'}: the steps of the model lack {error}; compile it again"
        ) from None
    return tuple(sorted(steps, key=lambda step: step.index))


def read_driver(mlf_dir: Path, model: ModelInfo, firmware: Path, starts: set[int]) -> Driver:
    """Reads the driver of firmware that was built with line numbers.

    starts: addresses of functions; code that the linker dropped begins at none of them.
    Raises DataError if there is no source of the driver, BoardError without its line numbers.
    """
    source = mlf_dir / "codegen" / "host" / "src" / f"{model.prefix}.c"
    try:
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{source}: no driver of the model ({error.strerror})") from None
    pieces = [piece for piece in _line_table(firmware, source.name) if piece[0][0] in starts]
    if not pieces:
        raise BoardError(f"{firmware.name} has no line numbers of {source.name}")
    matches = ((number, _COMMENT.match(line)) for number, line in enumerate(lines, 1))
    return Driver(
        name=source.name,
        ranges=tuple(sorted((piece[0][0], piece[-1][0]) for piece in pieces)),
        rows=tuple(sorted(row for piece in pieces for row in piece[:-1])),
        comments=tuple((number, int(match[1])) for number, match in matches if match),
    )


def _line_table(firmware: Path, name: str) -> Iterator[Piece]:
    """The pieces of code of one source (DWARF 5, 6.2: its sequences)."""
    with firmware.open("rb") as file:
        dwarf = ELFFile(file).get_dwarf_info()
        for unit in dwarf.iter_CUs():
            attribute = unit.get_top_DIE().attributes.get("DW_AT_name")
            if attribute is not None and Path(attribute.value.decode()).name == name:
                yield from _sequences(dwarf.line_program_for_CU(unit).get_entries())


def _sequences(entries: Sequence[Any]) -> Iterator[Piece]:
    piece: Piece = []
    for entry in entries:
        if entry.state is None:
            continue
        # Where several rows have one address, the last describes it.
        if piece and piece[-1][0] == entry.state.address:
            piece.pop()
        piece.append((entry.state.address, entry.state.line))
        if entry.state.end_sequence:
            yield piece
            piece = []
