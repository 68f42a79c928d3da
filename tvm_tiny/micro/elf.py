"""Sizes and symbols of ELF objects and executables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_MAGIC = b"\x7fELF"
#: Memory that the linker script keeps for the stack; it does not count as data of the program.
_STACK_SECTION = ".stack"


@dataclass(frozen=True)
class Sizes:
    """Bytes of flash (code, constants, initial values) and RAM (data, arenas; not the stack)."""

    flash: int
    ram: int


def is_elf(path: Path) -> bool:
    """Whether a file is an ELF object or executable (on macOS they are Mach-O)."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def sizes(paths: Iterable[Path]) -> Sizes:
    """Sum over objects or executables; 0 for files that are not ELF."""
    flash = ram = 0
    for path in paths:
        if not is_elf(path):
            continue
        with path.open("rb") as file:
            for section in ELFFile(file).iter_sections():
                flags, size = section["sh_flags"], section["sh_size"]
                if not flags & SH_FLAGS.SHF_ALLOC or section.name == _STACK_SECTION:
                    continue
                flash += size if section["sh_type"] != "SHT_NOBITS" else 0
                ram += size if flags & SH_FLAGS.SHF_WRITE else 0
    return Sizes(flash, ram)


def function_at(path: Path, address: int) -> str | None:
    """`name+0x12` of the function that holds an address, or None."""
    for name, start, size in _functions(path):
        if start <= address < start + size:
            return f"{name}+0x{address - start:x}"
    return None


def function_aliases(path: Path) -> list[frozenset[str]]:
    """Sets of two names or more that stand for one function."""
    names: dict[int, set[str]] = {}
    for name, start, _ in _functions(path):
        names.setdefault(start, set()).add(name)
    return [frozenset(group) for group in names.values() if len(group) > 1]


def _functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, address and size of each function."""
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if not isinstance(section, SymbolTableSection):
                continue
            for symbol in section.iter_symbols():
                if symbol["st_info"]["type"] == "STT_FUNC":
                    # The lowest bit marks Thumb code.
                    yield symbol.name, symbol["st_value"] & ~1, symbol["st_size"]
