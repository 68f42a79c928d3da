"""The memory pools of a board, from a TOML file.

[[pool]]                # one for each memory, the fastest first
name = "dtcm"           # a C identifier
size = "64K"            # bytes, or a text with K, M, KiB or MiB
section = ".dtcm_bss"   # of its arena in C; without: the compiler's own choice

[[pool]]
name = "psram"
size = "8M"

[weights]               # may be left out, as may each of its keys
section = ".weights"    # of the constants in flash; without: the compiler's own choice
copy_to = "psram"       # copied there at start, and read from there
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import DataError
from .text import did_you_mean, parse_size

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECTION = re.compile(r"[A-Za-z0-9_.$-]+")
_MOST_BYTES = 2**32


@dataclass(frozen=True)
class MemoryPool:
    """A memory of the board. size: bytes; section: its arena's, None for the compiler's choice."""

    name: str
    size: int
    section: str | None = None


@dataclass(frozen=True)
class Weights:
    """The flash section of constants, and the pool to which they are copied at start."""

    section: str | None = None
    copy_to: str | None = None


@dataclass(frozen=True)
class BoardMemory:
    """A board's memory. pools: the fastest first, with distinct names."""

    pools: tuple[MemoryPool, ...]
    weights: Weights = field(default_factory=Weights)


def read_pools(path: Path) -> BoardMemory:
    """Reads a description of a board's memory; DataError names the faulty key."""
    try:
        return _memory(_parsed(path))
    except DataError as error:
        raise DataError(f"memory file '{path}': {error}") from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        parsed: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # neither UTF-8 nor TOML are ValueErrors
        raise DataError(f"not TOML: {str(error).splitlines()[0]}") from None
    return parsed


def _memory(fields: dict[str, Any]) -> BoardMemory:
    top = _Table("", fields, ("pool", "weights"))
    tables = fields.get("pool", [])
    if not isinstance(tables, list):
        raise top.error("'pool' is not a list of tables: write [[pool]] above each")
    if not tables:
        raise top.error("describes no memory: expected a [[pool]] with name and size")
    pools = [_pool(table, position) for position, table in enumerate(tables, start=1)]
    _check_distinct([pool.name for pool in pools])
    _check_free([pool.name for pool in pools])
    weights = _weights(fields.get("weights", {}), [pool.name for pool in pools])
    return BoardMemory(tuple(pools), weights)


def _pool(fields: Any, position: int) -> MemoryPool:
    name = fields.get("name") if isinstance(fields, dict) else None
    where = f"pool {name!r}: " if isinstance(name, str) else f"pool {position}: "
    table = _Table(where, fields, ("name", "size", "section"))
    name = table.text("name", _IDENTIFIER, "a C identifier: use letters, digits and underscores")
    if name is None:
        raise table.error("has no name")
    return MemoryPool(name, table.size(), table.section())


def _weights(fields: Any, pools: Sequence[str]) -> Weights:
    table = _Table("weights: ", fields, ("section", "copy_to"))
    copy_to = table.text("copy_to", _IDENTIFIER, "the name of a pool")
    if copy_to is not None and copy_to not in pools:
        raise table.error(f"copy_to is the unknown pool {copy_to!r}{did_you_mean(copy_to, pools)}")
    return Weights(table.section(), copy_to)


def _check_distinct(names: Sequence[str]) -> None:
    """Raises DataError unless names differ in capitals too, as C macros are named after them."""
    for position, name in enumerate(names):
        if name.upper() in (other.upper() for other in names[:position]):
            raise DataError(f"pool {name!r}: is twice in it (capitals do not count)")


def _check_free(names: Sequence[str]) -> None:
    """Raises DataError for names that the generated C uses itself."""
    taken = {"RODATA": names, "WORKSPACE": names[1:]}
    for name in names:
        if name in taken.get(name.upper(), ()):
            raise DataError(f"pool {name!r}: the generated C uses this name; choose another")


class _Table:
    """A table of the file; `where` begins the messages about it."""

    def __init__(self, where: str, fields: Any, known: Sequence[str]) -> None:
        self._where, self._fields = where, fields
        if not isinstance(fields, dict):
            raise self.error("is not a table")
        for key in fields:
            if key not in known:
                raise self.error(f"unknown key {key!r}{did_you_mean(key, known)}")

    def error(self, message: str) -> DataError:
        return DataError(f"{self._where}{message}")

    def text(self, key: str, form: re.Pattern[str], what: str) -> str | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(f"{key} is not a text")
        if not form.fullmatch(value):
            raise self.error(f"{key} {value!r} is not {what}")
        return value

    def section(self) -> str | None:
        return self.text("section", _SECTION, 'a linker section, such as ".dtcm_bss"')

    def size(self) -> int:
        value = self._fields.get("size")
        if value is None:
            raise self.error('has no size, such as size = "64K"')
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise self.error("size is neither a number nor a text")
        size = self._parsed_size(value) if isinstance(value, str) else value
        if not 0 < size <= _MOST_BYTES:
            raise self.error("size is not between 1 byte and the 4 GiB that 32 bits address")
        return size

    def _parsed_size(self, text: str) -> int:
        try:
            return parse_size(text)
        except DataError as error:
            raise self.error(f"size {error}") from None
