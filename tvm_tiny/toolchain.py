"""Finds compilers and emulators; the error for a missing one names its package."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from .errors import ToolchainError

ARM_GCC = "arm-none-eabi-gcc"
RISCV_GCC = "riscv64-unknown-elf-gcc"
QEMU_ARM = "qemu-system-arm"
QEMU_RISCV32 = "qemu-system-riscv32"
HOST_CC = "cc"

#: Debian and Ubuntu packages that provide each tool.
PACKAGES: Mapping[str, str] = MappingProxyType(
    {
        ARM_GCC: "gcc-arm-none-eabi libnewlib-arm-none-eabi",
        RISCV_GCC: "gcc-riscv64-unknown-elf",
        QEMU_ARM: "qemu-system-arm",
        QEMU_RISCV32: "qemu-system-misc",
        HOST_CC: "gcc libc6-dev",
    }
)

#: Package of the C library for RISC-V, and where Debian and Ubuntu put it.
PICOLIBC_PACKAGE = "picolibc-riscv64-unknown-elf"
_PICOLIBC = Path("/usr/lib/picolibc/riscv64-unknown-elf")

#: Other names under which a tool may be installed, in order of preference.
_ALTERNATIVES: Mapping[str, tuple[str, ...]] = MappingProxyType({HOST_CC: ("cc", "gcc", "clang")})


def find_tool(name: str) -> Path:
    """Path of an executable on PATH. name: a key of PACKAGES.

    Raises ToolchainError with the package to install if it is missing.
    """
    for candidate in _ALTERNATIVES.get(name, (name,)):
        found = shutil.which(candidate)
        if found is not None:
            return Path(found)
    raise ToolchainError(f"{name} not found: install it with 'apt install {PACKAGES[name]}'")


def find_compiler(name: str) -> Path:
    """Finds a compiler like `find_tool`, and checks that Arm's has a C library.

    Debian ships newlib apart from the compiler; without it the first error would be a missing
    string.h deep in a model's source.
    """
    compiler = find_tool(name)
    if name == ARM_GCC:
        answer = _output([str(compiler), "-print-file-name=libc.a"])
        # gcc answers with the bare name if it does not find the file.
        if not Path(answer).is_absolute():
            raise ToolchainError(
                f"{name} has no C library: install it with 'apt install {PACKAGES[name]}'"
            )
    return compiler


def find_picolibc() -> Path | None:
    """Folder of RISC-V's C library, or None; only models with float operators need it."""
    return _PICOLIBC if _PICOLIBC.is_dir() else None


def find_binutil(compiler: str, name: str) -> Path:
    """Path of a program such as `objdump` from the compiler's binutils."""
    binutil = compiler.removesuffix("-gcc") + f"-{name}" if compiler.endswith("-gcc") else name
    found = shutil.which(binutil)
    if found is None:
        raise ToolchainError(
            f"{binutil} not found: install it with 'apt install {PACKAGES[compiler]}'"
        )
    return Path(found)


def _output(command: list[str]) -> str:
    """Output of a command; ToolchainError if it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolchainError(f"{command[0]} does not run: {error}") from error
    return done.stdout.strip()
