"""Compiles calls of dsp.h with their shapes as constants and runs them, on the host or a board."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
from repository import ROOT

from tvm_tiny.micro import BOARDS, compiler, emulator

RUNTIME = ROOT / "runtime_c"
BOARD = BOARDS["mps2_an386"]
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow")
POLL = 4


@dataclass(frozen=True)
class Case:
    """A call, its buffers (argument k is at[k]), and what each holds after it; None is anything.

    The first two buffers are only read.
    """

    name: str
    call: str
    buffers: Sequence[np.ndarray]
    after: Sequence[np.ndarray | None]


@dataclass(frozen=True)
class Outcome:
    """Buffers after the call, guard bytes it damaged, instructions it took (0 on the host)."""

    buffers: list[np.ndarray]
    damaged: int
    instructions: int


def write_cases(cases: Sequence[Case], folder: Path) -> None:
    """dsp_cases.h and inputs.bin; a call of nothing goes first, to measure against."""
    head = '#include "tvm_tiny/dsp.h"\n#include "platform.h"\n'
    function = "static TVM_TINY_NOINLINE void case_%d(uint8_t* const* at) {\n  (void)at;\n%s}\n"
    calls = ["  TVM_TINY_KEEP_CALL();\n", *(case.call for case in cases)]
    bodies = "".join(function % (i, call) for i, call in enumerate(calls))
    names = ", ".join(f"case_{i}" for i in range(len(calls)))
    table = f"static void (*const dsp_cases[])(uint8_t* const*) = {{{names}}};\n"
    (folder / "dsp_cases.h").write_text(head + bodies + table)
    parts = [struct.pack("<I", 0)]
    for case in cases:
        sizes = [b.nbytes for b in case.buffers]
        parts.append(struct.pack(f"<I{len(sizes)}I", len(sizes), *sizes))
        parts += [b.tobytes() for b in case.buffers]
    (folder / "inputs.bin").write_bytes(b"".join(parts))


def run_on_host(cases: Sequence[Case], folder: Path, command: Sequence[str]) -> list[Outcome]:
    write_cases(cases, folder)
    sources = [Path(__file__).parent / "dsp_main.c", RUNTIME / "boards/host/files.c"]
    flags = [*WARNINGS, *_includes(folder, "host")]
    _check([*command, *flags, *map(str, sources), "-o", str(folder / "cases")])
    _check([str(folder / "cases")], folder)
    return read_outcomes(cases, folder)


def run_on_board(cases: Sequence[Case], folder: Path) -> list[Outcome]:
    write_cases(cases, folder)
    boards = RUNTIME / "boards"
    names = ("common/semihosting.c", "common/report.c", "cortex_m/startup.c")
    sources = [Path(__file__).parent / "dsp_main.c", *(boards / name for name in names)]
    flags = (*WARNINGS, *board_includes(folder))
    units = [compiler.Unit(source, flags) for source in sources]
    objects = compiler.compile_units(BOARD.target, units, folder)
    template = jinja2.Template((boards / "common/memory.ld.j2").read_text())
    (folder / "memory.ld").write_text(template.render(board=BOARD, machine=BOARD.machine))
    script = ("-nostartfiles", f"-L{folder}", f"-T{boards / 'common/sections.ld'}")
    compiler.link(BOARD.target, objects, script, folder / "cases.elf")
    emulator.execute(BOARD, folder / "cases.elf", folder, 60)
    return read_outcomes(cases, folder)


def read_outcomes(cases: Sequence[Case], folder: Path) -> list[Outcome]:
    data = (folder / "outputs.bin").read_bytes()
    empty = _instructions(data, 0)
    at = 12
    outcomes = []
    for case in cases:
        damaged = struct.unpack_from("<I", data, at)[0]
        instructions = _instructions(data, at) - empty
        at += 12
        buffers = []
        for b in case.buffers:
            buffers.append(np.frombuffer(data, b.dtype, b.size, at).reshape(b.shape))
            at += b.nbytes
        outcomes.append(Outcome(buffers, damaged, instructions))
    assert at == len(data)
    return outcomes


def check(cases: Sequence[Case], outcomes: Sequence[Outcome]) -> None:
    """Every buffer holds what it should, and nothing beside them was written."""
    assert len(cases) == len(outcomes)
    for case, outcome in zip(cases, outcomes, strict=True):
        assert outcome.damaged == 0, case.name
        for k, (got, want) in enumerate(zip(outcome.buffers, case.after, strict=True)):
            if want is not None:
                np.testing.assert_array_equal(got, want, f"{case.name}, buffer {k}")


def _instructions(data: bytes, at: int) -> int:
    ticks, polls = struct.unpack_from("<2I", data, at + 4)
    return round(ticks * BOARD.machine.instructions_per_tick) - POLL * polls


def _includes(folder: Path, platform: str) -> list[str]:
    boards = RUNTIME / "boards"
    places = (folder, boards / "common", boards / platform, RUNTIME / "include")
    return [f"-I{place}" for place in places]


def board_includes(folder: Path) -> list[str]:
    return _includes(folder, "cortex_m")


def _check(command: Sequence[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
