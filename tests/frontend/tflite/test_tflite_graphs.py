"""Models of several operators: shape arithmetic, float tails, unusual graph outputs, real files."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tflite_models import IN, OUT, Affine, ModelWriter, small_network
from tvm import relax

from tvm_tiny.errors import ModelError, UnsupportedError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.frontend.tflite.reader import read_model

I32 = np.int32


def call_names(module):
    bindings = [b for block in module["main"].body.blocks for b in block.bindings]
    return [b.value.op.name for b in bindings if isinstance(b.value, relax.Call)]


def run(module, *inputs):
    relax.analysis.well_formed(module)
    vm = relax.VirtualMachine(relax.build(module, "llvm"), tvm.cpu())
    result = vm["main"](*[tvm.runtime.tensor(x) for x in inputs])
    return [x.numpy() for x in ([result] if hasattr(result, "numpy") else result)]


def flatten_with_run_time_batch(units=24):
    """SHAPE -> STRIDED_SLICE -> PACK -> RESHAPE, as exporters write a Flatten layer."""
    w = ModelWriter()
    x = w.tensor("x", (2, 3, 4), affine=IN)
    y = w.tensor("y", (2, 12), affine=IN)
    shape, batch = w.tensor("shape", (3,), "int32"), w.tensor("batch", (), "int32")
    target = w.tensor("target", (2,), "int32")
    w.operator("SHAPE", [x], [shape], "ShapeOptions", OutType=2)
    bounds = [w.constant(n, np.array([v], I32)) for n, v in (("b", 0), ("e", 1), ("s", 1))]
    w.operator("STRIDED_SLICE", [shape, *bounds], [batch], "StridedSliceOptions", ShrinkAxisMask=1)
    count = w.constant("count", np.array(units, I32))
    w.operator("PACK", [batch, count], [target], "PackOptions", ValuesCount=2)
    w.operator("RESHAPE", [x, target], [y])
    return w.finish([x], [y])


def test_shape_arithmetic_is_done_at_import():
    names = call_names(from_tflite(flatten_with_run_time_batch(12)))
    assert names == ["relax.dequantize", "relax.reshape", "relax.quantize"]


def test_shape_arithmetic_that_gives_another_shape_is_an_error():
    with pytest.raises(ModelError, match=r"cannot reshape \(2, 3, 4\) to \(2, 24\)"):
        from_tflite(flatten_with_run_time_batch(24))


def test_a_float_tail_after_dequantize_stays_float():
    w = ModelWriter()
    x, q = w.tensor("x", (1, 4), affine=IN), w.tensor("f", (1, 4), "float32")
    y = w.tensor("y", (1, 4), "float32")
    w.operator("DEQUANTIZE", [x], [q])
    w.operator("SOFTMAX", [q], [y], "SoftmaxOptions", Beta=1.0)
    module = from_tflite(w.finish([x], [y]))
    assert call_names(module) == ["relax.dequantize", "relax.nn.softmax"]
    data = np.array([[1, 20, -30, 4]], np.int8)
    real = np.exp(IN.real(data))
    np.testing.assert_allclose(run(module, data)[0], real / real.sum(), rtol=1e-5)


def test_outputs_that_are_also_read_and_an_output_that_is_an_input():
    w = ModelWriter()
    x, a, b = (w.tensor(name, (1, 4), affine=IN) for name in "xab")
    w.operator("RELU", [x], [a])
    w.operator("NEG", [a], [b])
    module = from_tflite(w.finish([x], [b, a, x]))
    assert list(module["main"].attrs["tvm_tiny.output_names"]) == ["b", "a", "x"]
    data = np.array([[-128, -3, 0, 127]], np.int8)
    b_value, a_value, x_value = run(module, data)
    assert x_value.tolist() == data.tolist()
    assert a_value.tolist() == [[-3, -3, 0, 127]]
    assert b_value.tolist() == [[-3, -3, -6, -128]]


def test_inputs_in_model_order_and_one_not_used():
    w = ModelWriter()
    a, b, c = (w.tensor(name, (1, n + 1), affine=IN) for n, name in enumerate("abc"))
    y = w.tensor("y", (1, 3), affine=OUT)
    w.operator("RELU", [c], [y])
    main = from_tflite(w.finish([c, a, b], [y]))["main"]
    assert [p.name for p in main.params] == ["c", "a", "b"]
    assert main.attrs["num_input"] == 3


def test_every_use_has_a_dequantize_of_its_own():
    module = from_tflite(small_network())
    uses: dict[str, int] = {}
    for binding in module["main"].body.blocks[0].bindings:
        if binding.value.op.name != "relax.dequantize":
            for argument in binding.value.args:
                name = getattr(argument, "name", None)
                uses[name] = uses.get(name, 0) + 1
    del uses[None]  # constants
    assert max(uses.values()) == 1


def test_operators_on_int32_are_refused():
    w = ModelWriter()
    x, y = w.tensor("x", (1, 4), affine=IN), w.tensor("y", (1,), "int32")
    z = w.tensor("z", (1,), "int32")
    w.operator("ARG_MAX", [x, w.constant("axis", np.array(1, I32))], [y], "ArgMaxOptions")
    w.operator("NEG", [y], [z])
    with pytest.raises(UnsupportedError, match=r"NEG \(tensor 'y'\): element type int32"):
        from_tflite(w.finish([x], [z]))


def test_reader_gives_plain_values():
    w = ModelWriter()
    x, y = w.tensor("x", (1, 2), affine=IN), w.tensor("y", (1, 3), affine=OUT)
    k = w.constant("k", np.arange(6, dtype=np.int8).reshape(3, 2), Affine([0.5, 0.25, 1], 0, 0))
    w.operator("FULLY_CONNECTED", [x, k, -1], [y], "FullyConnectedOptions", KeepNumDims=True)
    model = read_model(w.finish([x], [y]))
    assert (model.inputs, model.outputs, model.subgraphs) == ((0,), (1,), 1)
    kernel = model.tensors[2]
    assert kernel.constant
    assert kernel.data.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert kernel.quantization.scales.tolist() == [0.5, 0.25, 1]
    (operator,) = model.operators
    assert (operator.kind, operator.inputs, operator.outputs) == (
        "FULLY_CONNECTED",
        (0, 2, -1),
        (1,),
    )
    assert operator.flag("keep_num_dims")


REAL = {
    "ad01_int8": (10, 640),
    "kws_ref_model": (13, 12),
    "mcunet_vww1": (63, 2),
    "pretrainedResnet_quant": (16, 10),
    "vww_96_int8": (31, 2),
}


@pytest.mark.models
@pytest.mark.parametrize("stem", REAL)
def test_real_models_import_whole(stem, model_path):
    count, outputs = REAL[stem]
    path = model_path(f"{stem}.tflite")
    main = from_tflite(path)["main"]
    names = [
        binding.var.name
        for binding in main.body.blocks[0].bindings
        if binding.value.op.name == "relax.quantize"
    ]
    model = read_model(path.read_bytes())
    assert len(model.operators) == count
    assert names == [
        model.tensors[op.outputs[0]].name for op in model.operators if op.kind != "DEQUANTIZE"
    ]
    assert tuple(main.ret_ty.shape) == (1, outputs)


@pytest.mark.models
@pytest.mark.parametrize("stem", ["kws_ref_model", "ad01_int8"])
def test_real_models_agree_with_the_reference_but_for_rounding(stem, model_path, golden):
    """The VM computes islands in float32, so a few steps of rounding add up over the layers."""
    inputs, outputs = golden(stem)
    module = from_tflite(model_path(f"{stem}.tflite"))
    shape = [int(n) for n in module["main"].params[0].ty.shape]
    (result,) = run(module, inputs[0].reshape(shape))
    assert np.abs(result.reshape(-1).astype(int) - outputs[0].reshape(-1)).max() <= 3
