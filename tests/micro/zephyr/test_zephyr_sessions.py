"""Zephyr applications in QEMU, from a model to outputs, where ZEPHYR_BASE names a tree."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest
from noisy_line import NoisyTransport
from stub_zephyr import MODULE
from tools import require
from zephyr_model import INPUT_SHAPE, write_tiny

from tvm_tiny import toolchain
from tvm_tiny.archive.reader import open_archive
from tvm_tiny.errors import BoardError, BudgetError, DataError
from tvm_tiny.micro import Session, zephyr
from tvm_tiny.micro.firmware import build_firmware
from tvm_tiny.micro.projects.project import Project, create_project
from tvm_tiny.micro.session.transport import start_qemu
from tvm_tiny.micro.zephyr.build import open_build

pytestmark = pytest.mark.qemu

EMULATORS = {"qemu_riscv32": toolchain.QEMU_RISCV32}
BOARDS = ["qemu_cortex_m3", "mps2_an385", "mps2_an521", "mps3_an547", "qemu_riscv32"]
#: The device side of a session may add so much.
FLASH_LIMIT, RAM_LIMIT = 6 * 1024, 1024
_UNITS = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}


@pytest.fixture(scope="module")
def models(tiny, tmp_path_factory):
    return [tiny, write_tiny(tmp_path_factory.mktemp("other"), "other")]


@pytest.fixture(scope="module", params=BOARDS)
def project(request, tree, models, tmp_path_factory) -> Project:
    """A project of two models with timed steps, built."""
    try:
        board = zephyr.find_zephyr_board(tree.base, request.param)
    except DataError as error:
        pytest.skip(str(error))
    require(EMULATORS.get(request.param, toolchain.QEMU_ARM))
    if board.arch != "arm":
        require(toolchain.RISCV_GCC)
    folder = tmp_path_factory.mktemp(request.param) / "p"
    options = {"board": request.param, "profile": True}
    made = create_project(folder, models, "zephyr", options)
    image = made.build()
    shutil.copyfile(folder / "build" / "build.log", folder / "first.log")
    assert (image.flash_bytes, image.ram_bytes) > (0, 0)
    return made


@pytest.fixture
def samples():
    random = np.random.default_rng(1)
    return [random.integers(-128, 128, INPUT_SHAPE).astype("int8") for _ in range(4)]


def outputs_of(archive, board, folder, samples):
    """What firmware without Zephyr gives."""
    with open_archive(archive) as opened:
        result = build_firmware(opened.folder, board, folder).run([[s] for s in samples])
    return [outputs[0] for outputs in result.outputs]


def test_the_same_bytes_as_on_the_host_and_without_zephyr(project, models, samples, tmp_path):
    with Session(project.open_transport()) as session:
        ours = [
            session.run([sample], name)[0] for sample in samples for name in ("default", "other")
        ]
    for board in ("host", "mps2_an385"):
        wanted = outputs_of(models[0], board, tmp_path, samples)
        np.testing.assert_array_equal(ours[::2], wanted)
        np.testing.assert_array_equal(ours[1::2], wanted)


def test_steps_are_timed_and_memory_is_measured(project, samples):
    with Session(project.open_transport()) as session:
        session.run([samples[0]], "default", measure=True)
        (step,) = session.timing()
        marks, seconds = session.marks, session.seconds
    assert 0 < step.seconds <= seconds
    assert 0 < marks.stack < 4096
    assert 0 < marks.arena <= session.models[0].arena_bytes


def test_a_reset_board_answers_again(project, samples):
    with Session(project.open_transport()) as session:
        first = session.run([samples[0]], "default")
        session.reset()
        np.testing.assert_array_equal(session.run([samples[0]], "default"), first)


def test_a_bad_line_gives_no_wrong_result(project, samples):
    with Session(project.open_transport()) as session:
        wanted = [session.run([sample], "default")[0] for sample in samples]
    line = NoisyTransport(project.open_transport(), seed=3, rate=0.4)
    with Session(line, retry_s=0.05) as session:
        for _ in range(8):
            for sample, right in zip(samples, wanted, strict=True):
                np.testing.assert_array_equal(session.run([sample], "default")[0], right)
    assert line.faults > 50


def test_sizes_are_those_of_the_linker(project):
    """Which counts gaps for alignment, too."""
    size = open_build(project.folder / "build").size
    log = (project.folder / "first.log").read_text()
    found = re.findall(r"^ *(\w+): +(\d+) (B|KB|MB|GB) ", log, re.M)
    used = {name: int(size) * _UNITS[unit] for name, size, unit in found}
    assert 0 <= used["RAM"] - size.ram < 64
    assert "FLASH" not in used or 0 <= used["FLASH"] - size.flash < 64


def test_a_session_is_small(project):
    """All of its code and data, before the linker drops what is not used."""
    compiler = toolchain.ARM_GCC if "riscv" not in str(project.values) else toolchain.RISCV_GCC
    size = toolchain.find_binutil(compiler, "size")
    library = project.folder / "build" / "modules" / "tvm_tiny" / "libtvm_tiny.a"
    said = subprocess.run([size, "-t", library], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(word) for word in said.splitlines()[-1].split()[:3])
    assert 0 < text + data <= FLASH_LIMIT
    assert 0 < data + bss <= RAM_LIMIT


@pytest.fixture(scope="module")
def polled(tree, tiny, tmp_path_factory):
    """A project whose UART is polled; made for a board by its name of later trees."""
    folder = tmp_path_factory.mktemp("polled") / "p"
    project = create_project(folder, [tiny], "zephyr", {"board": "mps2/an385"})
    with (folder / "prj.conf").open("a") as file:
        file.write("CONFIG_UART_INTERRUPT_DRIVEN=n\n")
    project.build()
    return project


def test_a_uart_may_be_polled(polled, samples, tiny, tmp_path):
    with Session(polled.open_transport()) as session:
        ours = [session.run([sample])[0] for sample in samples]
    np.testing.assert_array_equal(ours, outputs_of(tiny, "host", tmp_path, samples))


def test_the_console_is_apart_from_the_session(polled):
    polled.open_transport().close()
    with Session(polled.open_transport()):
        pass
    log = (polled.folder / "build" / "console.log").read_text()
    assert "tvm_tiny: a session with 1 models" in log


def test_a_chosen_uart_is_used(polled, samples):
    overlay = polled.folder / "app.overlay"
    overlay.write_text("/ { chosen { tvm-tiny,session-uart = &uart2; }; };\n")
    polled.build({})
    command = zephyr.emulator_command(open_build(polled.folder / "build"))
    assert command.count("-serial") == 2  # the console, nothing, and then the session
    with Session(polled.open_transport()) as session:
        assert session.run([samples[0]])[0].shape == (1, 3, 3, 4)


def test_the_session_sample_writes_its_own_glue(tree, models, samples, tmp_path):
    board = zephyr.find_zephyr_board(tree.base, "mps2_an385")
    definitions = {"MODELS": ";".join(map(str, models))}
    source = MODULE / "samples" / "session"
    build = zephyr.build_application(tree, board, source, tmp_path / "b", MODULE, definitions)
    wanted = outputs_of(models[0], "host", tmp_path, samples)
    with Session(start_qemu(zephyr.emulator_command(build))) as session:
        assert [model.name for model in session.models] == ["default", "other"]
        ours = [session.run([sample], "other", measure=True)[0] for sample in samples]
        assert session.timing()
    np.testing.assert_array_equal(ours, wanted)


def test_the_consoles_uart_is_refused(tree, tiny, tmp_path):
    options = {"board": "mps2_an385", "session_uart": "uart0"}
    project = create_project(tmp_path / "p", [tiny], "zephyr", options)
    with pytest.raises(BoardError, match="the session's UART is the console's") as raised:
        project.build()
    assert "\n" not in str(raised.value)


def test_a_board_that_is_too_small_is_refused(tree, tiny, tmp_path):
    options = {"board": "qemu_cortex_m3", "config_main_stack_size": 100_000}
    project = create_project(tmp_path / "p", [tiny], "zephyr", options)
    with pytest.raises(BudgetError, match=r"does not fit Zephyr board qemu_cortex_m3: .*RAM by"):
        project.build()


def test_a_project_that_is_not_built_says_so(tree, tiny, tmp_path):
    project = create_project(tmp_path / "p", [tiny], "zephyr", {"board": "mps2_an385"})
    with pytest.raises(BoardError, match="build the project first"):
        project.open_transport()


def test_an_unknown_board_leaves_no_project(tree, tiny, tmp_path):
    with pytest.raises(DataError, match="did you mean 'mps2_an385'"):
        create_project(tmp_path / "p", [tiny], "zephyr", {"board": "mps2_an385x"})
    assert not (tmp_path / "p").exists()
