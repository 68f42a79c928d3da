"""Log-softmax with any output scale, against double precision."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.reference.log_softmax_rescaled import log_softmax
from tvm_tiny.reference.quantization import Quant


def real(x: np.ndarray, scale: float) -> np.ndarray:
    below = (x.astype("float64") - x.max(axis=-1, keepdims=True)) * scale
    return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("classes", [1, 2, 10, 1000, 4095])
@pytest.mark.parametrize("x_scale", [0.002, 0.05, 1.0])
@pytest.mark.parametrize("y_scale", [0.003, 0.06, 1.0])
def test_it_is_the_real_value_rounded(classes, x_scale, y_scale):
    rng = np.random.default_rng(classes)
    x = rng.integers(-128, 128, (16, classes)).astype("int8")
    scales = (float(np.float32(scale)) for scale in (x_scale, y_scale))
    x_quant, y_quant = Quant(next(scales), 5), Quant(next(scales), 90)
    expected = np.clip(np.rint(real(x, x_quant.scale) / y_quant.scale) + 90, -128, 127)
    difference = np.abs(log_softmax(x, x_quant, y_quant) - expected)
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= difference.size // 10_000
