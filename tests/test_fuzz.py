"""Damaged models and samples: a few here, thousands in scripts/nightly."""

from __future__ import annotations

import pytest
from fuzz_check import calibration_failures, model_failures
from tools import require, require_package

from tvm_tiny import toolchain


@pytest.mark.parametrize("model_format", ["tflite", "onnx"])
def test_damaged_models_are_refused_or_right(model_format, tmp_path, monkeypatch):
    require(toolchain.HOST_CC)
    monkeypatch.setattr("fuzz_check.MUTATIONS", 24)
    assert list(model_failures(model_format, 3, 1, tmp_path)) == []


def test_damaged_calibration_is_refused_or_compiles(tmp_path, monkeypatch):
    require_package("onnxruntime", "calibration needs onnxruntime")
    monkeypatch.setattr("fuzz_check.MUTATIONS", 64)
    assert list(calibration_failures(0, 1, tmp_path)) == []
