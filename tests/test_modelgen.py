"""The generators themselves: repeatable, legal, and read by the reference."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import tflite
from modelgen import mutate, random_onnx, random_tflite
from tools import require_package

from tvm_tiny.reference import ONNXReference, TFLiteReference

# Rules that first make the shape that their operator takes.
CUT_BEFORE = ("ADD_N", "BATCH_TO_SPACE_ND", "SQUEEZE", "UNPACK", "DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
# These read bool, which comparisons make.
COMPARED_BEFORE = ("LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR", "SELECT_V2")


@pytest.mark.parametrize("operator", random_tflite.OPERATORS)
def test_single_operator_model_holds_that_operator(operator):
    for seed in range(5):
        data = random_tflite.single_op_model(operator, seed)
        model = tflite.Model.GetRootAsModel(data, 0)
        codes = {model.OperatorCodes(i).BuiltinCode() for i in range(model.OperatorCodesLength())}
        assert getattr(tflite.BuiltinOperator, operator) in codes
        assert len(codes) == 1 or operator in (*CUT_BEFORE, *COMPARED_BEFORE)


@pytest.mark.parametrize("operator", random_tflite.OPERATORS)
def test_reference_runs_single_operator_models(operator):
    for seed in range(5):
        run_reference(random_tflite.single_op_model(operator, seed))


def test_reference_runs_random_models():
    for seed in range(40):
        run_reference(random_tflite.random_model(seed))


def run_reference(data: bytes) -> None:
    """Every tensor an operator writes comes back in the shape and type the file declares."""
    reference = TFLiteReference(data)
    for inputs in random_tflite.random_inputs(data, 0, 3):
        results = reference.run(inputs)
        for output in reference.outputs:
            assert results[output.name].shape == output.shape
            assert results[output.name].dtype == output.dtype


def test_seeds_give_different_models_and_the_same_one_every_time():
    made = [random_tflite.random_model(seed) for seed in range(20)]
    assert made == [random_tflite.random_model(seed) for seed in range(20)]
    assert len(set(made)) == len(made)


def test_inputs_start_with_the_extremes_and_repeat():
    data = random_tflite.single_op_model("ADD", 0)
    inputs = random_tflite.random_inputs(data, 3, 4)
    assert all((array == -128).all() for array in inputs[0])
    assert all((array == 127).all() for array in inputs[1])
    for a, b in zip(inputs, random_tflite.random_inputs(data, 3, 4), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("operator", random_onnx.OPERATORS)
def test_reference_runs_single_operator_onnx_models(operator):
    for seed in range(3):
        run_onnx_reference(random_onnx.single_op_model(operator, seed))


def test_reference_runs_random_onnx_models():
    for seed in range(20):
        run_onnx_reference(random_onnx.random_model(seed))


def run_onnx_reference(data: bytes) -> None:
    reference = ONNXReference(data)
    for feed in random_onnx.random_inputs(data, 0, 3):
        results = reference.run(feed)
        for output in reference.outputs:
            assert results[output.name].shape == output.shape
            assert results[output.name].dtype == output.dtype


@pytest.mark.parametrize("operator", random_onnx.OPERATORS)
def test_onnx_runtime_runs_single_operator_models(operator):
    for seed in range(3):
        data = random_onnx.single_op_model(operator, seed)
        assert data == random_onnx.single_op_model(operator, seed)
        run_onnx(data)


def test_onnx_runtime_runs_random_and_float_models():
    for seed in range(10):
        run_onnx(random_onnx.random_model(seed))
        run_onnx(random_onnx.random_float_model(seed))


def run_onnx(data: bytes) -> None:
    """onnxruntime computes outputs of the shapes that the file declares."""
    runtime = require_package("onnxruntime", "onnxruntime is an optional extra")
    onnx.checker.check_model(onnx.load_from_string(data))
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    for feed in random_onnx.random_inputs(data, 0, 3):
        for declared, array in zip(session.get_outputs(), session.run(None, feed), strict=True):
            assert tuple(declared.shape) == array.shape


def test_mutations_are_repeatable_labelled_and_differ_from_the_original():
    data = random_tflite.random_model(1)
    made = list(mutate.mutations(data, 7, 200))
    assert made == list(mutate.mutations(data, 7, 200))
    assert len(made) == 200
    assert all(label and content != data for label, content in made)
