"""Fixtures of the board tests."""

from __future__ import annotations

import pytest
from tools import require

from tvm_tiny.micro.boards import BOARDS

EMULATED = [name for name, board in BOARDS.items() if board.machine is not None]


def _board_parameter(name: str):
    marks = () if BOARDS[name].machine is None else (pytest.mark.qemu,)
    return pytest.param(name, marks=marks, id=name)


@pytest.fixture(params=[_board_parameter(name) for name in BOARDS])
def board(request) -> str:
    """Every board by name, the host too."""
    _require_board(request.param)
    return request.param


@pytest.fixture(params=[_board_parameter(name) for name in EMULATED])
def emulated(request) -> str:
    """Every emulated board by name."""
    _require_board(request.param)
    return request.param


def _require_board(name: str) -> None:
    chosen = BOARDS[name]
    require(chosen.target.compiler)
    if chosen.machine is not None:
        require(chosen.machine.emulator)
