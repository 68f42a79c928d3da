"""Projects that are libraries of other build systems, and a check that they compile."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tvm_tiny.errors import BoardError, DataError, ToolchainError
from tvm_tiny.targets import TARGETS, find_target
from tvm_tiny.toolchain import find_binutil

from .. import compiler, elf
from ..session import glue
from .base import BUILD, FLASH, OPEN, Image, Option, Values
from .project import open_project

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

    from ..session.transport import Transport

#: Option of every library: the target for which `build` compiles it, as a check.
TARGET = Option(
    name="target",
    help="Processor to compile for; default: that of the models.",
    choices=tuple(TARGETS),
    optional_in=(BUILD,),
)
PORT = Option(
    name="port", help="Serial port of the board, such as /dev/ttyACM0.", optional_in=(FLASH, OPEN)
)
BAUD = Option(
    name="baud", help="Speed of the port.", type="int", default=115200, optional_in=(OPEN,)
)


@dataclass(frozen=True)
class Layout:
    """Folders of a library. headers: the include folder; sources: all files to compile."""

    headers: str
    sources: str

    def fill(self, folder: Path, archives: Sequence[Archive]) -> list[str]:
        """Copies models, runtime and session into a library, and gives its C files.

        Their paths are sorted and relative to the project. Raises DataError for models that cannot
        be in one library.
        """
        headers, sources = folder / self.headers, folder / self.sources
        headers.mkdir(parents=True, exist_ok=True)
        sources.mkdir(parents=True, exist_ok=True)
        with compiler.runtime_folder() as runtime:
            shutil.copytree(runtime / "include" / "tvm_tiny", headers / "tvm_tiny")
            shutil.copytree(runtime / "session", sources / "session")
        for archive in archives:
            host = archive.folder / "codegen" / "host"
            shutil.copytree(host / "include", headers, dirs_exist_ok=True)
            shutil.copytree(host / "src", sources / "models" / archive.info.name)
        for name, text in glue.session_sources(archives).items():
            where = sources if name.endswith(".c") else headers
            (where / name).write_text(text, encoding="ascii")
        return self.files(folder)

    def files(self, folder: Path) -> list[str]:
        """The library's C files, sorted, relative to the project."""
        found = (folder / self.sources).rglob("*.c")
        return sorted(path.relative_to(folder).as_posix() for path in found)

    def check(self, folder: Path, values: Values) -> Image:
        """Compiles everything into build/libmodels.a.

        Raises BoardError with the compiler's first error, ToolchainError without a compiler.
        """
        target = find_target(str(values.get("target") or open_project(folder).archives()[0].target))
        build = folder / "build"
        shutil.rmtree(build, ignore_errors=True)
        build.mkdir()
        with compiler.runtime_folder() as runtime:
            flags = (f"-I{folder / self.headers}", *compiler.platform_includes(target, runtime))
            units = [compiler.Unit(folder / name, flags) for name in self.files(folder)]
            objects = compiler.compile_units(target, units, build)
        library = build / "libmodels.a"
        archiver = str(find_binutil(target.compiler, "ar"))
        run_tool([archiver, "rcsD", str(library), *map(str, objects)], folder)
        size = elf.sizes(objects)
        return Image(library, size.flash, size.ram)


def run_tool(command: Sequence[str], folder: Path) -> None:
    """Runs a tool to its end; BoardError with its error message where it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise BoardError(f"{command[0]} does not start: {error.strerror}") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        complaint = next((line for line in lines if "error" in line.lower()), "")
        said = complaint or (lines[-1] if lines else "it did not say why")
        raise BoardError(f"{Path(command[0]).name} failed: {said.strip()}")


def find_vendor_tool(name: str, where: str) -> str:
    """Path of a vendor's tool; ToolchainError with its site if it is missing."""
    found = shutil.which(name)
    if found is None:
        raise ToolchainError(f"{name} not found: install it as {where} tells and put it on PATH")
    return found


def require_port(values: Values) -> str:
    """The serial port; DataError where none is given."""
    port = values.get("port")
    if port is None:
        raise DataError("no serial port: add --project-option port=/dev/...")
    return str(port)


def open_port(values: Values) -> Transport:
    """Opens the board's serial port, on which the session is."""
    from ..session.transport import open_serial

    return open_serial(require_port(values), int(values["baud"]))
