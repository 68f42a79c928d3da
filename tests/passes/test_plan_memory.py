from __future__ import annotations

import pytest
import tvm
from aot.edge_models import EDGE_MODELS
from aot.test_edge_models import compile_quietly

from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan
from tvm_tiny.transform import PlanMemory


def planned(mod: tvm.IRModule, io_in_arena: bool = True) -> MemoryPlan:
    attrs = PlanMemory(io_in_arena)(mod)["main"].attrs
    return MemoryPlan.from_json(str(attrs[ATTRIBUTE]))


@pytest.mark.parametrize("name", EDGE_MODELS)
def test_every_tensor_has_an_offset_and_constants_have_none(name):
    mod = compile_quietly(EDGE_MODELS[name]()).module
    graph = read_graph(mod)
    assert set(planned(mod).offsets) == {t.index for t in graph.storage if not t.is_constant}


def test_inputs_and_outputs_of_the_caller_have_none():
    mod = compile_quietly(EDGE_MODELS["network"]()).module
    graph = read_graph(mod)
    offsets = planned(mod, io_in_arena=False).offsets
    assert set(offsets) == {t.index for t in graph.tensors} - {*graph.inputs, *graph.outputs}


def test_plan_survives_its_text():
    plan = planned(compile_quietly(EDGE_MODELS["network"]()).module)
    assert MemoryPlan.from_json(plan.to_json()) == plan


def test_the_given_module_is_not_changed():
    mod = compile_quietly(EDGE_MODELS["network"]()).module
    before = mod.script()
    PlanMemory(False)(mod)
    assert mod.script() == before
