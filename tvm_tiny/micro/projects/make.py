"""Projects that build with make: copies their files, writes and runs their Makefile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from tvm_tiny import toolchain
from tvm_tiny.errors import BoardError, ToolchainError
from tvm_tiny.targets import Target

from .. import elf
from ..compiler import runtime_folder
from .base import Image

if TYPE_CHECKING:
    from tvm_tiny.archive.reader import Archive

#: Folder of a project for its copy of parts of runtime_c.
RUNTIME = "tvm_tiny"
IMAGE = "build/firmware.elf"

# Compilers that run at once. More would take the machine from other users.
_JOBS = 2

_OVERFLOW = re.compile(r"region [`'](\w+)' overflowed by (\d+) bytes?")
_COMPLAINT = re.compile(
    r"error: (?!ld returned)|undefined reference|multiple definition|truncated to fit"
)


@dataclass
class Recipe:
    """Contents of a program's Makefile. Paths are relative to the project.

    includes  include folders and other flags of all sources
    special   pairs of a folder and further flags for its sources
    run       command of `make run`; empty for none
    """

    title: str
    target: Target
    sources: list[str]
    includes: list[str]
    link: list[str]
    special: list[tuple[str, list[str]]] = field(default_factory=list)
    run: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Writes the Makefile and removes C files of the runtime that it does not name."""
        for path in (folder / RUNTIME).rglob("*.c"):
            if path.relative_to(folder).as_posix() not in self.sources:
                path.unlink()
        riscv = self.target.platform == "riscv"
        context = {
            "title": self.title,
            "compiler": self.target.compiler,
            "flags": self.target.cflags,
            "includes": self.includes,
            "link": self.link,
            "picolibc": "/usr/lib/picolibc/riscv64-unknown-elf" if riscv else None,
            "sources": sorted(self.sources),
            "special": [(name, flags) for name, flags in self.special if flags],
            "run": self.run,
        }
        write_template(folder / "Makefile", "Makefile.j2", context)


def write_template(path: Path, template: str, context: dict[str, Any]) -> None:
    """Renders a template of runtime_c/projects into a file."""
    with runtime_folder() as runtime:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(runtime / "projects"),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        text = environment.get_template(template).render(context)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def copy_runtime(folder: Path, *parts: str) -> None:
    """Copies files and folders of runtime_c into the project, without templates."""
    with runtime_folder() as runtime:
        for part in parts:
            source, target = runtime / part, folder / RUNTIME / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                ignore = shutil.ignore_patterns("*.j2", "*.md", "__pycache__")
                shutil.copytree(source, target, ignore=ignore, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, target)


def copy_app(folder: Path, source: str) -> None:
    """Copies a program of runtime_c to src/main.c."""
    (folder / "src").mkdir(exist_ok=True)
    with runtime_folder() as runtime:
        shutil.copyfile(runtime / source, folder / "src" / "main.c")


def model_sources(folder: Path, archives: Sequence[Archive]) -> list[str]:
    """C files of all models, relative to the project."""
    found: list[str] = []
    for archive in archives:
        model = archive.folder.relative_to(folder).as_posix()
        found += [f"{model}/{name}" for name in archive.info.sources]
    return found


def model_includes(archives: Sequence[Archive]) -> list[str]:
    """Include flags for all models; the runtime's headers come from the project's own copy."""
    return [f"-Imodels/{archive.info.name}/codegen/host/include" for archive in archives]


def run_make(folder: Path, target: Target) -> Image:
    """Builds the program; `FitError` where the linker runs out of memory.

    Raises ToolchainError without make or compiler, BoardError with the first complaint.
    """
    make = shutil.which("make")
    if make is None:
        raise ToolchainError("make not found: install it with 'apt install make'")
    compiler = toolchain.find_compiler(target.compiler)
    done = subprocess.run(
        [make, "-C", str(folder), f"-j{_JOBS}", f"CC={compiler}"],
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if done.returncode != 0:
        raise _failure(folder, done.stderr)
    image = folder / IMAGE
    size = elf.sizes([image])
    return Image(image, size.flash, size.ram)


def built(folder: Path) -> Path:
    """Path of the built program; BoardError if it is not built yet."""
    image = folder / IMAGE
    if not image.is_file():
        raise BoardError(f"'{folder}' is not built: run 'tvm-tiny micro build' first")
    return image


class FitError(BoardError):
    """The program is larger than the board. over: bytes too many, by region."""

    def __init__(self, message: str, over: dict[str, int]) -> None:
        super().__init__(message)
        self.over = over


def _failure(folder: Path, stderr: str) -> BoardError:
    over = {region: int(size) for region, size in _OVERFLOW.findall(stderr)}
    if over:
        parts = [f"{region} by {size} bytes" for region, size in sorted(over.items())]
        return FitError(f"'{folder}' is larger than its board: {', '.join(parts)}", over)
    lines = stderr.strip().splitlines() or ["make failed and did not say why"]
    first = next((line for line in lines if _COMPLAINT.search(line)), lines[0])
    return BoardError(f"'{folder}' does not build: {first.strip()}")
