"""Reads tuning logs; a faulty log gives an error of one line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tvm_tiny.errors import DataError
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.isa import ISAS
from tvm_tiny.text import did_you_mean

from .log import KIND, VERSION, Candidate, Log, Measured, Origin

_STRINGS = ("isa", "board", "compiler", "kernels", "workload")
_NUMBERS = ("instructions", "scratch_bytes")


def read_log(path: Path | str) -> Log:
    """Reads a tuning log; DataError for other files and for logs of another version."""
    log = Log()
    for where, entry in _entries(Path(path)):
        log.add(*_measurement(entry, where))
    return log


def read_logs(paths: Sequence[Path | str]) -> Log:
    """Reads several logs as one; later measurements of a candidate replace earlier ones."""
    merged = Log()
    for path in paths:
        merged.merge(read_log(path))
    return merged


def _entries(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    name = f"tuning log '{path}'"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is no JSON: {str(error).splitlines()[0]}") from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise DataError(f"{name} is no tuning log: expected what 'tvm-tiny tune' writes")
    if document.get("version") != VERSION:
        raise DataError(
            f"{name} is of version {document.get('version')!r}, this is for {VERSION}: tune again"
        )
    found = document.get("measurements")
    if not isinstance(found, list):
        raise DataError(f"{name}: 'measurements' is no list")
    return [(f"{name}, measurement {k}", entry) for k, entry in enumerate(found)]


def _measurement(entry: Any, where: str) -> tuple[Origin, Candidate, Measured]:
    if not isinstance(entry, dict):
        raise DataError(f"{where} is no object")
    text = {name: _string(entry, name, where) for name in _STRINGS}
    workload = text.pop("workload")
    choice = _choice(entry.get("choice"), text["isa"], where)
    default = entry.get("default")
    if not isinstance(default, bool):
        raise DataError(f"{where}: 'default' is neither true nor false")
    instructions, scratch = (_number(entry, name, where) for name in _NUMBERS)
    return Origin(**text), Candidate(workload, choice), Measured(instructions, scratch, default)


def _choice(found: Any, isa: str, where: str) -> Choice:
    if isa not in ISAS:
        raise DataError(f"{where}: unknown instruction set {isa!r}{did_you_mean(str(isa), ISAS)}")
    fields = tuple(Choice.__dataclass_fields__)
    if not isinstance(found, dict) or set(found) != set(fields):
        raise DataError(f"{where}: 'choice' does not have the fields {', '.join(fields)}")
    choice = Choice(**{name: _number(found, name, where) for name in fields})
    tile = choice.pixels, choice.filters
    if tile not in ISAS[isa].tiles or choice.chunk < 1:
        raise DataError(f"{where}: no choice of '{isa}': {choice.to_attrs()}")
    if choice.chunk > 1 and tile != ISAS[isa].widens:
        raise DataError(f"{where}: '{isa}' does not widen filters of {choice.to_attrs()}")
    return choice


def _string(entry: Mapping[str, Any], name: str, where: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise DataError(f"{where}: '{name}' is no string")
    return value


def _number(entry: Mapping[str, Any], name: str, where: str) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise DataError(f"{where}: '{name}' is no whole number, 0 or more")
    return value
