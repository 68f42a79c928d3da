from __future__ import annotations

import numpy as np
import pytest
import tvm
from aot.test_edge_models import run_module
from tvm import relax, s_tir, tirx
from tvm.relax import op as R

from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.transform import HoistScratch


def softmax() -> tvm.IRModule:
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((4, 100), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            y = builder.emit_output(builder.emit(R.nn.softmax(x, -1), name_hint="soft"))
        builder.emit_func_output(y)
    return relax.transform.LegalizeOps()(builder.get())


def allocations(mod: tvm.IRModule) -> int:
    """Buffers that kernels called by main allocate at their root."""
    called = {step.function for step in read_graph(mod).steps}
    kernels = [f for var, f in mod.functions.items() if var.name_hint in called]
    roots = [k.body.block for k in kernels if isinstance(k.body, s_tir.SBlockRealize)]
    return sum(len(root.alloc_buffers) for root in roots)


def test_buffers_become_outputs_of_the_call():
    mod = softmax()
    hoisted = HoistScratch()(mod)
    relax.analysis.well_formed(hoisted)
    assert allocations(mod) > 0
    assert allocations(hoisted) == 0
    (step,) = read_graph(hoisted).steps
    assert len(step.outputs) == 1 + allocations(mod)
    assert step.name == "soft"


def test_results_stay():
    x = np.random.default_rng(0).normal(size=(4, 100)).astype("float32")
    (before,), (after,) = run_module(softmax(), [x]), run_module(HoistScratch()(softmax()), [x])
    np.testing.assert_array_equal(before, after)


def test_nothing_changes_without_scratch():
    hoisted = HoistScratch()(softmax())
    tvm.ir.assert_structural_equal(HoistScratch()(hoisted), hoisted)


def test_the_given_module_is_not_changed():
    mod = softmax()
    before = mod.script()
    HoistScratch()(mod)
    assert mod.script() == before


@pytest.mark.parametrize("kind", [tirx.PrimFunc])
def test_kernels_stay_prim_funcs(kind):
    hoisted = HoistScratch()(softmax())
    assert all(isinstance(f, kind) for v, f in hoisted.functions.items() if v.name_hint != "main")
