"""What users of TVM hand over: targets, options, modules of other passes; errors are one line."""

from __future__ import annotations

import contextlib
import re
import warnings

import numpy as np
import onnx
import pytest
import tvm
from modelgen import random_onnx, random_tflite
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx as relax_from_onnx

import tvm_tiny
from tvm_tiny import transform
from tvm_tiny.errors import DataError, TvmTinyError, UnsupportedError
from tvm_tiny.frontend.tflite import from_tflite


@pytest.fixture(scope="module")
def mod():
    return from_tflite(random_tflite.single_op_model("CONV_2D", 3))


def test_the_registered_pipeline_takes_all_that_ours_takes(mod):
    options = {"target": "cortex-m4", "sram": 64 * 1024, "fold_edges": False}
    by_name = relax.get_pipeline("tvm_tiny", **options)(mod)
    tvm.ir.assert_structural_equal(by_name, tvm_tiny.pipeline(**options)(mod))


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ({"kind": "c", "mcpu": "cortex-m4"}, "cortex-m4"),
        ({"kind": "llvm", "mtriple": "thumbv7em-none-eabi", "mcpu": "cortex-m7"}, "cortex-m7"),
        ({"kind": "llvm", "mtriple": "riscv32-unknown-elf"}, "rv32"),
        ("c", "host"),
        ("llvm", "host"),
    ],
)
def test_targets_of_tvm_are_understood(mod, target, name):
    assert tvm_tiny.build(mod, tvm.target.Target(target)).target.name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sram": "64K"}, r"sram: '64K', expected bytes as a positive integer"),
        ({"sram": 0}, "sram: 0, expected bytes"),
        ({"kernels": "DSP"}, "kernels: 'DSP' is not known: did you mean 'dsp'"),
        ({"target": "cortex-m0", "kernels": "dsp"}, "cortex-m0 cannot run 'dsp'; leave them out"),
        ({"target": "cortex-m4", "kernels": "mve"}, "target, 'dsp'"),
        ({"target": "cortex-m44"}, "did you mean 'cortex-m4'"),
        ({"target": 4}, "target: 4, expected a name"),
        ({"target": tvm.target.Target("opencl")}, "TVM's kind 'opencl' is no processor"),
        (
            {"target": tvm.target.Target({"kind": "c", "mcpu": "cortex-m5"})},
            "unknown target 'cortex-m5': did you mean 'cortex-m55'",
        ),
        ({"minimize": "yes"}, "minimize: 'yes', expected True or False"),
        ({"stages": "a..b"}, "stages: 'a..b', expected pairs of names"),
        ({"pools": "board.toml"}, "pools: 'board.toml', expected what tvm_tiny.pools.read_pools"),
        ({"choices": []}, "choices: .*, expected a mapping"),
        ({"kernel": "dsp"}, "the pipeline has no option 'kernel': did you mean 'kernels'"),
    ],
)
def test_options_of_wrong_types_are_one_line(options, message):
    with pytest.raises(DataError, match=message) as caught:
        relax.get_pipeline("tvm_tiny", **options)
    assert "\n" not in str(caught.value)


def test_a_file_in_place_of_a_module_is_told_how_to_read_it():
    with pytest.raises(DataError, match=r"expected an IRModule; tvm_tiny.from_file reads"):
        tvm_tiny.build("model.tflite")


@pytest.mark.parametrize("step", range(1, 8))
def test_plan_memory_too_early_says_what_to_run_first(mod, step):
    early = tvm.transform.Sequential(tvm_tiny.pipeline().passes[:step])(mod)
    with pytest.raises(DataError, match="run LowerToRowKernels before PlanMemory"):
        transform.PlanMemory()(early)


def test_row_kernels_of_a_quantized_graph_say_what_to_run_first(mod):
    with pytest.raises(DataError, match="run LowerQDQ before it"):
        transform.LowerToRowKernels()(mod)


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (relax.transform.LegalizeOps(), UnsupportedError, "as TVM's LegalizeOps leaves it"),
        (relax.transform.FoldConstant(), UnsupportedError, "as TVM's FoldConstant leaves them"),
        (tvm_tiny.pipeline(), DataError, "it has been through tvm_tiny's passes already"),
    ],
    ids=["legalized", "folded", "compiled"],
)
def test_modules_that_other_passes_have_spoilt_are_refused_with_the_reason(
    mod, spoil, error, message
):
    with pytest.raises(error, match=re.escape(message)) as caught:
        tvm_tiny.build(spoil(mod))
    assert "\n" not in str(caught.value)


def test_passes_in_any_other_order_work_or_say_why(mod):
    passes = tvm_tiny.pipeline(target="cortex-m4").passes
    states = [mod]
    for step in passes:
        states.append(step(states[-1]))
    for step in passes:
        for state in states:
            with contextlib.suppress(TvmTinyError):
                step(state)


# Seeds of models that are int8 throughout, without a Clip: TVM's frontend makes a kernel of that.
@pytest.mark.parametrize(
    ("operator", "seed"),
    [("Add", 0), ("Conv", 3), ("MatMul", 3), ("MaxPool", 2), ("Concat", 2), ("Gemm", 2)],
)
def test_a_module_of_relax_own_frontend_compiles_without_float(operator, seed):
    model = onnx.load_from_string(random_onnx.single_op_model(operator, seed))
    shapes = {
        port.name: [int(d.dim_value) for d in port.type.tensor_type.shape.dim]
        for port in model.graph.input
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", tvm_tiny.passes.lower_qdq.FloatFallbackWarning)
        compiled = tvm_tiny.build(relax_from_onnx(model, shapes), "cortex-m4")
    assert compiled.program.calls
    assert all(np.dtype(call.outputs[0].dtype) == np.int8 for call in compiled.program.calls)
