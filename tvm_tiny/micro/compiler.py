"""Compiles a model's sources and the board support; links firmware."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from tvm_tiny import toolchain
from tvm_tiny.archive.metadata import SOURCES, read_model_info
from tvm_tiny.errors import BoardError, DataError, ToolchainError
from tvm_tiny.targets import Target

#: Compilers that run at once. More would take the machine from other users and gain little.
_JOBS = 2

#: Flags of the board support alone. Without a C library gcc must not turn loops into calls of
#: strlen, or the loop within memcpy into a call of memcpy.
BOARD_FLAGS = {"riscv": ("-fno-tree-loop-distribute-patterns",)}

#: GNU ld: "region `FLASH' overflowed by 1234 bytes".
_OVERFLOW = re.compile(r"region [`'](\w+)' overflowed by (\d+) bytes?")

#: gcc's message for RISC-V sources with float operators when picolibc is missing.
_NO_MATH = "fatal error: math.h: No such file"

#: The most telling line of a compiler's or linker's output.
_COMPLAINT = re.compile(r"error: (?!ld returned)|undefined reference|truncated to fit")


class RegionOverflowError(Exception):
    """A program does not fit its memory. over: bytes too many, by region of the linker script."""

    def __init__(self, over: dict[str, int]) -> None:
        super().__init__(str(over))
        self.over = over


@dataclass(frozen=True)
class Unit:
    """One source and the flags for it alone."""

    source: Path
    flags: tuple[str, ...] = ()


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """The installed runtime_c as a folder; a zipped package is unpacked for the time being."""
    with as_file(files("tvm_tiny.runtime_c")) as folder:
        yield folder


def model_sources(mlf_dir: Path) -> list[Path]:
    """The C sources of a Model Library Format folder, sorted; DataError if there are none.

    Only sources that the metadata names count: other files in the folder are not the compiler's.
    """
    sources = [mlf_dir / name for name in read_model_info(mlf_dir).sources]
    if not sources:
        raise DataError(f"{mlf_dir}: no C sources below {SOURCES}")
    return sources


def model_includes(mlf_dir: Path) -> tuple[str, ...]:
    """Include flags for a model's sources; the archive has its own runtime headers."""
    return (
        f"-I{mlf_dir / 'codegen' / 'host' / 'include'}",
        f"-I{mlf_dir / 'runtime' / 'include'}",
    )


def platform_includes(target: Target, runtime: Path) -> tuple[str, ...]:
    """Include flags for the C library headers that a target's compiler comes without.

    Our own come first, so that models without float operators build the same whether or not
    picolibc is installed.
    """
    if target.platform != "riscv":
        return ()
    picolibc = toolchain.find_picolibc()
    rest = () if picolibc is None else ("-idirafter", str(picolibc / "include"))
    return ("-isystem", str(runtime / "boards" / "riscv" / "include"), *rest)


def link_flags(target: Target) -> tuple[str, ...]:
    """Flags for start files and libraries.

    libm is for models with float operators; it adds nothing to other models.
    """
    if target.platform == "host":
        return ("-lm",)
    if target.platform == "cortex_m":
        return ("-nostartfiles", "-lm")
    picolibc = toolchain.find_picolibc()
    if picolibc is None:
        return ("-nostdlib", "-lgcc")
    folder = picolibc / "lib" / "rv32imac" / "ilp32"
    return ("-nostdlib", f"-L{folder}", "-lm", "-lc", "-lgcc")


def compile_units(target: Target, units: Sequence[Unit], out_dir: Path) -> list[Path]:
    """Compiles units, two at a time; the paths of their objects in `out_dir`, in order.

    Raises BoardError with the first error of the compiler, ToolchainError without a compiler.
    """
    compiler = toolchain.find_compiler(target.compiler)
    objects = [out_dir / f"{index:03d}_{unit.source.stem}.o" for index, unit in enumerate(units)]

    def compile_one(unit: Unit, obj: Path) -> None:
        flags = [*target.cflags, *unit.flags]
        _tool([str(compiler), *flags, "-c", str(unit.source), "-o", str(obj)], unit.source.name)

    with ThreadPoolExecutor(_JOBS) as pool:
        for _ in pool.map(compile_one, units, objects):
            pass
    return objects


def link(target: Target, objects: Sequence[Path], flags: Sequence[str], elf: Path) -> None:
    """Links firmware; RegionOverflowError if a region of the linker script is too small."""
    compiler = toolchain.find_compiler(target.compiler)
    command = [str(compiler), *target.cflags, *map(str, objects), *flags, "-o", str(elf)]
    _tool(command, elf.name)


def _tool(command: list[str], what: str) -> None:
    """Runs a compiler or linker with English messages, which `_COMPLAINT` and `_OVERFLOW` match."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode == 0:
        return
    over = {region: int(size) for region, size in _OVERFLOW.findall(done.stderr)}
    if over:
        raise RegionOverflowError(over)
    if _NO_MATH in done.stderr:
        raise ToolchainError(
            f"{what} has float operators, for which {Path(command[0]).name} has no C library: "
            f"install it with 'apt install {toolchain.PICOLIBC_PACKAGE}'"
        )
    lines = done.stderr.splitlines() or [f"exit status {done.returncode}"]
    first = next((line for line in lines if _COMPLAINT.search(line)), lines[0])
    raise BoardError(f"{what} does not build with {Path(command[0]).name}: {first.strip()}")
