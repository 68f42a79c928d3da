"""A tiny compiled model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder

import tvm_tiny
from tvm_tiny.frontend.tflite import from_tflite

INPUT_SHAPE = (1, 6, 6, 2)


def write_tiny(folder: Path, name: str = "default") -> Path:
    """A convolution, int8 [1,6,6,2] to int8 [1,3,3,4], compiled."""
    random = np.random.default_rng(0)
    b = Builder()
    x = b.input(INPUT_SHAPE, Quant(0.02, -3))
    w = random.integers(-127, 128, (4, 3, 3, 2)).astype("int8")
    bias = random.integers(-500, 500, 4).astype("int32")
    y = b.conv2d(x, w, [0.01] * 4, bias, Quant(0.05, 2), stride=(2, 2), activation="RELU")
    path = folder / f"{name}.tar"
    tvm_tiny.build(from_tflite(b.finish([y])), name=name).save(path)
    return path
