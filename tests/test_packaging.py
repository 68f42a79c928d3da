"""The tree as it is installed: packages, layers, data files."""

import ast
import re
from importlib import resources
from pathlib import Path

import pytest
from repository import ROOT

FOLDERS = {"tvm_tiny": "tvm_tiny"} | {
    name: f"tvm_tiny.{name}" for name in ("passes", "schedules", "runtime_c")
}

# Module prefix -> layer; the longest prefix counts. A module imports no higher layer when it is
# loaded (what a function imports when it runs is another matter).
LAYERS = {
    "_version": 0,
    "errors": 0,
    "text": 1,
    "toolchain": 1,
    "model_file": 1,
    "reference": 1,
    "ordering": 1,
    "placement": 1,
    "pools": 2,
    "interface": 2,
    "micro": 2,
    "micro.project_api": 15,
    "micro.projects": 15,
    "ops": 3,
    "schedules": 3,
    "frontend": 4,
    "passes.rebuild": 4,
    "passes.emit_stage": 4,
    "passes.row_kernels": 4,
    "passes.lower_tir": 4,
    "passes.print_c": 4,
    "graph": 5,
    "timeline": 6,
    "network": 6,
    "traffic": 6,
    "distances": 7,
    "memory": 7,
    "pool_plan": 8,
    "patches": 7,
    "partition": 8,
    "passes": 9,
    "arguments": 10,
    "transform": 10,
    "pipeline": 11,
    "invariants": 11,
    "checker": 11,
    "aot": 12,
    "build": 13,
    "": 14,
    "cli": 16,
}
TOOLS = 15  # analysis, verification, demo and whatever else only the command line uses


def modules():
    for folder, package in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            relative = path.relative_to(ROOT / folder)
            if relative.parts[0] in FOLDERS or "__pycache__" in relative.parts:
                continue  # a link to another folder
            yield path, ".".join([package, *relative.with_suffix("").parts])


def layer(module: str) -> int:
    name = module.removeprefix("tvm_tiny").removeprefix(".").removesuffix("__init__").rstrip(".")
    known = [p for p in LAYERS if p and (name == p or name.startswith(f"{p}."))]
    if known:
        return LAYERS[max(known, key=len)]
    return LAYERS[""] if not name else TOOLS


def loaded_imports(path: Path, module: str):
    """Modules of tvm_tiny that importing this file imports."""
    package = module.rsplit(".", 1)[0]
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("tvm_tiny"))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            if base.startswith("tvm_tiny"):
                yield from (f"{base}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("path", "module"), list(modules()), ids=lambda v: str(v)[-40:])
def test_no_module_imports_a_higher_layer(path, module):
    higher = {name for name in loaded_imports(path, module) if layer(name) > layer(module)}
    assert not higher


def test_every_package_is_listed():
    project = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^packages = \[\n(.*?)^\]", project, re.M | re.S)
    found = {m.removesuffix(".__init__") for _, m in modules() if m.endswith(".__init__")}
    assert set(re.findall(r'"([^"]+)"', listed.group(1))) == found


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("tvm_tiny", "templates/driver.c.j2"),
        ("tvm_tiny", "py.typed"),
        ("tvm_tiny.runtime_c", "include/tvm_tiny/errors.h"),
        ("tvm_tiny.runtime_c", "boards/common/main.c"),
    ],
)
def test_data_files_are_found_as_package_data(package, name):
    assert (resources.files(package) / name).is_file()
