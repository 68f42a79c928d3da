"""What rows cost that layers do not: code and instructions, of real models on their boards.

The models and cores with the least to divide it by; the limits are those that users are told.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from tools import require

import tvm_tiny
from tvm_tiny.analysis import measure
from tvm_tiny.micro.boards import find_board
from tvm_tiny.micro.firmware import build_firmware

MOST_CODE = 1.15
MOST_INSTRUCTIONS = 1.06
FORMS: dict[str, dict[str, bool]] = {
    "layers": {},
    "least": {"minimize": True},
    "pushed": {"minimize": True, "stream_input": True},
}
STREAMED = ("least", "pushed")
BOARDS = ("mps2_an385", "mps2_an386", "mps3_an547")
SMALL, LARGE = "kws_ref_model.tflite", "pretrainedResnet_quant.tflite"
WIDE = "vww_96_int8.tflite"
CASES = [(SMALL, board) for board in BOARDS] + [
    pytest.param(LARGE, BOARDS[1]),
    *(pytest.param(LARGE, board, marks=pytest.mark.slow) for board in (BOARDS[0], BOARDS[2])),
    *(pytest.param(WIDE, board, marks=pytest.mark.slow) for board in BOARDS[1:]),
]


@functools.cache
def compiled(path: Path, target: str, form: str) -> tvm_tiny.CompiledModel:
    return tvm_tiny.build(tvm_tiny.from_file(path), target, **FORMS[form])


def code_bytes(path: Path, target: str, form: str) -> int:
    found = measure(compiled(path, target, form)).code_bytes
    assert found is not None
    return found


def instructions(path: Path, board: str, form: str, folder: Path) -> int:
    model = compiled(path, find_board(board).target.name, form)
    (port,) = model.program.interface.inputs
    model.save(folder / form, folder=True)
    firmware = build_firmware(folder / form, board, folder)
    (count,) = firmware.run([[np.zeros(port.shape, port.dtype)]], timeout_s=120).instructions
    return count


@pytest.mark.models
@pytest.mark.parametrize("form", STREAMED)
@pytest.mark.parametrize(("file", "board"), CASES)
def test_streaming_takes_little_more_code(file, board, form, model_path):
    path, target = model_path(file), find_board(board).target
    require(target.compiler)
    most = MOST_CODE * code_bytes(path, target.name, "layers")
    assert code_bytes(path, target.name, form) <= most


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize("form", STREAMED)
@pytest.mark.parametrize(("file", "board"), CASES)
def test_streaming_takes_few_more_instructions(file, board, form, model_path, tmp_path):
    path, chosen = model_path(file), find_board(board)
    require(chosen.target.compiler, chosen.machine.emulator)
    most = MOST_INSTRUCTIONS * instructions(path, board, "layers", tmp_path)
    assert instructions(path, board, form, tmp_path) <= most
