"""The inner loops of dsp.h, on the host in plain C and on a Cortex-M4 with its instructions."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from dsp_cases import all_cases
from dsp_products import dot
from dsp_run import BOARD, WARNINGS, board_includes, check, run_on_board, run_on_host, write_cases
from dsp_windows import depthwise, depthwise_in_place, in_place
from tools import require

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CASES = all_cases()


@pytest.mark.parametrize("command", [("gcc", "-O0", *SANITIZE), ("clang", "-O1")])
def test_portable_form_is_exact(tmp_path, command):
    require(command[0])
    check(CASES, run_on_host(CASES, tmp_path, (*command, "-std=c99")))


@pytest.mark.qemu
def test_dsp_instructions_are_exact(tmp_path):
    require(BOARD.target.compiler, BOARD.machine.emulator)
    check(CASES, run_on_board(CASES, tmp_path))


@pytest.mark.qemu
def test_instructions_are_few(tmp_path):
    """Bounds a little above what was measured: a spill in an inner loop breaks them."""
    require(BOARD.target.compiler, BOARD.machine.emulator)
    rng = np.random.default_rng(1)
    cases = [dot(rng, 2, 2, 64), depthwise(rng, 48, 16, (3, 3), 1, 1, [0, 1, 2])]
    cases.append(in_place(rng, 16, 32, 32, (3, 3), 1, 1, [0, 1, 2]))
    cases.append(depthwise_in_place(rng, 24, 64, (3, 3), 1, 1, [0, 1, 2]))
    few = [outcome.instructions for outcome in run_on_board(cases, tmp_path)]
    assert few[0] < 64 * 15.3
    assert few[1] < 48 * 16 * 22
    assert few[2] < 16 * 32 * 9 * 32 * 1.4
    assert few[3] < 24 * 64 * 27.5


@pytest.mark.parametrize(
    "flags",
    ["-O3", "-Os", "-Og -fno-omit-frame-pointer", "-mcpu=cortex-m33", "-mfloat-abi=soft"],
)
def test_registers_suffice_with_other_flags(tmp_path, flags):
    """Assembler that leaves the compiler too few registers does not compile."""
    require(BOARD.target.compiler)
    some = CASES[:: 1 + len(CASES) // 60]
    write_cases(some, tmp_path)
    command = [BOARD.target.compiler, *BOARD.target.cflags, *flags.split(), *WARNINGS]
    source = tmp_path / "only.c"
    source.write_text(
        '#include "dsp_cases.h"\n' + "void (*const* first)(uint8_t* const*) = dsp_cases;\n"
    )
    done = subprocess.run(
        [*command, *board_includes(tmp_path), "-Wno-unused", "-c", str(source), "-o", "only.o"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[:2000]
