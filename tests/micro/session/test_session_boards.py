"""Sessions with firmware on the emulated boards, over their UARTs, and with the host's."""

from __future__ import annotations

import functools
import random

import numpy as np
import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import build_library
from aot.pool_models import CASES, network
from aot.test_edge_models import random_inputs
from fake_archive import fake_archive
from faulty_line import WEIGHTS, FaultyTransport
from tools import require

import tvm_tiny
from tvm_tiny import toolchain
from tvm_tiny.archive.reader import read_folder
from tvm_tiny.errors import BoardError, TransportError
from tvm_tiny.micro import BOARDS, Session
from tvm_tiny.micro.session.firmware import build_session_firmware

GOLDEN = ("kws_ref_model", "ad01_int8", "vww_96_int8")
EMULATED = [board.name for board in BOARDS.values() if board.machine is not None]


def needs(board: str) -> None:
    require(BOARDS[board].target.compiler)
    if BOARDS[board].machine is not None:
        require(BOARDS[board].machine.emulator)


@functools.cache
def compiled(path, name, target):
    return tvm_tiny.build(tvm_tiny.from_file(path), target, name=name)


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize("board", [pytest.param("host", marks=pytest.mark.slow), "mps2_an386"])
def test_three_models_give_the_recorded_bytes(board, model_path, golden, tmp_path):
    needs(board)
    archives = []
    for stem in GOLDEN:
        model = compiled(model_path(f"{stem}.tflite"), stem, BOARDS[board].target.name)
        model.save(tmp_path / stem, folder=True)
        archives.append(read_folder(tmp_path / stem))
    firmware = build_session_firmware(archives, board, tmp_path / "work", profile=True)
    # One arena for all of them.
    assert firmware.size.ram < sum(archive.info.workspace_bytes for archive in archives)
    with Session(firmware.open(), timeout_s=60) as session:
        for model in session.models:
            inputs, expected = golden(model.name)
            for k in range(2):
                feed = np.ascontiguousarray(inputs[k : k + 1]).reshape(model.inputs[0].shape)
                (output,) = session.run([feed], model.name, measure=k == 1)
                np.testing.assert_array_equal(output.ravel(), expected[k].ravel())
            assert session.marks.arena <= model.arena_bytes
            steps = sum(step.seconds for step in session.timing())
            assert 0.95 * session.seconds <= steps <= session.seconds * (1 + 1e-9)


@pytest.mark.models
@pytest.mark.qemu
def test_a_streamed_input_is_worked_on_as_it_comes(model_path, golden, tmp_path):
    needs("mps2_an386")
    mod = tvm_tiny.from_file(model_path("kws_ref_model.tflite"))
    model = tvm_tiny.build(mod, "cortex-m4", name="kws", minimize=True, stream_input=True)
    model.save(tmp_path / "kws", folder=True)
    firmware = build_session_firmware([read_folder(tmp_path / "kws")], "mps2_an386", tmp_path)
    inputs, expected = golden("kws_ref_model")
    with Session(firmware.open(), timeout_s=60) as session:
        (output,) = session.run([inputs[:1]], measure=True)
        np.testing.assert_array_equal(output.ravel(), expected[0].ravel())
        assert session.marks.stack < 1024
        assert session.marks.arena <= model.workspace_bytes


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["host", *EMULATED])
def test_every_board_has_sessions(board, tmp_path):
    needs(board)
    archive = fake_archive(tmp_path / "model", buffer=400, work=50)
    firmware = build_session_firmware([archive], board, tmp_path / "work", profile=True)
    transport = firmware.open()
    transport.write(random.Random(0).randbytes(300), 10)  # a line is never clean at first
    with Session(transport, timeout_s=60) as session:
        x = np.arange(64, dtype=np.int8).reshape(1, 64)
        np.testing.assert_array_equal(session.run([x], measure=True)[0], x + 3)
        (step,) = session.timing()
        assert step.name == "y:0"
        assert session.marks.arena == archive.info.workspace_bytes
        if board != "host":
            assert 400 < session.marks.stack < 700
            assert 0.8 * session.seconds < step.seconds <= session.seconds * (1 + 1e-9)
        session.reset()
        np.testing.assert_array_equal(session.run([x])[0], x + 3)


@pytest.mark.qemu
@pytest.mark.parametrize(
    "case",
    [
        pytest.param("layers_copied", marks=pytest.mark.slow),
        pytest.param("caller_copied", marks=pytest.mark.slow),
        "pushed_copied",
    ],
)
def test_two_models_in_pools_with_copied_weights_share_them(case, tmp_path):
    needs("mps2_an386")
    sizes, _, options = CASES[case]
    models = [network(name, (*sizes[:2], 5003), "psram", **options) for name in ("one", "two")]
    for model in models:
        model.save(tmp_path / model.program.name, folder=True)
    archives = [read_folder(tmp_path / name) for name in ("one", "two")]
    ports = models[0].program.interface.inputs
    real = random_inputs(EDGE_MODELS["network"]())
    inputs = [port.to_device(x) for port, x in zip(ports, real, strict=True)]
    expected = build_library(models[:1], tmp_path / "host")["one"].run(inputs)
    firmware = build_session_firmware(archives, "mps2_an386", tmp_path / "work")
    with Session(firmware.open(), timeout_s=60) as session:
        for name in ("one", "two", "one"):
            (output,) = session.run(inputs, name, measure=True)
            np.testing.assert_array_equal(output, expected[0])
            assert session.marks.arena <= session.models[0].arena_bytes


class Uart:
    """A board's line as the device of a FaultyTransport."""

    def __init__(self, transport):
        self.transport = transport

    def feed(self, data):
        self.transport.write(data, 10)

    def take(self):
        """A whole answer, which comes byte by byte."""
        data = more = self.transport.read(65536, 0.2)
        while more and not (len(data) > 1 and data.endswith(b"\0")):
            more = self.transport.read(65536, 0.2)
            data += more
        return data


@pytest.mark.qemu
def test_faults_of_a_real_uart_are_recovered_from(tmp_path, monkeypatch):
    needs("mps2_an386")
    weights = {name: n for name, n in WEIGHTS.items() if not name.startswith("reset")}
    monkeypatch.setattr("faulty_line.WEIGHTS", weights)
    firmware = build_session_firmware([fake_archive(tmp_path / "model")], "mps2_an386", tmp_path)
    transport = firmware.open()
    line = FaultyTransport(Uart(transport), seed=1, rate=0.3)
    random_ = np.random.default_rng(0)
    try:
        session = Session(line, timeout_s=60, clock=line.clock)
        while sum(line.faults.values()) < 30:
            x = random_.integers(-128, 128, (1, 64)).astype(np.int8)
            np.testing.assert_array_equal(session.run([x])[0], x + np.int8(3))
    finally:
        transport.close()


@pytest.mark.qemu
def test_a_fault_of_the_processor_is_one_line(tmp_path):
    needs("mps2_an386")
    crash = "*(volatile int*)0xf0000000u = 1;"
    archive = fake_archive(tmp_path / "model", more=crash)
    firmware = build_session_firmware([archive], "mps2_an386", tmp_path / "work")
    with (
        pytest.raises(TransportError, match=r"fault at pc 0x\w+ in tvmgen_fake_run"),
        Session(firmware.open(), timeout_s=60) as session,
    ):
        session.run([np.zeros((1, 64), np.int8)])


@pytest.mark.qemu
def test_a_model_larger_than_the_board_is_one_line(tmp_path):
    needs("microbit")
    archive = fake_archive(tmp_path / "model", extra_arena=20_000)
    with pytest.raises(BoardError) as error:
        build_session_firmware([archive], "microbit", tmp_path / "work")
    assert "a session with fake does not fit board microbit: RAM needs" in str(error.value)


@pytest.mark.parametrize("io_in_arena", [True, False])
def test_inputs_may_be_the_callers(io_in_arena, tmp_path):
    require(toolchain.HOST_CC)
    archive = fake_archive(tmp_path / "model", io_in_arena=io_in_arena)
    firmware = build_session_firmware([archive], "host", tmp_path / "work")
    with Session(firmware.open()) as session:
        x = np.full((1, 64), 5, np.int8)
        np.testing.assert_array_equal(session.run([x])[0], x + 3)
