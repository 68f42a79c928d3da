"""Records of older converters that say nothing, and tensors that share a name."""

from __future__ import annotations

import struct

import flatbuffers
import numpy as np
import pytest
import tflite
import tflite_models
from tflite_checks import I32, run, sample
from tflite_models import IN, OUT, Affine, ModelWriter

from tvm_tiny.errors import ModelError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.reference import TFLiteReference
from tvm_tiny.transform import LowerQDQ


def convolution(bias_affine, kernel_affine=None, second="x"):
    w = ModelWriter()
    x, y = w.tensor("x", (1, 2, 2, 3), affine=IN), w.tensor("y", (1, 2, 2, 4), affine=OUT)
    kernel = w.constant(
        "kernel", sample((4, 1, 1, 3), 1), kernel_affine or Affine([0.01] * 4, [0] * 4, 0)
    )
    bias = w.constant("bias", np.arange(4, dtype=I32), bias_affine)
    options = dict.fromkeys(("StrideH", "StrideW", "DilationHFactor", "DilationWFactor"), 1)
    w.operator("CONV_2D", [x, kernel, bias], [y], "Conv2DOptions", **options)
    return w.finish([x], [y])


RECORDS = {
    "bias along a dimension beyond its rank": Affine([0.0005] * 4, [0] * 4, 3),
    "bias with a zero point": Affine([0.0005] * 4, [7] * 4, 0),
    "scales of another number": Affine([0.0005] * 3, [0] * 3, 0),
    "scales that are none": Affine([0.0] * 4, [0] * 4, 0),
    "scales that are not the product of the others": Affine([7.0] * 4, [0] * 4, 0),
    "none": None,
}


@pytest.mark.parametrize("record", RECORDS)
def test_a_bias_may_have_any_record(record):
    model = convolution(RECORDS[record])
    x = sample((1, 2, 2, 3))
    (found,) = run(from_tflite(model), x)
    assert np.abs(found - TFLiteReference(model).run([x])["y"].astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("zero_points", "accepted"),
    [([0], True), ([0, 0], True), ([0] * 9, True), ([], True), ([0, 1], False)],
)
def test_zero_points_of_another_number_than_scales(monkeypatch, zero_points, accepted):
    def quantization(builder, affine):
        if affine is None:
            return None
        vectors = [
            builder.CreateNumpyVector(np.atleast_1d(np.asarray(affine.scale, np.float32))),
            builder.CreateNumpyVector(np.atleast_1d(np.asarray(affine.zero_point, np.int64))),
        ]
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, vectors[0])
        tflite.QuantizationParametersAddZeroPoint(builder, vectors[1])
        return tflite.QuantizationParametersEnd(builder)

    monkeypatch.setattr(tflite_models, "_quantization", quantization)
    model = convolution(None, Affine([0.01] * 4, zero_points, 0))
    if accepted:
        x = sample((1, 2, 2, 3))
        (found,) = run(from_tflite(model), x)
        assert np.abs(found - TFLiteReference(model).run([x])["y"].astype(int)).max() <= 1
        return
    with pytest.raises(ModelError, match="2 zero points for 4 scales"):
        from_tflite(model)


def test_tensors_of_one_name_are_told_apart():
    w = ModelWriter()
    a, b, y = (w.tensor("a", (1, 4), affine=q) for q in (IN, IN, OUT))
    w.operator("SUB", [a, b], [y], "SubOptions")
    model = w.finish([a, b], [y])
    with pytest.warns(UserWarning, match="more than one") as caught:
        main = from_tflite(model)["main"]
    assert str(caught[0].message) == (
        "the model has more than one tensor 'a': its input or output 1 is called 'a_2'"
    )
    assert [p.name for p in main.params] == ["a", "a_2"]
    assert list(main.attrs["tvm_tiny.output_names"]) == ["a_3"]
    reference = TFLiteReference(model)
    assert [t.name for t in (*reference.inputs, *reference.outputs)] == ["a", "a_2", "a_3"]


def test_one_tensor_as_two_outputs_and_an_input_as_an_output():
    w = ModelWriter()
    x, y = w.tensor("x", (1, 4), affine=IN), w.tensor("y", (1, 4), affine=OUT)
    unused = w.tensor("unused", (1, 3), affine=IN)
    w.operator("RELU", [x], [y])
    module = from_tflite(w.finish([x, unused], [y, x, y]))
    data = sample((1, 4))
    first, same, second = run(module, data, sample((1, 3)))
    np.testing.assert_array_equal(same, data)
    np.testing.assert_array_equal(first, second)


def test_damaged_options_of_an_operator_without_any_are_not_read():
    w = ModelWriter()
    x, y = w.tensor("x", (1, 4), affine=IN), w.tensor("y", (1, 4), affine=OUT)
    w.operator("RELU", [x], [y], "AddOptions")
    model = bytearray(w.finish([x], [y]))
    table = tflite.Model.GetRootAs(model).Subgraphs(0).Operators(0)._tab
    entry = table.Pos - table.Get(flatbuffers.number_types.SOffsetTFlags, table.Pos) + 10
    assert table.Offset(10) != 0
    model[entry : entry + 2] = (0x7FFF).to_bytes(2, "little")
    with pytest.raises(struct.error):
        tflite.Model.GetRootAs(model).Subgraphs(0).Operators(0).BuiltinOptionsType()
    data = sample((1, 4))
    (found,) = run(from_tflite(bytes(model)), data)
    np.testing.assert_array_equal(found, TFLiteReference(bytes(model)).run([data])["y"])


def test_the_record_of_a_float_tensor_says_nothing():
    w = ModelWriter()
    x, real = w.tensor("x", (1, 4), affine=IN), w.tensor("r", (1, 4), "float32", Affine(0.5, 7))
    y = w.tensor("y", (3, 4), "float32", Affine(0.5, 7))
    w.operator("DEQUANTIZE", [x], [real])
    w.operator("PAD", [real, w.constant("widths", np.array([[1, 1], [0, 0]], I32))], [y])
    model, data = w.finish([x], [y]), sample((1, 4))
    (found,) = run(from_tflite(model), data)
    assert not found[[0, 2]].any()
    np.testing.assert_array_equal(found, TFLiteReference(model).run([data])["y"])


def test_weights_of_a_scale_per_channel_may_lie_behind_a_reshape():
    w = ModelWriter()
    x, y = w.tensor("x", (1, 6), affine=IN), w.tensor("y", (1, 4), affine=OUT)
    affine = Affine([0.01, 0.02, 0.03, 0.04], [0] * 4, 0)
    weights = w.tensor("weights", (4, 6), affine=affine)
    w.operator("RESHAPE", [w.constant("flat", sample((24,)), Affine(0.01))], [weights])
    w.operator("FULLY_CONNECTED", [x, weights, -1], [y], "FullyConnectedOptions")
    model, data = w.finish([x], [y]), sample((1, 6), 1)
    (found,) = run(LowerQDQ()(from_tflite(model)), data)
    np.testing.assert_array_equal(found, TFLiteReference(model).run([data])["y"])
