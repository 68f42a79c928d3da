"""The runner's side of MLPerf Tiny's protocol, word for word, against real firmware."""

from __future__ import annotations

import functools
import re
import subprocess
import sys

import numpy as np
import pytest
from repository import ROOT
from tools import require

import tvm_tiny
from tvm_tiny.archive.reader import read_folder
from tvm_tiny.errors import DataError
from tvm_tiny.micro import BOARDS
from tvm_tiny.micro.session.firmware import build_session_firmware
from tvm_tiny.micro.session.mlperf import mlperf_sources

sys.path.append(str(ROOT / "tests" / "micro" / "session"))

from fake_archive import fake_archive

RUNTIME_C = ROOT / "runtime_c"
MODELS = {"kws_ref_model": "kws01", "ad01_int8": "ad01", "vww_96_int8": "vww01"}


class Runner:
    """What the benchmark's host script does: a command, then lines until m-ready."""

    def __init__(self, transport):
        self.transport = transport
        self.first = self.lines()

    def lines(self) -> list[str]:
        text = b""
        while not text.endswith(b"m-ready\r\n"):
            data = self.transport.read(4096, 60)
            assert data, f"silence after {text!r}"
            text += data
        return text.decode("ascii").split("\r\n")[:-2]

    def ask(self, command: str) -> list[str]:
        self.transport.write(command.encode() + b"%", 10)
        return self.lines()

    def load(self, data: bytes) -> list[str]:
        answers = [self.ask(f"db load {len(data)}")]
        answers += [self.ask(f"db {data[at : at + 31].hex()}") for at in range(0, len(data), 31)]
        assert all(not answer for answer in answers[1:-1])
        return answers[0] + answers[-1]


def results(lines: list[str]) -> np.ndarray:
    (match,) = filter(None, (re.match(r"^m-results-\[([^]]+)\]$", line) for line in lines))
    return np.array([float(number) for number in match.group(1).split(",")])


def laps(lines: list[str]) -> list[int]:
    return [int(line.removeprefix("m-lap-us-")) for line in lines if line.startswith("m-lap")]


@functools.cache
def compiled(path, target, streamed):
    more = {"minimize": True, "stream_input": True} if streamed else {}
    return tvm_tiny.build(tvm_tiny.from_file(path), target, **more)


@pytest.fixture
def start(model_path, tmp_path):
    """`start(stem, board)` -> (runner, the model's input and output)."""
    opened = []

    def run(stem, board, streamed=False):
        require(BOARDS[board].target.compiler)
        if BOARDS[board].machine is not None:
            require(BOARDS[board].machine.emulator)
        path = model_path(f"{stem}.tflite")
        compiled(path, BOARDS[board].target.name, streamed).save(tmp_path / "model", folder=True)
        archive = read_folder(tmp_path / "model")
        firmware = build_session_firmware([archive], board, tmp_path / "work", app="mlperf")
        opened.append(firmware.open())
        return Runner(opened[0]), archive.interface.inputs[0], archive.interface.outputs[0]

    yield run
    for transport in opened:
        transport.close()


def sent(stem: str, sample: np.ndarray, port) -> bytes:
    """An input as the runner's data sets have it."""
    if stem == "ad01_int8":
        return (port.scale * (sample.astype(np.float32) - port.zero_point)).tobytes()
    return sample.tobytes() if stem == "kws_ref_model" else (sample ^ np.int8(-128)).tobytes()


@pytest.mark.models
@pytest.mark.qemu
@pytest.mark.parametrize(
    ("stem", "board", "streamed"),
    [
        *((stem, "host", False) for stem in MODELS),
        pytest.param("vww_96_int8", "host", True, marks=pytest.mark.slow),
        ("kws_ref_model", "mps2_an386", False),
        ("ad01_int8", "mps2_an386", False),
    ],
)
def test_a_benchmark_from_name_to_results(stem, board, streamed, start, golden):
    inputs, expected = golden(stem)
    runner, source, result = start(stem, board, streamed)
    assert runner.first == ["m-init-done"]
    assert runner.ask("name") == ["m-name-dut-[tvm-tiny]"]
    profile, model = runner.ask("profile")
    assert re.match(r"^m-profile-\[([^]]+)]$", profile)
    assert model == f"m-model-[{MODELS[stem]}]"
    for k in range(2):
        data = sent(stem, inputs[k], source)
        assert runner.load(data) == [f"m-[Expecting {len(data)} bytes]", "m-load-done"]
        lines = runner.ask("infer 3 1")
        assert lines[:3] == ["m-warmup-start-1", "m-warmup-done", "m-infer-start-3"]
        assert lines[-2] == "m-infer-done"
        before, after = laps(lines)
        assert before < after
        real = result.scale * (expected[k].ravel().astype(np.float32) - result.zero_point)
        if stem == "ad01_int8":
            real = np.mean((real - np.frombuffer(data, np.float32)) ** 2, keepdims=True)
        np.testing.assert_allclose(results(lines), real, atol=6e-4)
        np.testing.assert_array_equal(results(runner.ask("results")), results(lines))


@pytest.mark.models
@pytest.mark.qemu
def test_time_is_that_of_the_inferences(start, golden):
    inputs, _ = golden("kws_ref_model")
    runner, source, _ = start("kws_ref_model", "mps2_an386")
    runner.load(sent("kws_ref_model", inputs[0], source))
    spans = {n: np.diff(laps(runner.ask(f"infer {n} 0")))[0] for n in (2, 4, 8)}
    assert spans[8] - spans[4] == pytest.approx(2 * (spans[4] - spans[2]), rel=0.02)
    first, second = (laps(runner.ask("timestamp"))[0] for _ in range(2))
    assert first < second


@pytest.mark.models
def test_what_is_wrong_is_said_and_the_next_command_works(start):
    runner, _, _ = start("kws_ref_model", "host")
    for command, part in [
        ("results", "No results"),
        ("infer 1 0", "The buffer has 0 of 490 bytes"),
        ("infer 0", "a number above 0"),
        ("infer 1 x", "a number above 0"),
        ("db", "db takes load N, print or hexadecimal digits"),
        ("db load", "db load takes 1 to 490 bytes"),
        ("db load 491", "db load takes 1 to 490 bytes"),
        ("db 00", "No more bytes are expected"),
        ("", "Unknown command: "),
        ("Name", "Unknown command: Name"),
        ("x" * 81, "at most 80 characters"),
    ]:
        (line,) = runner.ask(command)
        assert line.startswith("e-[")
        assert part in line
    assert runner.ask("db load 3") == ["m-[Expecting 3 bytes]"]
    assert runner.ask("db 0g") == ["e-[db takes pairs of hexadecimal digits]"]
    assert runner.ask("db 0") == ["e-[db takes pairs of hexadecimal digits]"]
    assert runner.ask("\r\ndb 01aB") == []
    assert runner.ask("db ff00") == ["m-load-done"]
    assert runner.ask("db print") == ["m-buffer-01-ab-ff"]
    assert runner.ask("infer 1 0") == ["e-[The buffer has 3 of 490 bytes of an input]"]
    assert runner.ask("help")


def test_models_of_no_benchmark_are_refused(tmp_path):
    archive = fake_archive(tmp_path / "model")
    with pytest.raises(DataError, match="model 'fake' is of no MLPerf Tiny benchmark: ad01 takes"):
        mlperf_sources(archive)
    with pytest.raises(DataError, match="unknown benchmark 'kws02': did you mean 'kws01'"):
        mlperf_sources(archive, "kws02")
    with pytest.raises(DataError, match="model 'fake' is not of kws01: kws01 takes 490"):
        mlperf_sources(archive, "kws01")
    with pytest.raises(DataError, match="vendor"):
        mlperf_sources(archive, "kws01", 'a"b')


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_no_warning_of_any_compiler(compiler, tmp_path):
    require(compiler)
    strict = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-O2")
    for file in sorted((RUNTIME_C / "mlperf").glob("*.c")):
        command = [compiler, *strict, f"-I{RUNTIME_C / 'include'}", "-c", str(file)]
        subprocess.run([*command, "-o", str(tmp_path / "x.o")], check=True)
