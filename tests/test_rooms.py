"""The rooms of docs/architecture.md: who may import whom."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from repository import ROOT
from test_packaging import modules

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
# Rooms that are files at the top of tvm_tiny/; all others are folders.
OF_FILES = ("base", "operators", "front")


@cache
def rooms() -> dict[str, list[str]]:
    """The rooms in the page's order; of those made of files, the files."""
    section = re.search(r"^## Rooms\n(.*?)^## ", PAGE, re.M | re.S)
    lines = re.findall(r"^    (\w+) +(.+)$", section.group(1), re.M)
    return {
        name: re.findall(r"\w+", text.split(":")[0]) if name in OF_FILES else []
        for name, text in lines
    }


def room(module: str) -> str:
    """The room of a module, `tvm_tiny.lowering.graph` for one."""
    parts = module.split(".")[1:]
    first = parts[0] if parts and parts[0] != "__init__" else "build"
    return next((name for name, files in rooms().items() if first in files), first)


def imports(path: Path, module: str) -> Iterator[str]:
    """Modules of tvm_tiny that this file imports, anywhere in it."""
    package = module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("tvm_tiny."))
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base == "tvm_tiny":
                yield from (f"tvm_tiny.{alias.name}" for alias in node.names)
            elif base.startswith("tvm_tiny."):
                yield base


@pytest.mark.parametrize(("path", "module"), list(modules()), ids=lambda v: str(v)[-40:])
def test_no_import_goes_up(path, module):
    order = list(rooms())
    own = order.index(room(module))
    found = {name for name in imports(path, module) if name.split(".")[1] != "_version"}
    assert not {name for name in found if order.index(room(name)) > own}


def test_every_room_is_there():
    found = {room(module) for _, module in modules()}
    assert found == set(rooms())
