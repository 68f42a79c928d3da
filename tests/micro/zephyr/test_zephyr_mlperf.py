"""MLPerf Tiny's runner talks to a Zephyr application."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tvm_tiny
from tvm_tiny.micro.projects.project import create_project

pytestmark = [pytest.mark.qemu, pytest.mark.models]


def ask(line, command: str = "") -> list[str]:
    """Sends a command, if any; the lines up to m-ready."""
    if command:
        line.write(f"{command}%".encode(), 10)
    text = b""
    while not text.endswith(b"m-ready\r\n"):
        data = line.read(4096, 60)
        assert data, f"silence after {text!r}"
        text += data
    return text.decode("ascii").split("\r\n")[:-2]


def test_the_runner_gets_the_recorded_result(tree, model_path, golden, tmp_path):
    compiled = tvm_tiny.build(tvm_tiny.from_file(model_path("kws_ref_model.tflite")), "cortex-m3")
    compiled.save(tmp_path / "model.tar")
    options = {"board": "mps2_an385", "app": "mlperf"}
    project = create_project(tmp_path / "p", [tmp_path / "model.tar"], "zephyr", options)
    project.build()
    inputs, outputs = golden("kws_ref_model")
    data = inputs[0].tobytes()
    line = project.open_transport()
    try:
        ask(line)
        assert any("kws01" in said for said in ask(line, "profile"))
        ask(line, f"db load {len(data)}")
        for at in range(0, len(data), 31):
            ask(line, f"db {data[at : at + 31].hex()}")
        said = "\n".join(ask(line, "infer 1 0"))
    finally:
        line.close()
    numbers = re.search(r"m-results-\[([^]]+)\]", said)[1].split(",")
    real = (outputs[0].ravel().astype(int) + 128) / 256
    np.testing.assert_allclose([float(number) for number in numbers], real, atol=6e-4)
