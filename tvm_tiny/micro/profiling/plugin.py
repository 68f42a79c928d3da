"""Builds the QEMU plugin that counts instructions, and runs firmware with it.

The plugin is built on first use and kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tvm_tiny import toolchain
from tvm_tiny.errors import BoardError, ToolchainError

from ..compiler import runtime_folder
from ..firmware import Firmware, RunResult
from .code import Code
from .layers import Driver

_FLAGS = ("-std=c99", "-O2", "-fPIC", "-shared", "-fvisibility=hidden")
# On macOS the linker must be told to leave functions that QEMU exports undefined.
_UNDEFINED = {"Darwin": ("-undefined", "dynamic_lookup")}

#: Contexts of profile.c other than calls of kernels.
CALLER, DRIVER, INTERRUPT = 1, 2, 3

#: Functions of runtime_c/boards that measure, and that handle interrupts.
_MEASURES, _RUNS = "measure_model", "tvm_tiny_model_run"
_INTERRUPTS = ("tvm_tiny_systick_handler",)


class PluginMissingError(Exception):
    """The plugin cannot be built or loaded; the caller uses the board's timer instead."""


@dataclass(frozen=True)
class Count:
    """The instructions at addresses first to last ran `runs` times in a context.

    jumps: how many of these runs did not continue with the instruction after the block.
    """

    first: int
    last: int
    context: int
    runs: int
    jumps: int


@dataclass(frozen=True)
class Counts:
    """Counts of one inference.

    calls   address of the call instruction and of the kernel, by context
    blocks  counts of blocks of instructions
    """

    calls: dict[int, tuple[int, int]]
    blocks: tuple[Count, ...]


def build_plugin(scratch: Path) -> Path:
    """The plugin's shared library, from the cache or newly built.

    scratch  folder for the library where the user's cache cannot be written

    Raises PluginMissingError without a compiler that builds it.
    """
    with runtime_folder() as runtime:
        folder = runtime / "qemu"
        parts = [path.read_bytes() for path in sorted(folder.glob("*.[ch]"))]
        try:
            compiler = toolchain.find_tool(toolchain.HOST_CC)
        except ToolchainError as error:
            raise PluginMissingError(str(error)) from None
        machine = os.uname()
        words = [str(compiler), machine.sysname, machine.machine, *_FLAGS]
        digest = hashlib.sha256(b"\0".join([*parts, *map(str.encode, words)])).hexdigest()
        library = (_cache() or scratch) / f"qemu-profile-{digest[:24]}.so"
        if not library.is_file():
            flags = (*_FLAGS, *_UNDEFINED.get(machine.sysname, ()))
            _compile([str(compiler), *flags, str(folder / "profile.c")], library)
        return library


def _cache() -> Path | None:
    """The user's cache (XDG Base Directory Specification), or None if it cannot be written."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = base / "tvm-tiny"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter where there is no home
        return None
    return folder if os.access(folder, os.W_OK) else None


def _compile(command: Sequence[str], library: Path) -> None:
    """Compiles a library under a temporary name, since another process may do so too."""
    handle, name = tempfile.mkstemp(dir=library.parent, prefix=".plugin.", suffix=".so")
    os.close(handle)
    try:
        done = subprocess.run([*command, "-o", name], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = next((s for s in done.stderr.splitlines() if "error" in s), "no reason given")
            raise PluginMissingError(f"{Path(command[0]).name} does not build the plugin: {said}")
        os.replace(name, library)
    finally:
        Path(name).unlink(missing_ok=True)


def run_counted(
    firmware: Firmware,
    plugin: Path,
    plan: str,
    inputs: Sequence[Sequence[np.ndarray]],
    timeout_s: float,
) -> tuple[RunResult, Counts]:
    """Runs all samples and counts instructions. plan: text from `plan_text`.

    Raises PluginMissingError if QEMU does not load the plugin, else as `Firmware.run`.
    """
    with tempfile.TemporaryDirectory(prefix="profile-", dir=firmware.path.parent) as name:
        folder = Path(name)
        (folder / "plan").write_text(plan, encoding="ascii")
        out = folder / "counts"
        options = {"plan": folder / "plan", "out": out}
        try:
            result = _with_plugin(firmware, plugin, options).run(inputs, timeout_s)
        except BoardError as error:
            if out.exists():
                raise
            raise PluginMissingError(f"QEMU does not load its plugin ({error})") from None
        return result, read_counts(out.read_text(encoding="ascii"))


def _with_plugin(firmware: Firmware, plugin: Path, options: dict[str, Path]) -> Firmware:
    """Firmware whose machine loads a plugin. In QEMU's options a comma is doubled."""
    machine = firmware.board.machine
    assert machine is not None
    words = [str(plugin), *(f"{key}={value}" for key, value in options.items())]
    argument = ",".join(word.replace(",", ",,") for word in words)
    machine = replace(machine, arguments=(*machine.arguments, "-plugin", argument))
    return replace(firmware, board=replace(firmware.board, machine=machine))


def plan_text(code: Code, driver: Driver, kernels: Sequence[str], sample: int) -> str:
    """The plan that tells the plugin what to count, as profile.c reads it.

    kernels  names of the layers' functions
    sample   number of the sample to count, from 1
    """
    lines = [f"sample {sample:x}", f"start {code.functions[_function(code, _MEASURES)]:x}"]
    lines += [f"driver {first:x} {end:x}" for first, end in driver.ranges]
    for word, names in (("caller", (_MEASURES, _RUNS)), ("interrupt", _INTERRUPTS)):
        found = [_function(code, name) for name in names]
        ranges = [code.range_of(name) for name in found if name]
        lines += [f"{word} {first:x} {end:x}" for first, end in ranges]
    lines += [f"entry {code.functions[name]:x}" for name in kernels if name in code.functions]
    return "\n".join(lines) + "\n"


def _function(code: Code, name: str) -> str:
    """The name of a function or of gcc's copy of it (`name.constprop.0`), else ""."""
    return min((f for f in code.functions if f.split(".")[0] == name), default="")


def read_counts(text: str) -> Counts:
    """Reads what profile.c writes; BoardError if it was cut short."""
    calls: dict[int, tuple[int, int]] = {}
    blocks: list[Count] = []
    first = last = 0
    lines = text.splitlines()
    if not lines or lines[-1] != "done":
        raise BoardError("QEMU ended before its plugin had written what it counted")
    for line in lines[:-1]:
        word, *numbers = line.split()
        values = [int(number, 16) for number in numbers]
        if word == "context":
            calls[values[0]] = (values[1], values[2])
        elif word == "block":
            first, last = values
        else:
            blocks.append(Count(first, last, *values))
    return Counts(calls, tuple(blocks))
