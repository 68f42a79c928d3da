"""The same models on the host and on every emulated board: the same bytes."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder
from project_runs import make_project, need, run_all
from tools import require

import tvm_tiny
from tvm_tiny import toolchain
from tvm_tiny.errors import BoardError, BudgetError, DataError, ToolchainError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.micro import BOARDS
from tvm_tiny.micro.projects import create_project

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.filterwarnings("ignore:model .* is compiled for:UserWarning"),
]
EMULATED = [name for name, board in BOARDS.items() if board.machine is not None]


@pytest.mark.parametrize("board", EMULATED)
def test_a_board_gives_what_the_host_gives(archives, samples, tmp_path, board):
    need(board)
    host = make_project(tmp_path / "host", archives)
    project = make_project(tmp_path / board, archives, board)
    for model in project.models:
        found, wanted = run_all(project, samples, model), run_all(host, samples, model)
        np.testing.assert_array_equal(found, wanted)
    assert not list((project.folder / "build").glob("run-*"))


@pytest.mark.parametrize("board", ["microbit", "mps3_an547", "riscv32"])
def test_the_program_to_start_from_prints_the_same_everywhere(archives, tmp_path, board):
    need(board)
    printed = {}
    for kind, options in (("host", {}), ("baremetal", {"board": board})):
        options = {**options, "app": "inference"}
        project = create_project(tmp_path / kind, archives, kind, options)
        project.build()
        command = ["make", "--silent", "-C", project.folder, "run"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
        printed[kind] = done.stdout
    assert printed["host"].startswith("model 0: status 0, output ")
    assert printed["host"].count("\n") == 2
    assert printed["baremetal"] == printed["host"]
    with pytest.raises(DataError, match="serves no session: start it with 'make"):
        project.open_transport()


def test_reported_sizes_are_those_of_the_file(archive, tmp_path):
    board = "mps2_an385"
    need(board)
    project = create_project(tmp_path / "p", [archive], "baremetal", {"board": board})
    image = project.build()
    size = subprocess.run(
        ["arm-none-eabi-size", image.path], check=True, capture_output=True, text=True
    )
    text, data, bss = map(int, re.findall(r"\d+", size.stdout.splitlines()[1])[:3])
    assert image.flash_bytes == text + data
    assert image.ram_bytes == data + bss - BOARDS[board].machine.stack_reserve


def compiled(folder, build):
    builder = Builder()
    path = folder / "large.tar"
    module = from_tflite(builder.finish([build(builder)]))
    tvm_tiny.build(module, name="large").save(path)
    return path


def test_an_arena_larger_than_the_ram_is_refused_at_once(tmp_path):
    def build(b):
        weights = np.ones((4, 1, 1, 4), "int8")
        x = b.input((1, 64, 64, 4), Quant(0.1, 0))
        return b.conv2d(x, weights, [0.1] * 4, np.zeros(4, "int32"), Quant(0.1, 0))

    path = compiled(tmp_path, build)
    with pytest.raises(BudgetError, match=r"'large' needs \d+ bytes of SRAM, board microbit has"):
        create_project(tmp_path / "p", [path], "baremetal", {"board": "microbit"})
    assert not (tmp_path / "p").exists()


def test_weights_larger_than_the_flash_are_told_by_the_build(tmp_path):
    need("microbit")

    def build(b):
        weights = np.random.default_rng(0).integers(-127, 128, (600, 600)).astype("int8")
        x = b.input((1, 600), Quant(0.1, 0))
        return b.fully_connected(x, weights, [0.1] * 600, np.zeros(600, "int32"), Quant(0.1, 0))

    path = compiled(tmp_path, build)
    project = create_project(tmp_path / "p", [path], "baremetal", {"board": "microbit"})
    pattern = r"does not fit board microbit: flash needs \d+ bytes, 262144 available"
    with pytest.raises(BoardError, match=pattern) as caught:
        project.build()
    assert "\n" not in str(caught.value)


def test_a_model_for_another_processor_is_pointed_out(archive, tmp_path):
    with pytest.warns(UserWarning, match="'one' is compiled for host, .* for a cortex-m0"):
        create_project(tmp_path / "p", [archive], "baremetal", {"board": "microbit"})


def test_running_before_building_is_one_line(archive, tmp_path):
    project = create_project(tmp_path / "p", [archive], "baremetal", {"board": "microbit"})
    with pytest.raises(BoardError, match="is not built"):
        project.open_transport()


def test_a_missing_compiler_is_named(archive, tmp_path, monkeypatch):
    require(toolchain.HOST_CC)
    project = create_project(tmp_path / "p", [archive], "baremetal", {"board": "microbit"})
    monkeypatch.setattr(
        toolchain.shutil, "which", lambda name: "/bin/make" if name == "make" else None
    )
    with pytest.raises(ToolchainError, match="apt install gcc-arm-none-eabi"):
        project.build()
