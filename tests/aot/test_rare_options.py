"""Options in rare company: random models that once broke a compilation."""

from __future__ import annotations

import numpy as np
import pytest
from aot.edge_models import EDGE_MODELS
from aot.host_library import build_library
from aot.test_edge_models import compile_quietly
from modelgen import random_onnx
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder
from relax_models import dequantize, module
from tvm import relax

from tvm_tiny.aot import driver_of
from tvm_tiny.checker import check_plan
from tvm_tiny.errors import DataError
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.frontend.tflite import from_tflite


def test_tensors_between_steps_are_not_buffers_of_the_caller():
    mod = from_onnx(random_onnx.random_model(1007))
    layers = compile_quietly(mod, io_in_arena=False).workspace_bytes
    assert compile_quietly(mod, io_in_arena=False, minimize=True).workspace_bytes <= layers


def test_a_copy_beside_a_streamed_input_has_a_name_of_its_own(tmp_path):
    b = Builder()
    x = b.input((1, 6, 5, 4), Quant(0.02, -3))
    mod = from_tflite(b.finish([b.reshape(x, (1, 30, 4))]))
    model = compile_quietly(mod, name="copies", stream_input=True)
    assert [call.op for call in model.program.calls] == ["push", "copy"]
    build_library([model], tmp_path)


def test_a_streamed_input_needs_outputs_in_the_arena():
    with pytest.raises(DataError, match="outputs lie in the arena"):
        compile_quietly(EDGE_MODELS["network"](), stream_input=True, io_in_arena=False)


def test_operators_alike_but_for_constant_operands_have_their_own_accesses():
    """Two additions of equal shapes: the first one's second operand is a constant."""
    b = Builder()
    x = b.input((1, 6, 5, 4), Quant(0.02, -3))
    values = np.random.default_rng(0).integers(-128, 128, x.shape).astype("int8")
    first = b.binary("ADD", x, b.constant("c", values, (0.03,), 1), Quant(0.04, 5))
    mod = from_tflite(b.finish([b.binary("ADD", first, x, Quant(0.05, -6))]))
    model = compile_quietly(mod, kernels="portable")
    additions = [call for call in model.program.calls if call.op == "qadd"]
    kinds = [[operand.location for operand in call.inputs[:2]] for call in additions]
    assert kinds == [["arena", "constant"], ["arena", "arena"]]
    check_plan(model.module, driver_of(model.program))


def test_kernels_of_tvm_are_called_float_where_they_compute_in_it():
    def body(emit, x, ids):
        whole = emit(relax.op.add(ids, relax.const(np.int32(1))))
        return [whole, relax.op.exp(emit(dequantize(x, 0.1, 0)))]

    inputs = {"x": ((1, 4), "int8"), "ids": ((1, 4), "int32")}
    model = compile_quietly(module(inputs, body, ["whole", "real"]))
    names = [call.op.removesuffix("_hoisted") for call in model.program.calls]
    assert names == ["add", "dequantize", "float tir_exp"]
