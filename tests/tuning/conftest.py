"""A small model with layers to tune, and what a search finds for it."""

from __future__ import annotations

import numpy as np
import pytest
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder
from tools import require, require_package

from tvm_tiny import toolchain
from tvm_tiny.frontend import from_file

BOARD = "mps2_an386"


def small_model() -> bytes:
    """3x3 and 1x1 convolutions and a fully connected layer: [1,4,9,3] -> [1,5], int8."""
    random = np.random.default_rng(0)
    b = Builder()
    x = b.input((1, 4, 9, 3), Quant(0.02, -3))
    for count, window, relu in ((7, 3, "RELU"), (6, 1, "NONE")):
        channels = 3 if window == 3 else 7
        w = random.integers(-127, 128, (count, window, window, channels)).astype("int8")
        bias = random.integers(-500, 500, count).astype("int32")
        x = b.conv2d(x, w, [0.01] * count, bias, Quant(0.05, 2), activation=relu)
    w = random.integers(-127, 128, (5, 4 * 9 * 6)).astype("int8")
    bias = random.integers(-500, 500, 5).astype("int32")
    return b.finish([b.fully_connected(x, w, [0.01] * 5, bias, Quant(0.1, -4))])


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("tuning") / "small.tflite"
    path.write_bytes(small_model())
    return path


@pytest.fixture(scope="session")
def module(model):
    return from_file(model)


@pytest.fixture(scope="session")
def emulator():
    require(toolchain.ARM_GCC, toolchain.QEMU_ARM)
    for package in ("xgboost", "psutil", "cloudpickle"):
        require_package(package, f"needs {package}, of the extra tune")


@pytest.fixture(scope="session")
def tuned(module, emulator, tmp_path_factory):
    """(the log's file, the log) of a search over the whole space."""
    from tvm_tiny.tuning import tune

    path = tmp_path_factory.mktemp("log") / "log.json"
    return path, tune(module, BOARD, path=path, jobs=2)
