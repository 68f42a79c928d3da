"""Reads constants of an executable."""

from __future__ import annotations

from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection


def read_string(path: Path, name: str) -> str | None:
    """The C string at a symbol of an executable; None without the symbol."""
    with path.open("rb") as file:
        image = ELFFile(file)
        table = image.get_section_by_name(".symtab")
        assert table is None or isinstance(table, SymbolTableSection)
        symbols = table.get_symbol_by_name(name) if table is not None else None
        if not symbols:
            return None
        section = image.get_section(symbols[0]["st_shndx"])
        start = symbols[0]["st_value"] - section["sh_addr"]
        text: bytes = section.data()[start:].partition(b"\0")[0]
        return text.decode("utf-8")
