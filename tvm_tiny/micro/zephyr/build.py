"""Builds Zephyr applications with CMake and ninja, and explains failures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tvm_tiny.errors import BoardError, BudgetError, ToolchainError

from ..elf import Sizes
from .boards import ZephyrBoard
from .riscv import libgcc_definitions
from .sizes import image_sizes
from .tree import Tree, check_tools, module_definitions, toolchain_environment

_OVERFLOW = re.compile(r"region [`'](\w+)' overflowed by (\d+) bytes?")
#: Zephyr's devicetree can refuse a memory region that is larger than the board's too.
_COMPILER_ERROR = re.compile(r"^.*?(?:\berror: |undefined reference|Error: ).*$", re.MULTILINE)
_CMAKE_ERROR = re.compile(r"^CMake Error[^\n]*\n((?:  ?[^\n]*\n|\n)+)", re.MULTILINE)
_LOG = "build.log"


@dataclass(frozen=True)
class Build:
    """A built application. folder: CMake's; size: of the executable's sections.

    Zephyr keeps stacks of threads among its data, so that size.ram has them.
    """

    folder: Path
    elf: Path
    size: Sizes


def build_application(
    tree: Tree,
    board: ZephyrBoard,
    source: Path,
    folder: Path,
    module: Path,
    definitions: Mapping[str, str] | None = None,
) -> Build:
    """Configures and compiles an application; unchanged files are not compiled again.

    source       folder with the application's CMakeLists.txt
    folder       where CMake builds
    module       tvm_tiny as a Zephyr module: a folder with zephyr/module.yml
    definitions  further variables of CMake

    Raises ToolchainError for missing tools, BudgetError where the board's memory does not
    suffice, BoardError for other failures; the whole output is in folder/build.log.
    """
    check_tools(tree, board.arch)
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        "BOARD": board.name,
        "Python3_EXECUTABLE": sys.executable,
        **module_definitions(tree, module),
        **(definitions or {}),
    }
    log = folder / _LOG
    log.write_text("", encoding="utf-8")
    configure = ["cmake", "-GNinja", "-S", str(source), "-B", str(folder)]
    _step([*configure, *_defines(variables)], tree, board, log)
    if "CROSS_COMPILE" in toolchain_environment(board.arch):
        library = _defines(libgcc_definitions(folder))
        if library and library[0][2:] not in _cache(folder):
            _step([*configure, *library], tree, board, log)
    _step(["cmake", "--build", str(folder)], tree, board, log)
    path = folder / "zephyr" / "zephyr.elf"
    if not path.is_file():
        raise BoardError(f"Zephyr board {board.name}: the build made no {path.name}; see {log}")
    return Build(folder, path, image_sizes(path))


def _defines(variables: Mapping[str, str]) -> list[str]:
    return [f"-D{name}={value}" for name, value in variables.items()]


def _cache(folder: Path) -> list[str]:
    """CMake's variables as `NAME=value`."""
    lines = (folder / "CMakeCache.txt").read_text(encoding="utf-8").splitlines()
    return [re.sub(r"^([^:=]+):[A-Z]+=", r"\1=", line) for line in lines]


def open_build(folder: Path) -> Build:
    """The build that `build_application` made in a folder; BoardError if there is none."""
    path = folder / "zephyr" / "zephyr.elf"
    if not path.is_file():
        raise BoardError(f"'{folder}' holds no Zephyr build: build the project first")
    return Build(folder, path, image_sizes(path))


def flash_build(build: Build) -> None:
    """Programs a board, as `west flash` does; BoardError with the last line where that fails."""
    command = ["cmake", "--build", str(build.folder), "--target", "flash"]
    done = _run(command, dict(os.environ))
    if done.returncode != 0:
        lines = done.stdout.strip().splitlines() or ["no output"]
        raise BoardError(f"'{build.folder}' cannot be flashed: {lines[-1].strip()}")


def _step(command: list[str], tree: Tree, board: ZephyrBoard, log: Path) -> None:
    """Runs CMake in English, with this interpreter first on PATH; appends to the log."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {
        **os.environ,
        "LC_ALL": "C",
        "PATH": path,
        "ZEPHYR_BASE": str(tree.base),
        **toolchain_environment(board.arch),
    }
    done = _run(command, environment)
    with log.open("a", encoding="utf-8") as file:
        file.write(done.stdout)
    if done.returncode != 0:
        raise _failure(done.stdout, board, log)


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=environment,
            check=False,
        )
    except OSError as error:
        raise ToolchainError(f"{command[0]} does not start: {error.strerror}") from error


def _failure(output: str, board: ZephyrBoard, log: Path) -> Exception:
    """The error for a failed build, from its output."""
    over = {region: int(size) for region, size in _OVERFLOW.findall(output)}
    if over:
        regions = ", ".join(f"{region} by {size} bytes" for region, size in sorted(over.items()))
        return BudgetError(
            f"the application does not fit Zephyr board {board.name}: its memory is exceeded, "
            f"{regions}"
        )
    return BoardError(f"Zephyr board {board.name}: {_complaint(output)} (all of it: {log})")


def _complaint(output: str) -> str:
    """The first error of compiler or CMake, in one line."""
    compiler = _COMPILER_ERROR.search(output)
    cmake = _CMAKE_ERROR.search(output)
    if compiler is not None and (cmake is None or compiler.start() < cmake.start()):
        return compiler[0].strip()
    if cmake is not None:
        return " ".join(cmake[1].split("Call Stack")[0].split())
    lines = output.strip().splitlines() or ["no output"]
    return lines[-1]
