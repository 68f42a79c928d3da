"""The QEMU command of a build, with serial ports that a host can talk to.

Machine, processor and options are those of the build's own `run_qemu`. Its console shares a line
with QEMU's monitor, which takes bytes from it, so all of its serial ports are replaced.
"""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tvm_tiny.errors import BoardError, ToolchainError
from tvm_tiny.toolchain import find_tool

from .build import Build
from .devicetree import serial_index
from .symbols import read_string

#: Options of `run_qemu` that are removed with their argument; the others are kept.
_REPLACED = ("-serial", "-chardev", "-mon", "-monitor", "-pidfile", "-display")
#: Symbol of the session's string that names its UART.
_SYMBOL = "tvm_tiny_session_uart"
#: File for the console's output, in the build's folder.
CONSOLE_LOG = "console.log"


def emulator_command(build: Build) -> list[str]:
    """The command that runs a build, to which the session's `-serial` must be appended.

    The console's text goes to the file console.log of the build's folder, unless the session uses
    the console's UART. Raises BoardError if Zephyr knows no emulator for the board, or the
    application has no session; ToolchainError without the emulator.
    """
    machine = machine_command(build)
    uart = read_string(build.elf, _SYMBOL)
    if uart is None:
        raise BoardError(f"{build.elf}: no session in it; set CONFIG_TVM_TINY_SESSION=y")
    index = serial_index(build.folder / "zephyr" / "zephyr.dts", uart)
    earlier = [f"file:{build.folder / CONSOLE_LOG}", *["null"] * (index - 1)] if index else []
    serial = [part for port in earlier for part in ("-serial", port)]
    return [*machine, "-display", "none", "-monitor", "none", *serial]


def machine_command(build: Build) -> list[str]:
    """The command that runs a build, without its serial ports, display and monitor.

    Raises BoardError if Zephyr knows no emulator for the board, ToolchainError without it.
    """
    return _without_serial_ports(_run_command(build.folder))


def is_emulated(build: Build) -> bool:
    """Whether Zephyr knows how to run a build in QEMU."""
    return "run_qemu: phony" in (build.folder / "build.ninja").read_text(encoding="utf-8")


def _run_command(folder: Path) -> list[str]:
    """The command that `ninja run_qemu` would execute."""
    command = ["ninja", "-C", str(folder), "-t", "commands", "run_qemu"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolchainError(
            f"ninja does not start ({error.strerror}): install it with 'apt install ninja-build'"
        ) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise BoardError(f"'{folder}': Zephyr knows no QEMU for this board; use a serial port")
    for part in _split(shlex.split(lines[-1])):
        if Path(part[0]).name.startswith("qemu-system-"):
            return part
        if part[0].startswith("QEMU-NOTFOUND"):
            find_tool("qemu-system-arm")
    raise BoardError(f"'{folder}': no qemu-system-* in {lines[-1]!r}; is QEMU installed?")


def _split(words: list[str]) -> list[list[str]]:
    """The commands of a line that joins them by `&&`."""
    commands: list[list[str]] = [[]]
    for word in words:
        if word == "&&":
            commands.append([])
        else:
            commands[-1].append(word)
    return [command for command in commands if command]


def _without_serial_ports(command: list[str]) -> list[str]:
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word in _REPLACED:
            next(words, None)
        elif word != "-nographic":
            # Semihosting may name the console, which has been removed.
            kept.append(word.replace(",chardev=con", ""))
    return kept
