"""Operators on constants, and operators that nothing depends on, leave the model at import."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from tflite_checks import I32, operators, run, sample
from tflite_models import IN, OUT, Affine, ModelWriter

from tvm_tiny.build import build
from tvm_tiny.errors import UnsupportedError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.reference import TFLiteReference, tflite_constants


def joined(values, affine, build):
    """x [2, 6] and a folded tensor of that shape, added; `build` makes it from a constant."""
    w = ModelWriter()
    x, y = w.tensor("x", (2, 6), affine=IN), w.tensor("y", (2, 6), affine=OUT)
    folded = build(w, w.constant("c", values, affine))
    w.operator("ADD", [x, folded], [y], "AddOptions")
    return w.finish([x], [y])


def dense(w, constant):
    weights = w.constant("weights", sample((6, 6), 3), Affine(0.01))
    y = w.tensor("folded", (2, 6), affine=OUT)
    w.operator("FULLY_CONNECTED", [constant, weights, -1], [y], "FullyConnectedOptions")
    return y


def chain(w, constant):
    """TRANSPOSE, then LOGISTIC."""
    turned, y = w.tensor("turned", (2, 6), affine=IN), w.tensor("folded", (2, 6), affine=OUT)
    order = w.constant("order", np.array([1, 0], I32))
    w.operator("TRANSPOSE", [constant, order], [turned])
    w.operator("LOGISTIC", [turned], [y])
    return y


def half(w, constant):
    """The second result of SPLIT."""
    parts = [w.tensor(f"part{k}", (2, 6), affine=IN) for k in range(2)]
    axis = w.constant("axis", np.array(0, I32))
    w.operator("SPLIT", [axis, constant], parts, "SplitOptions", NumSplits=2)
    return parts[1]


def convolution(w, constant):
    kernel = w.constant("kernel", sample((6, 1, 1, 3), 3), Affine([0.01] * 6, 0, 0))
    image, y = w.tensor("image", (1, 2, 1, 6), affine=OUT), w.tensor("folded", (2, 6), affine=OUT)
    options = dict.fromkeys(("StrideH", "StrideW", "DilationHFactor", "DilationWFactor"), 1)
    w.operator("CONV_2D", [constant, kernel], [image], "Conv2DOptions", **options)
    w.operator("RESHAPE", [image, w.constant("shape", np.array([2, 6], I32))], [y])
    return y


@pytest.mark.parametrize(
    ("build", "shape"),
    [(dense, (2, 6)), (chain, (6, 2)), (half, (4, 6)), (convolution, (1, 2, 1, 3))],
)
def test_operators_on_constants_are_evaluated_by_the_reference(build, shape):
    model = joined(sample(shape, 2), IN, build)
    module = from_tflite(model)
    assert operators(module) == ["add"]
    x = sample((2, 6))
    (result,) = run(module, x)
    expected = TFLiteReference(model).run([x])["y"].astype(int)
    assert np.abs(result - expected).max() <= 1  # ADD itself is float here


def test_arithmetic_of_shapes_is_folded():
    """[batch, -1] by SHAPE, REDUCE_PROD, CAST, DIV and PACK."""
    w = ModelWriter()
    x, y = w.tensor("x", (2, 3, 4), affine=IN), w.tensor("y", (2, 12), affine=IN)
    shape = w.tensor("shape", (3,), "int32")
    w.operator("SHAPE", [x], [shape], "ShapeOptions", OutType=2)
    product, narrow = (w.tensor(name, (), "int32") for name in ("product", "narrow"))
    wide = w.tensor("wide", (), "int64")
    axis = w.constant("axis", np.array([0], I32))
    w.operator("REDUCE_PROD", [shape, axis], [product], "ReducerOptions", KeepDims=False)
    w.operator("CAST", [product], [wide], "CastOptions", InDataType=2, OutDataType=4)
    w.operator("CAST", [wide], [narrow], "CastOptions", InDataType=4, OutDataType=2)
    columns, target = w.tensor("columns", (), "int32"), w.tensor("target", (2,), "int32")
    two = w.constant("two", np.array(2, I32))
    w.operator("DIV", [narrow, two], [columns], "DivOptions")
    w.operator("PACK", [two, columns], [target], "PackOptions", ValuesCount=2, Axis=0)
    w.operator("RESHAPE", [x, target], [y])
    assert operators(from_tflite(w.finish([x], [y]))) == ["reshape"]


INTEGER_STEPS = {
    "SUM": lambda shape: shape.sum(),
    "REDUCE_MAX": lambda shape: shape.max(),
    "NEG": lambda shape: -shape,
    "SQUARE": lambda shape: shape * shape,
    "POW": lambda shape: shape**2,
}


@pytest.mark.parametrize("kind", INTEGER_STEPS)
def test_arithmetic_of_shapes_stays_in_integers(kind):
    w = ModelWriter()
    x, y = w.tensor("x", (2, 3), affine=IN), w.tensor("y", (2, 3), affine=IN)
    shape, expected = w.tensor("shape", (2,), "int32"), INTEGER_STEPS[kind](np.array([2, 3]))
    w.operator("SHAPE", [x], [shape], "ShapeOptions", OutType=2)
    z = w.tensor("z", expected.shape, "int32")
    second = {"SUM": 0, "REDUCE_MAX": 0, "POW": 2}.get(kind)
    operands = [shape] if second is None else [shape, w.constant("k", np.array([second], I32))]
    options = "ReducerOptions" if second == 0 else None
    w.operator(kind, operands, [z], options)
    w.operator("RELU", [x], [y])
    (_, found) = run(from_tflite(w.finish([x], [y, z])), sample((2, 3)))
    np.testing.assert_array_equal(found, expected)


def concatenation(w, constant):
    y = w.tensor("folded", (2, 6), affine=IN)
    options = {"Axis": 1, "FusedActivationFunction": 1}
    w.operator("CONCATENATION", [constant, constant], [y], "ConcatenationOptions", **options)
    return y


def gather(w, constant):
    indices, y = w.constant("i", np.zeros((2, 6), I32)), w.tensor("folded", (2, 6), affine=IN)
    options = {"Axis": 1, "BatchDims": 1}
    w.operator("GATHER", [constant, indices], [y], "GatherOptions", **options)
    return y


def shuffled(w, constant):
    weights = w.constant("weights", sample((6, 3), 3), Affine(0.01))
    y = w.tensor("folded", (2, 6), affine=OUT)
    options = {"WeightsFormat": 1}
    w.operator("FULLY_CONNECTED", [constant, weights], [y], "FullyConnectedOptions", **options)
    return y


def a_scale_per_row(w, constant):
    rows = w.constant("rows", sample((2, 6), 3), Affine([0.01, 0.02], [0, 0], 0))
    y = w.tensor("folded", (2, 6), affine=OUT)
    w.operator("QUANTIZE", [rows], [y])
    return y


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (concatenation, "a fused activation"),
        (gather, "batch dimensions"),
        (shuffled, "shuffled weights"),
        (a_scale_per_row, "one scale a channel"),
    ],
)
def test_forms_that_are_refused_are_not_folded_either(build, reason):
    with pytest.raises(UnsupportedError, match=reason):
        from_tflite(joined(sample((2, 3), 2), IN, build))


def test_a_tensor_of_any_type_that_nothing_reads_keeps_no_constant_from_folding():
    model = joined(sample((2, 6), 2), IN, lambda w, c: with_stray_tensor(w, c))
    assert operators(from_tflite(model)) == ["add"]
    assert TFLiteReference(model).outputs[0].name == "y"


def with_stray_tensor(w, constant):
    w.tensor("stray", (2, 3), "float16")
    y = w.tensor("folded", (2, 6), affine=IN)
    w.operator("RELU", [constant], [y])
    return y


def test_an_output_may_be_all_constant():
    w = ModelWriter()
    x, y, z = (w.tensor(name, (2, 3), affine=IN) for name in "xyz")
    constant = w.constant("c", sample((2, 3), 1), IN)
    w.operator("RELU", [constant], [y])
    w.operator("RELU", [x], [z])
    found = run(from_tflite(w.finish([x], [y, z])), sample((2, 3)))
    np.testing.assert_array_equal(found[0], np.maximum(sample((2, 3), 1), IN.zero_point))


@pytest.mark.parametrize(
    ("kind", "operand"),
    [("PAD", np.full((2, 2), 1 << 20, I32)), ("TILE", np.array([1 << 20, 1 << 20], I32))],
)
def test_constants_that_would_grow_without_bound_are_not_folded(kind, operand):
    model = joined(sample((2, 6), 2), IN, lambda w, c: grown(w, c, kind, operand))
    start = time.monotonic()
    with pytest.raises(Exception, match="declared as"):
        from_tflite(model)
    assert time.monotonic() - start < 5


def test_constants_too_large_to_fold_are_operands_on_the_device(monkeypatch):
    monkeypatch.setattr(tflite_constants, "LIMIT", 0)
    module = from_tflite(joined(sample((1, 2, 1, 3), 2), IN, convolution))
    assert operators(module) == ["nn.conv2d", "reshape", "add"]
    assert [call.op for call in build(module).program.calls] == ["qconv2d", "qadd"]


def test_a_scalar_stays_a_scalar():
    w = ModelWriter()
    x = w.tensor("x", (), affine=IN)
    y, folded = (w.tensor(name, (), affine=OUT) for name in ("y", "folded"))
    w.operator("RELU", [w.constant("c", np.array(9, np.int8), IN)], [folded])
    w.operator("ADD", [x, folded], [y], "AddOptions")
    found = run(from_tflite(w.finish([x], [folded, y])), np.array(5, np.int8))
    assert [array.shape for array in found] == [(), ()]


def grown(w, constant, kind, operand):
    y = w.tensor("folded", (2, 6), affine=IN)
    w.operator(kind, [constant, w.constant("operand", operand)], [y])
    return y


def test_operators_that_nothing_depends_on_are_left_out_whatever_they_are():
    w = ModelWriter()
    x, y, dead = (w.tensor(name, (2, 3), affine=IN) for name in ("x", "y", "dead"))
    odd = w.tensor("odd", (2, 3), "int4")
    w.operator("RELU", [x], [y])
    w.operator("CUSTOM", [x], [odd])
    w.operator("RELU", [odd], [dead])
    model = w.finish([x], [y])
    assert operators(from_tflite(model)) == ["nn.relu"]


def test_an_unknown_operator_is_named_before_an_order_that_follows_from_it():
    """A tensor with a state is read before it is written; that is not the reason."""
    w = ModelWriter()
    x, y = w.tensor("x", (2, 3), affine=IN), w.tensor("y", (2, 3), affine=IN)
    state = w.tensor("state", (2, 3), affine=IN)
    w.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", [x, state], [y])
    with pytest.raises(UnsupportedError, match=r"LSTM .*not supported"):
        from_tflite(w.finish([x], [y]))


def test_many_unknown_operators_are_one_reason():
    w = ModelWriter()
    tensors = [w.tensor(f"t{k:02}", (2, 3), affine=IN) for k in range(20)]
    for before, after in itertools.pairwise(tensors):
        w.operator("CUMSUM", [before], [after])
    with pytest.raises(UnsupportedError) as caught:
        from_tflite(w.finish(tensors[:1], tensors[-1:]))
    assert str(caught.value).startswith(
        "CUMSUM (tensor 't01' and 18 more): the operator is not supported; "
    )
