from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.reference import TFLiteReference

MODELS = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8", "mcunet_vww1")

pytestmark = pytest.mark.models


@pytest.mark.parametrize("stem", MODELS)
def test_outputs_equal_the_reference_kernels_bit_for_bit(stem, model_path, golden):
    model = TFLiteReference(model_path(f"{stem}.tflite"))
    inputs, outputs = golden(stem)
    for sample, expected in zip(inputs, outputs, strict=True):
        result = model.run([sample])[model.outputs[0].name]
        np.testing.assert_array_equal(result.reshape(expected.shape), expected)


def test_run_returns_every_tensor_in_the_models_shape(model_path, golden):
    model = TFLiteReference(model_path("kws_ref_model.tflite"))
    tensors = model.run({"input_1": golden("kws_ref_model")[0][0]})
    assert tensors["input_1"].shape == (1, 49, 10, 1)
    assert tensors["Identity"].shape == model.outputs[0].shape == (1, 12)
    assert len(tensors) == 14  # the input and 13 operators
    assert {str(value.dtype) for value in tensors.values()} == {"int8"}
