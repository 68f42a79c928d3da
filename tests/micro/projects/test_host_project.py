"""A host project from archive to outputs, with make and through the session."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder
from tools import require

import tvm_tiny
from tvm_tiny import toolchain
from tvm_tiny.archive.reader import open_archive
from tvm_tiny.cli.app import run_app
from tvm_tiny.errors import BoardError, DataError, ToolchainError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.micro import Session
from tvm_tiny.micro.firmware import build_firmware
from tvm_tiny.micro.projects import create_project


@pytest.fixture(scope="module")
def built(archives, tmp_path_factory):
    require(toolchain.HOST_CC)
    folder = tmp_path_factory.mktemp("host") / "p"
    project = create_project(folder, archives, "host", {"profile": True})
    project.build()
    return project


def test_both_models_give_what_firmware_gives(built, archives, samples, tmp_path):
    with Session(built.open_transport()) as session:
        for archive in archives:
            with open_archive(archive) as model:
                wanted = build_firmware(model.folder, "host", tmp_path).run([[s] for s in samples])
                found = [session.run([sample], model.info.name) for sample in samples]
            for ours, theirs in zip(found, wanted.outputs, strict=True):
                np.testing.assert_array_equal(ours[0], theirs[0])


def test_steps_are_timed(built, samples):
    with Session(built.open_transport()) as session:
        session.run([samples[0]], "two")
        steps = session.timing()
    with open_archive(built.folder / "models" / "two") as model:
        assert [step.index for step in steps] == sorted(model.info.steps)


def test_plain_make_builds_the_same_bytes(built):
    image = built.folder / "build" / "firmware.elf"
    first = image.read_bytes()
    subprocess.run(["make", "-C", built.folder, "clean"], check=True, capture_output=True)
    assert not image.exists()
    subprocess.run(["make", "-C", built.folder], check=True, capture_output=True)
    assert image.read_bytes() == first


def test_a_benchmark_answers_the_runner(archive, tmp_path):
    require(toolchain.HOST_CC)
    builder = Builder()
    x = builder.input((1, 490), Quant(0.1, 0))
    weights = np.ones((12, 490), "int8")
    y = builder.fully_connected(x, weights, [0.1] * 12, np.zeros(12, "int32"), Quant(0.1, 0))
    module = from_tflite(builder.finish([y]))
    tvm_tiny.build(module, name="kws").save(tmp_path / "kws.tar")
    options = {"app": "mlperf"}
    project = create_project(tmp_path / "p", [tmp_path / "kws.tar"], "host", options)
    project.build()
    line = project.open_transport()
    line.write(b"name%", 5.0)
    answer = b""
    while b"m-name-dut-[" not in answer:
        more = line.read(100, 5.0)
        assert more, answer
        answer += more
    line.close()
    with pytest.raises(DataError, match="'one' is of no MLPerf Tiny benchmark"):
        create_project(tmp_path / "q", [archive], "host", options)
    assert run_app(["micro", "run", str(project.folder)]) == 6


def test_a_project_may_move(archive, tmp_path, samples):
    require(toolchain.HOST_CC)
    project = create_project(tmp_path / "p", [archive], "host", {})
    project.folder.rename(tmp_path / "ein Umzug für später")
    from tvm_tiny.micro.projects import open_project

    moved = open_project(tmp_path / "ein Umzug für später")
    moved.build()
    with Session(moved.open_transport()) as session:
        assert session.run([samples[0]])[0].shape == (1, 3)


def test_an_error_in_a_source_is_one_line(archive, tmp_path):
    require(toolchain.HOST_CC)
    project = create_project(tmp_path / "p", [archive], "host", {})
    main = project.folder / "src" / "main.c"
    main.write_text("int main(void) { return nothing; }\n")
    with pytest.raises(BoardError, match=r"main\.c:1:\d+: error: .*nothing") as caught:
        project.build()
    assert "\n" not in str(caught.value)


def test_a_missing_tool_is_named(archive, tmp_path, monkeypatch):
    project = create_project(tmp_path / "p", [archive], "host", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="apt install make"):
        project.build()
