"""Two tiny models, compiled once, and projects of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder

import tvm_tiny
from tvm_tiny.frontend.tflite import from_tflite

INPUT_SHAPE = (1, 6, 6, 2)


def tiny_model(outputs: int) -> bytes:
    """A convolution and a fully connected layer: int8 [1,6,6,2] to int8 [1,outputs]."""
    random = np.random.default_rng(outputs)
    b = Builder()
    x = b.input(INPUT_SHAPE, Quant(0.02, -3))
    w = random.integers(-127, 128, (4, 3, 3, 2)).astype("int8")
    bias = random.integers(-500, 500, 4).astype("int32")
    y = b.conv2d(x, w, [0.01] * 4, bias, Quant(0.05, 2), stride=(2, 2), activation="RELU")
    w = random.integers(-127, 128, (outputs, 36)).astype("int8")
    bias = random.integers(-500, 500, outputs).astype("int32")
    return b.finish([b.fully_connected(y, w, [0.01] * outputs, bias, Quant(0.1, -4))])


def _compile(folder: Path, name: str, outputs: int) -> Path:
    path = folder / f"{name}.tar"
    tvm_tiny.build(from_tflite(tiny_model(outputs)), name=name).save(path)
    return path


@pytest.fixture
def model_file(tmp_path) -> Path:
    """Model "one" before it is compiled."""
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_model(3))
    return path


@pytest.fixture(scope="session")
def archives(tmp_path_factory) -> list[Path]:
    """Models "one" (3 outputs) and "two" (5 outputs)."""
    folder = tmp_path_factory.mktemp("models")
    return [_compile(folder, "one", 3), _compile(folder, "two", 5)]


@pytest.fixture(scope="session")
def archive(archives) -> Path:
    return archives[0]


@pytest.fixture(scope="session")
def samples() -> list[np.ndarray]:
    random = np.random.default_rng(7)
    return [random.integers(-128, 128, INPUT_SHAPE).astype("int8") for _ in range(3)]
