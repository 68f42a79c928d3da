"""Finds a Zephyr tree and its modules, and checks for the tools of a build."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tvm_tiny import toolchain
from tvm_tiny.errors import ToolchainError

_VERSION = re.compile(r"^(VERSION_MAJOR|VERSION_MINOR|PATCHLEVEL)\s*=\s*(\d+)", re.MULTILINE)
_PACKAGE = Path("share") / "zephyr-package" / "cmake" / "ZephyrConfig.cmake"
_MODULE = Path("zephyr") / "module.yml"
#: A header of the module cmsis and of its successor cmsis_6.
_CMSIS_HEADER = Path("CMSIS") / "Core" / "Include" / "core_cm3.h"
#: Python modules that Zephyr's build scripts import, and their packages. Later trees also import
#: those of _LATER_PYTHON and list them in their requirements.
_PYTHON = {
    "elftools": "pyelftools",
    "packaging": "packaging",
    "pykwalify": "pykwalify",
    "yaml": "PyYAML",
}
_LATER_PYTHON = {"jsonschema": "jsonschema"}
#: Programs that every build runs, and their packages in Debian and Ubuntu.
_PROGRAMS = {"cmake": "cmake", "ninja": "ninja-build", "dtc": "device-tree-compiler"}
#: Compilers that need no SDK, by architecture.
_COMPILERS = {
    "arm": toolchain.PACKAGES[toolchain.ARM_GCC],
    "riscv": toolchain.PACKAGES[toolchain.RISCV_GCC],
    "riscv32": toolchain.PACKAGES[toolchain.RISCV_GCC],
}


@dataclass(frozen=True)
class Tree:
    """A Zephyr tree.

    modules    folders beside the tree that have a zephyr/module.yml
    workspace  whether the tree is in a workspace of west, which then tells Zephyr the modules
    """

    base: Path
    version: tuple[int, int, int]
    modules: tuple[Path, ...]
    workspace: bool


def find_tree(base: str | None = None) -> Tree:
    """The tree at `base`, by default the one that ZEPHYR_BASE names.

    Raises ToolchainError, with a remedy, where there is none.
    """
    text = base or os.environ.get("ZEPHYR_BASE", "")
    if not text:
        raise ToolchainError(
            "no Zephyr tree: set ZEPHYR_BASE to the folder zephyr of a workspace that 'west init' "
            "and 'west update' made, or give the option zephyr_base"
        )
    folder = Path(text).expanduser().absolute()
    if not (folder / "VERSION").is_file() or not (folder / _PACKAGE).is_file():
        raise ToolchainError(f"no Zephyr tree at {folder}: expected VERSION and {_PACKAGE} there")
    return Tree(folder, _read_version(folder), tuple(_find_modules(folder)), _in_workspace(folder))


def _read_version(folder: Path) -> tuple[int, int, int]:
    fields = dict(_VERSION.findall((folder / "VERSION").read_text(encoding="utf-8")))
    major, minor, patch = (
        int(fields.get(name, 0)) for name in ("VERSION_MAJOR", "VERSION_MINOR", "PATCHLEVEL")
    )
    return major, minor, patch


def _find_modules(folder: Path) -> Iterator[Path]:
    """The modules beside a tree, at modules/NAME and modules/KIND/NAME as `west update` does."""
    found = [*folder.parent.glob("modules/*"), *folder.parent.glob("modules/*/*")]
    yield from (path for path in sorted(found) if (path / _MODULE).is_file())


def _in_workspace(folder: Path) -> bool:
    return (folder.parent / ".west" / "config").is_file() and _has_package("west")


def module_definitions(tree: Tree, own: Path) -> dict[str, str]:
    """CMake variables that add the module `own` to those of the tree.

    Zephyr finds the tree's modules by itself only where west is installed.
    """
    if tree.workspace:
        definitions = {"ZEPHYR_EXTRA_MODULES": str(own)}
    else:
        definitions = {"ZEPHYR_MODULES": ";".join(map(str, (*tree.modules, own)))}
    for module in tree.modules:
        definitions |= _own_build_files(tree, module)
    return definitions


def _own_build_files(tree: Tree, module: Path) -> dict[str, str]:
    """Definitions that make a module use its own build files, where the tree has none.

    A module may be later than its tree and expect build files there which the tree lacks.
    """
    text = (module / _MODULE).read_text(encoding="utf-8")
    in_tree = tree.base / "modules" / module.name
    variable = "ZEPHYR_" + re.sub(r"[^A-Z0-9]", "_", module.name.upper())
    definitions = {}
    if re.search(r"^\s*cmake-ext:\s*[Tt]rue", text, re.MULTILINE) and not in_tree.exists():
        definitions[f"{variable}_CMAKE_DIR"] = str(module)
    if re.search(r"^\s*kconfig-ext:\s*[Tt]rue", text, re.MULTILINE) and not in_tree.exists():
        definitions[f"{variable}_KCONFIG"] = os.devnull
    return definitions


def check_tools(tree: Tree, arch: str) -> None:
    """Raises ToolchainError with all tools that a build for an architecture would miss.

    arch  architecture of a Zephyr board ("arm", "riscv"); "" where it is unknown
    """
    missing = [
        f"{program} (apt install {package})"
        for program, package in _PROGRAMS.items()
        if shutil.which(program) is None
    ]
    packages = [package for module, package in _imports(tree) if not _has_package(module)]
    if packages:
        missing.append(f"Python packages {' '.join(packages)} (pip install 'tvm-tiny[zephyr]')")
    if arch == "arm" and not _has_cmsis(tree):
        missing.append(f"CMSIS headers (west update, or modules/cmsis beside {tree.base})")
    if arch and not toolchain_environment(arch) and not _has_sdk():
        package = _COMPILERS.get(arch)
        install = f"apt install {package}, or " if package else ""
        missing.append(f"a compiler for {arch} ({install}the Zephyr SDK)")
    if missing:
        raise ToolchainError(f"Zephyr cannot build for lack of: {'; '.join(missing)}")


def _imports(tree: Tree) -> list[tuple[str, str]]:
    """Modules that the tree's build scripts import, and their packages."""
    path = tree.base / "scripts" / "requirements-base.txt"
    wanted = path.read_text(encoding="utf-8") if path.is_file() else ""
    later = [(module, package) for module, package in _LATER_PYTHON.items() if package in wanted]
    return [*_PYTHON.items(), *later]


def _has_package(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _has_cmsis(tree: Tree) -> bool:
    return any((module / _CMSIS_HEADER).is_file() for module in tree.modules)


def _has_sdk() -> bool:
    """Whether there is Zephyr's own toolchain, or one that the user has chosen."""
    if os.environ.get("ZEPHYR_TOOLCHAIN_VARIANT") or os.environ.get("ZEPHYR_SDK_INSTALL_DIR"):
        return True
    return any(
        next(folder.glob("zephyr-sdk-*"), None) is not None
        for folder in (Path.home(), Path("/opt"), Path("/usr/local"))
    )


def toolchain_environment(arch: str) -> dict[str, str]:
    """Variables that choose a cross compiler; empty if an SDK is chosen or found."""
    if _has_sdk():
        return {}
    if arch == "arm":
        compiler = shutil.which(toolchain.ARM_GCC)
        if compiler is not None:
            root = Path(compiler).parents[1]
            return {
                "ZEPHYR_TOOLCHAIN_VARIANT": "gnuarmemb",
                "GNUARMEMB_TOOLCHAIN_PATH": str(root),
            }
    if arch.startswith("riscv"):
        compiler = shutil.which(toolchain.RISCV_GCC)
        if compiler is not None:
            prefix = compiler.removesuffix("gcc")
            return {"ZEPHYR_TOOLCHAIN_VARIANT": "cross-compile", "CROSS_COMPILE": prefix}
    return {}
