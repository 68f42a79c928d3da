"""The model's edges: uint8 and float interfaces, tensor names."""

from __future__ import annotations

import numpy as np
from tflite_checks import run, values
from tflite_models import IN, OUT, Affine, ModelWriter, unary_model

from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.interface import ATTRIBUTE, Interface
from tvm_tiny.passes.fold_edges import FoldEdges


def test_uint8_edges_are_requantized():
    w = ModelWriter()
    before, after = Affine(0.05, 125), Affine(0.07, 133)
    x = w.tensor("x", (1, 4), "uint8", before)
    q, r = w.tensor("q", (1, 4), affine=IN), w.tensor("r", (1, 4), affine=OUT)
    y = w.tensor("y", (1, 4), "uint8", after)
    w.operator("QUANTIZE", [x], [q])
    w.operator("QUANTIZE", [q], [r])
    w.operator("QUANTIZE", [r], [y])
    module = from_tflite(w.finish([x], [y]))
    assert module["main"].params[0].ty.dtype == "uint8"
    data = np.array([[0, 120, 130, 255]], np.uint8)
    (result,) = run(module, data)
    assert result.dtype == np.uint8
    assert result.tolist() == [[44, 129, 137, 226]]


def test_an_input_keeps_its_quantization_where_its_reader_copies_integers():
    module = FoldEdges()(from_tflite(unary_model("RESHAPE", (1, 4), (4,))))
    interface = Interface.from_json(module["main"].attrs[ATTRIBUTE])
    ends = [(p.scale, p.zero_point) for p in (*interface.inputs, *interface.outputs)]
    assert ends == [(np.float32(a.scale), a.zero_point) for a in (IN, OUT)]


def test_float_edges_stay_float():
    w = ModelWriter()
    x, q = w.tensor("x", (1, 4), "float32"), w.tensor("q", (1, 4), affine=IN)
    y = w.tensor("y", (1, 4), "float32")
    w.operator("QUANTIZE", [x], [q])
    w.operator("DEQUANTIZE", [q], [y])
    module = from_tflite(w.finish([x], [y]))
    assert [v.op.name for v in values(module)] == ["relax.quantize", "relax.dequantize"]
    (result,) = run(module, np.array([[-9, 0.024, 0.026, 9]], np.float32))
    np.testing.assert_allclose(result, [[-6.25, 0, 0.05, 6.5]], atol=1e-6)


def test_tensor_names_are_kept_verbatim():
    w = ModelWriter()
    x = w.tensor("serving_default_in:0", (1, 4), affine=IN)
    names = ["model/a/Relu;model/a/BiasAdd", "StatefulPartitionedCall:0"]
    a, b = (w.tensor(name, (1, 4), affine=OUT) for name in names)
    w.operator("RELU", [x], [a])
    w.operator("ABS", [a], [b])
    main = from_tflite(w.finish([x], [b]))["main"]
    bound = [
        binding.var.name
        for binding in main.body.blocks[0].bindings
        if binding.value.op.name == "relax.quantize"
    ]
    assert [p.name for p in main.params] == ["serving_default_in:0"]
    assert bound == names
    assert main.attrs["num_input"] == 1
