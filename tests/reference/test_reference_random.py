from __future__ import annotations

import contextlib

import numpy as np
import pytest
from modelgen import random_onnx, random_tflite
from modelgen.mutate import mutations
from tools import require_package

from tvm_tiny.errors import TvmTinyError
from tvm_tiny.reference import ONNXReference, Rounding, TFLiteReference


@pytest.mark.parametrize("operator", random_tflite.OPERATORS)
def test_every_tflite_operator_runs_in_its_shapes(operator):
    for seed in range(2):
        model = random_tflite.single_op_model(operator, seed)
        reference = TFLiteReference(model)
        for feed in random_tflite.random_inputs(model, seed, 2):
            tensors = reference.run(feed)
            for info in reference.outputs:
                assert tensors[info.name].shape == info.shape
                assert str(tensors[info.name].dtype) == info.dtype


@pytest.mark.parametrize("operator", random_onnx.OPERATORS)
def test_every_onnx_operator_is_within_a_step_of_onnxruntime(operator):
    onnxruntime = require_package("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    for seed in range(2):
        model = random_onnx.single_op_model(operator, seed)
        reference = ONNXReference(model, Rounding.FLOAT32)
        session = onnxruntime.InferenceSession(model, options)
        for feed in random_onnx.random_inputs(model, seed, 2):
            tensors = reference.run(feed)
            expected = session.run(None, feed)
            for info, value in zip(reference.outputs, expected, strict=True):
                mine = tensors[info.name]
                assert mine.dtype == value.dtype
                assert mine.shape == value.shape
                step = 1.0
                if value.dtype == np.float32:  # the finest distance between two values
                    grid = np.diff(np.unique(np.concatenate([mine.ravel(), value.ravel()])))
                    grid = grid[grid > 1e-6 * np.abs(value).max(initial=1e-9)]
                    step = float(grid.min()) if grid.size else 1.0
                assert np.abs(mine.astype(float) - value).max() <= 1.01 * step


@pytest.mark.parametrize(
    ("reference", "generator"), [(TFLiteReference, random_tflite), (ONNXReference, random_onnx)]
)
def test_damaged_models_run_or_end_in_a_clean_error(reference, generator):
    for seed in range(4):
        for _, data in mutations(generator.random_model(seed), seed, 30):
            with contextlib.suppress(TvmTinyError):
                model = reference(data)
                if sum(np.prod(info.shape, dtype=float) for info in model.inputs) < 1e6:
                    model.run([np.zeros(info.shape, info.dtype) for info in model.inputs])
