"""The inner loops of dsp.h, on the host in plain C and on a Cortex-M4 with its instructions."""

from __future__ import annotations

import shutil

import pytest
from dsp_cases import all_cases
from dsp_run import BOARD, check, run_on_board, run_on_host
from tools import require

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
CASES = all_cases()


@pytest.mark.parametrize("command", [("gcc", "-O1", *SANITIZE), ("clang", "-O1")])
def test_portable_form_is_exact(tmp_path, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {command[0]}")
    check(CASES, run_on_host(CASES, tmp_path, (*command, "-std=c99")))


@pytest.mark.qemu
def test_dsp_instructions_are_exact(tmp_path):
    require(BOARD.target.compiler, BOARD.machine.emulator)
    check(CASES, run_on_board(CASES, tmp_path))
