"""Reads the rooms of docs/architecture.md and the imports between them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
# Packages as which folders are installed.
FOLDERS = {"tvm_tiny": "tvm_tiny"} | {
    name: f"tvm_tiny.{name}" for name in ("passes", "schedules", "runtime_c")
}
# Rooms that consist of files at the top of tvm_tiny/; all others are folders.
OF_FILES = ("base", "operators", "front")


@dataclass(frozen=True)
class Room:
    """A room. files: its modules at the top of tvm_tiny/, empty for a folder."""

    name: str
    files: tuple[str, ...]
    purpose: str


@cache
def rooms() -> dict[str, Room]:
    """The rooms in the page's order, in which each may import those before it."""
    section = re.search(r"^## Rooms\n(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert section is not None, f"{PAGE.name} has no section 'Rooms'"
    lines = re.findall(r"^    (\w+) +(.+)$", section.group(1), re.M)
    return {name: _room(name, text) for name, text in lines}


def _room(name: str, text: str) -> Room:
    if name not in OF_FILES:
        return Room(name, (), text)
    files, purpose = text.split(": ", 1)
    return Room(name, tuple(re.findall(r"\w+", files)), purpose)


def room_of(module: str) -> str:
    """The room of a module with a full name such as `tvm_tiny.lowering.graph`."""
    parts = module.split(".")[1:]
    first = parts[0] if parts and parts[0] != "__init__" else "build"
    return next((room.name for room in rooms().values() if first in room.files), first)


def modules() -> Iterator[tuple[Path, str]]:
    """File and name of every module of the package, without links to folders."""
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT / folder)
            if relative.parts[0] in FOLDERS or "__pycache__" in relative.parts:
                continue
            yield path, ".".join([package, *relative.with_suffix("").parts])


def imports(path: Path, module: str) -> Iterator[str]:
    """Modules of tvm_tiny that a file imports, at its top or within functions."""
    package = module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("tvm_tiny."))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base == "tvm_tiny":
                yield from (f"tvm_tiny.{alias.name}" for alias in node.names)
            elif base.startswith("tvm_tiny."):
                yield base


def imported_rooms() -> dict[str, set[str]]:
    """Imported rooms by room, without the version, which every room may read."""
    found: dict[str, set[str]] = {name: set() for name in rooms()}
    for path, module in modules():
        names = {name for name in imports(path, module) if name != "tvm_tiny._version"}
        found[room_of(module)] |= {room_of(name) for name in names} - {room_of(module)}
    return found


def without_implied(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """The edges of a graph without circles, except those that longer paths imply."""

    @cache
    def reached(name: str) -> frozenset[str]:
        return frozenset(edges[name]).union(*(reached(other) for other in edges[name]))

    return {
        name: {end for end in ends if not any(end in reached(other) for other in ends)}
        for name, ends in edges.items()
    }
