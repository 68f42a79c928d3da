"""The plain C micro-kernels give the results of NumPy on the host and on every kind of core."""

from __future__ import annotations

import shutil

import pytest
from kernels.plain_cases import all_cases
from kernels.plain_runs import run_cases, run_on_host
from tools import require

from tvm_tiny.micro.boards import find_board

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.parametrize(
    ("tool", "flags"),
    [("gcc", ("-O1", *SANITIZERS)), ("gcc", ("-O2",)), ("gcc", ("-O0",)), ("clang", ("-O2",))],
    ids=["gcc-sanitizers", "gcc", "gcc-O0", "clang"],
)
def test_on_the_host(tool, flags, tmp_path):
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")
    run_on_host(tool, all_cases(1), tmp_path, flags)


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["mps2_an385", "microbit", "riscv32"])
def test_on_boards(board, tmp_path):
    chosen = find_board(board)
    require(chosen.target.compiler, chosen.machine.emulator)
    run_cases(board, all_cases(2), tmp_path)
