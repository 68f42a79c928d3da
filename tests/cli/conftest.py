"""A tiny model, compiled once, and a way to run command lines within the test's process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder

from tvm_tiny.cli.app import run_app


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The message; fails unless stderr is that one line (after warnings)."""
        lines = self.err.splitlines()
        assert lines, self
        assert lines[-1].startswith("error: "), self.err
        assert all(line.startswith("warning: ") for line in lines[:-1]), self.err
        return lines[-1].removeprefix("error: ")


@pytest.fixture
def cli(capsys):
    """`cli("compile", path, ...)` -> Outcome."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run_app([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(code, captured.out, captured.err)

    return run


def tiny_model() -> bytes:
    """A convolution and a fully connected layer: input int8 [1,6,6,2], output int8 [1,3]."""
    random = np.random.default_rng(0)
    b = Builder()
    x = b.input((1, 6, 6, 2), Quant(0.02, -3))
    w = random.integers(-127, 128, (4, 3, 3, 2)).astype("int8")
    bias = random.integers(-500, 500, 4).astype("int32")
    y = b.conv2d(x, w, [0.01] * 4, bias, Quant(0.05, 2), stride=(2, 2), activation="RELU")
    w = random.integers(-127, 128, (3, 36)).astype("int8")
    bias = random.integers(-500, 500, 3).astype("int32")
    return b.finish([b.fully_connected(y, w, [0.01] * 3, bias, Quant(0.1, -4))])


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.tflite"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture(scope="session")
def archive(model) -> Path:
    """The tiny model compiled for the host."""
    import tvm_tiny

    path = model.with_name("tiny.tar")
    tvm_tiny.build(tvm_tiny.from_file(model)).save(path)
    return path


@pytest.fixture
def check():
    """`check("run", document)`: valid by the installed schema."""

    def validate(name: str, document: object) -> None:
        text = (files("tvm_tiny") / "schemas" / f"{name}.json").read_text(encoding="utf-8")
        Draft202012Validator(json.loads(text)).validate(document)

    return validate
