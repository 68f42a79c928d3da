"""The Helium micro-kernels give NumPy's results, with their instructions and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernels.mve_cases import all_cases
from kernels.plain_runs import run_cases, run_on_host
from tools import require

from tvm_tiny.micro.boards import find_board

HELPER = ("-include", str(Path(__file__).with_name("mve_at_end.h")))
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.parametrize(
    ("tool", "flags"),
    [("gcc", ("-O1", *SANITIZERS)), ("gcc", ("-O2",)), ("clang", ("-O2",))],
    ids=["gcc-sanitizers", "gcc", "clang"],
)
def test_portable_form_is_exact(tool, flags, tmp_path):
    require(tool)
    run_on_host(tool, all_cases(1), tmp_path, (*flags, *HELPER))


@pytest.mark.qemu
def test_helium_instructions_are_exact(tmp_path):
    board = find_board("mps3_an547")
    require(board.target.compiler, board.machine.emulator)
    run_cases(board.name, all_cases(2), tmp_path, HELPER)
