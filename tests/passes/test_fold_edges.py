from __future__ import annotations

import numpy as np
import pytest
import tvm
from aot.edge_models import EDGE_MODELS
from aot.relax_models import dequantize, island, module, quantize
from aot.test_edge_models import compile_quietly, run_module
from tvm import relax
from tvm.relax import op as R

from tvm_tiny.interface import ATTRIBUTE, Interface
from tvm_tiny.transform import FoldEdges


def fold(mod: tvm.IRModule, enabled: bool = True) -> tuple[tvm.IRModule, Interface]:
    folded = FoldEdges(enabled)(mod)
    relax.analysis.well_formed(folded)
    return folded, Interface.from_json(str(folded["main"].attrs[ATTRIBUTE]))


def nchw_image(mod_shape: tuple[int, ...] = (1, 3, 4, 5)) -> tvm.IRModule:
    """float32 NCHW in and out, as ConvertLayout leaves an ONNX model."""

    def body(emit, x):
        q = emit(quantize(emit(R.permute_dims(x, [0, 2, 3, 1])), 0.5, 3))
        y = emit(quantize(emit(R.nn.relu(emit(dequantize(q, 0.5, 3)))), 0.25, -7))
        return [emit(R.permute_dims(emit(dequantize(y, 0.25, -7)), [0, 3, 1, 2]))]

    return module({"x": (mod_shape, "float32")}, body, ["y"])


def test_float_nchw_becomes_int8_nhwc():
    folded, interface = fold(nchw_image())
    (param,) = folded["main"].params
    assert [int(d) for d in param.ty.shape] == [1, 4, 5, 3]
    assert str(param.ty.dtype) == "int8"
    (x,), (y,) = interface.inputs, interface.outputs
    assert (x.model_shape, x.model_dtype, x.permutation) == ((1, 3, 4, 5), "float32", (0, 2, 3, 1))
    assert (x.scale, x.zero_point, x.shape, x.dtype) == (0.5, 3, (1, 4, 5, 3), "int8")
    assert (y.scale, y.zero_point, y.shape, y.dtype) == (0.25, -7, (1, 4, 5, 3), "int8")
    assert y.permutation == (0, 2, 3, 1)


def test_ports_turn_arrays_round():
    _, interface = fold(nchw_image())
    (x,), (y,) = interface.inputs, interface.outputs
    real = (np.arange(60, dtype="float32").reshape(1, 3, 4, 5) - 30) / 2
    device = x.to_device(real)
    assert device.shape == (1, 4, 5, 3)
    np.testing.assert_array_equal(device.transpose(0, 3, 1, 2), real / 0.5 + 3)
    np.testing.assert_array_equal(y.from_device(device), (real / 0.5 + 3 + 7) * 0.25)


def test_nothing_moves_when_told_not_to():
    mod = nchw_image()
    folded, interface = fold(mod, enabled=False)
    assert [int(d) for d in folded["main"].params[0].ty.shape] == [1, 3, 4, 5]
    assert interface.inputs[0].dtype == interface.outputs[0].dtype == "float32"


def _result_too(emit, x):
    moved = emit(R.permute_dims(x, [1, 0]))
    return [moved, emit(quantize(moved, 0.5, 0))]


def _two_scales(emit, x):
    return [emit(quantize(x, 0.5, 0)), emit(quantize(x, 0.25, 0))]


def _also_float(emit, x):
    return [emit(quantize(x, 0.5, 0)), emit(R.exp(x))]


def _is_result(emit, x):
    return [x, emit(quantize(x, 0.5, 0))]


def _moved_result(emit, x):
    return [emit(R.permute_dims(x, [1, 0]))]


def _reshaped_result(emit, x):
    flat = emit(R.reshape(x, (6,)))
    return [flat, emit(quantize(flat, 0.5, 0))]


@pytest.mark.parametrize(
    "body", [_result_too, _two_scales, _also_float, _is_result, _moved_result, _reshaped_result]
)
def test_inputs_that_not_all_quantize_alike_stay(body):
    mod = module({"x": ((2, 3), "float32")}, body, ["a", "b"])
    if body is _moved_result:
        mod = tvm.IRModule({"main": mod["main"].with_attr("tvm_tiny.output_names", ["a"])})
    folded, interface = fold(mod)
    assert interface.inputs[0].dtype == "float32"
    assert str(folded["main"].params[0].ty.dtype) == "float32"
    assert interface.outputs[0].name == "a"
    x = np.arange(6, dtype="float32").reshape(2, 3)
    (port,) = interface.inputs
    expected = run_module(mod, [x])
    actual = run_module(folded, [port.to_device(x)])
    for found, wanted, out in zip(actual, expected, interface.outputs, strict=True):
        np.testing.assert_array_equal(out.from_device(found), wanted)


def test_names_of_outputs_default_to_numbers():
    mod = module({"x": ((2, 3), "int8")}, lambda emit, x: [island(emit, R.nn.relu, x)], ["y"])
    unnamed = tvm.IRModule({"main": mod["main"].without_attr("tvm_tiny.output_names")})
    assert fold(unnamed)[1].outputs[0].name == "output_0"


def test_quantization_of_integer_edges_is_recorded():
    _, interface = fold(EDGE_MODELS["uint8_edges"]())
    (x,), (y,) = interface.inputs, interface.outputs
    assert (x.dtype, x.scale, x.zero_point) == ("uint8", pytest.approx(0.1), 130)
    assert (y.dtype, y.scale, y.zero_point) == ("uint8", pytest.approx(0.1), 128)


def test_the_given_module_is_not_changed():
    mod = nchw_image()
    before = mod.script()
    FoldEdges()(mod)
    assert mod.script() == before


def test_compiled_model_takes_folded_edges():
    model = compile_quietly(nchw_image())
    assert [call.op for call in model.program.calls] == ["lut"]
