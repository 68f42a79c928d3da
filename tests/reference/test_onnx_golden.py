from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.reference import Rounding, load_reference

MODELS = ("mbv2-w0.35-qdq", "mcunet-5fps-qdq", "proxyless-w0.3-qdq")

pytestmark = pytest.mark.models


def errors_in_steps(stem, rounding, model_path, golden, samples=8):
    """Largest error of each sample in output steps, and whether top-1 agrees."""
    model = load_reference(model_path(f"{stem}.onnx"), rounding)
    steps, agree = [], []
    inputs, outputs = golden(stem)
    for sample, expected in zip(inputs[:samples], outputs[:samples], strict=True):
        logits = model.run([sample])["logits"].reshape(-1)
        # Logits sit on the grid of the last QuantizeLinear: its step is their finest distance.
        values = np.unique(expected)
        step = np.diff(values).min()
        steps.append(float(np.abs(logits - expected).max() / step))
        agree.append(int(logits.argmax() == expected.argmax()))
    return steps, agree


@pytest.mark.parametrize("stem", MODELS)
def test_float32_rounding_meets_onnxruntime(stem, model_path, golden):
    steps, agree = errors_in_steps(stem, Rounding.FLOAT32, model_path, golden)
    assert max(steps) < 3.01
    assert sum(step < 0.01 for step in steps) >= 7  # nearly all samples are equal bit for bit
    assert all(agree)


@pytest.mark.parametrize("stem", MODELS)
def test_tflite_rounding_stays_near_onnxruntime(stem, model_path, golden):
    # Two roundings differ from one by a step now and then in each of some fifty layers.
    steps, _ = errors_in_steps(stem, Rounding.TFLITE, model_path, golden, 1)
    assert max(steps) < 12
