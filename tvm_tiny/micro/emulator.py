"""Starts firmware on its board, with a time limit, and explains how it ended."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tvm_tiny.errors import BoardError
from tvm_tiny.toolchain import find_tool

from .boards import Board
from .elf import function_at, is_elf
from .report import EXIT_FAILED, EXIT_FAULT, describe_code, read_lines


def run_command(board: Board, elf: Path) -> list[str]:
    """The command that runs an executable; ToolchainError without the emulator.

    `-icount shift=0` makes virtual time advance one nanosecond an instruction, so that counts
    repeat exactly; nothing of the host's clock reaches the firmware.
    """
    machine = board.machine
    if machine is None:
        return [str(elf)]
    return [
        str(find_tool(machine.emulator)),
        *machine.arguments,
        *("-display", "none", "-monitor", "none", "-serial", "none", "-net", "none"),
        *("-icount", "shift=0"),
        *("-semihosting-config", "enable=on,target=native"),
        *("-kernel", str(elf)),
    ]


def execute(board: Board, elf: Path, folder: Path, timeout_s: float) -> None:
    """Runs firmware in `folder` until it ends.

    Raises BoardError if it is not done after `timeout_s`, faults or reports an error.
    """
    command = run_command(board, elf)
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        finished = sum(line.word == "sample" for line in read_lines(folder / "report.txt"))
        raise BoardError(
            f"{board.name}: no end after {timeout_s:g} s, {finished} samples finished; the "
            "firmware hangs, or needs a longer time limit"
        ) from error
    except OSError as error:
        raise BoardError(f"{board.name}: {command[0]} does not start: {error}") from error
    if done.returncode != 0:
        raise BoardError(f"{board.name}: {explain_end(elf, folder, done.returncode, done.stderr)}")


def explain_end(elf: Path, folder: Path, status: int, stderr: str) -> str:
    """Why a run in `folder` ended with an exit status other than 0."""
    if status == EXIT_FAULT:
        return _explain_fault(elf, folder)
    lines = read_lines(folder / "report.txt")
    if status == EXIT_FAILED and lines and lines[-1].word == "end":
        finished = sum(line.word == "sample" for line in lines)
        return f"code {describe_code(lines[-1].fields['code'])} at sample {max(finished, 1) - 1}"
    if "Lockup" in stderr:
        return "the processor locked up: a fault within its fault handler, often a lost stack"
    said = stderr.strip().splitlines()
    ended = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return f"{ended}: {said[0]}" if said else ended


def _explain_fault(elf: Path, folder: Path) -> str:
    lines = read_lines(folder / "fault.txt")
    fields = lines[0].fields if lines else {}
    pc = fields.get("pc")
    if pc is None:
        return "fault with a stack pointer outside RAM: the stack overflowed"
    where = function_at(elf, pc) if is_elf(elf) else None
    cause = f", cause 0x{fields['cause']:x}" if "cause" in fields else ""
    return f"fault at pc 0x{pc:08x} in {where or 'no known function'}{cause}"
