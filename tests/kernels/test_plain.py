"""The plain C micro-kernels give the results of NumPy on the host and on every kind of core."""

from __future__ import annotations

import numpy as np
import pytest
from aot.host_library import run_tool
from kernels.plain_additions import adds
from kernels.plain_convolutions import convolutions
from kernels.plain_depthwises import depthwises, depthwises_float32, in_place
from kernels.plain_requantizations import requantizations, requantizations_float32
from kernels.plain_runs import Case, run_cases, run_on_host
from tools import require

from tvm_tiny import toolchain
from tvm_tiny.micro.boards import find_board

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
IN_FLOAT32 = (requantizations_float32, depthwises_float32)
KINDS = (requantizations, convolutions, depthwises, in_place, adds, *IN_FLOAT32)


def all_cases(seed: int) -> list[Case]:
    """Every kernel, sizes of real layers and odd ones, extremes included."""
    rng = np.random.default_rng(seed)
    return [case for kind in KINDS for case in kind(rng)]


@pytest.mark.parametrize(
    ("tool", "flags"),
    [("gcc", ("-O0", *SANITIZERS)), ("gcc", ("-O2",)), ("clang", ("-O2",))],
    ids=["gcc-sanitizers", "gcc", "clang"],
)
def test_on_the_host(tool, flags, tmp_path):
    require(tool)
    run_on_host(tool, all_cases(1), tmp_path, flags)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("board", "flags"),
    [
        ("mps2_an385", ()),
        ("microbit", ()),
        # What the assembly for Armv6-M must leave alone: gcc's frame pointer, upper registers.
        ("microbit", ("-fno-omit-frame-pointer",)),
        ("microbit", ("-Os",)),
        ("riscv32", ()),
    ],
)
def test_on_boards(board, flags, tmp_path):
    chosen = find_board(board)
    require(chosen.target.compiler, chosen.machine.emulator)
    run_cases(board, all_cases(2), tmp_path, flags)
    if board == "microbit":
        assert undefined_symbols(tmp_path / "000_cases.o") <= OUTSIDE


# Memory functions and the board's files: neither a multiplication to 64 bits nor a division.
OUTSIDE = {"memcpy", "memset", "memmove"} | {
    f"tvm_tiny_file_{name}" for name in ("open", "write", "close")
}


def undefined_symbols(obj) -> set[str]:
    nm = toolchain.find_binutil(toolchain.ARM_GCC, "nm")
    return {line.split()[-1] for line in run_tool([nm, "-u", obj]).splitlines()}
