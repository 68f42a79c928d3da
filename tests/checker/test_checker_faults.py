"""Seeded faults: whatever makes a plan compute wrong outputs is refused.

Whether a change of a plan is a fault is seen by running it: its row kernels on one arena of
bytes, natively. Some faults do not show in the outputs of a few random inputs: refusing those is
no error, and they are counted.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import pytest
from aot.edge_models import EDGE_MODELS
from hypothesis import given, settings
from hypothesis import strategies as st
from modelgen import random_onnx, random_tflite
from plan_machine import PlanMachine
from plan_mutations import MUTATIONS, key
from tvm.ir import IRModule

import tvm_tiny
from tvm_tiny.checker import prove
from tvm_tiny.errors import PlanError
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.lowering.graph import Graph, read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan

LOADERS = {"tflite": (random_tflite, from_tflite), "onnx": (random_onnx, from_onnx)}
SEEDS = {"tflite": (2, 4, 5, 10, 11, 16), "onnx": (8, 11, 13, 21)}
SAMPLES = 3
# Budgets with which the network's rings go round, and with which a tensor climbs.
TURNING, SKEWED = {"sram": 580}, {"sram": 600}
LEAST = 200  # faults with wrong outputs


def planned(model: IRModule, **options: Any) -> IRModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tvm_tiny.pipeline(**options)(model)


def random_model(model_format: str, seed: int) -> IRModule:
    generator, load = LOADERS[model_format]
    return load(generator.random_model(seed))


def planned_models() -> Iterator[IRModule]:
    """Random models, and a network whose rings go round, whose rows move, whose tensors climb."""
    for options in ({"minimize": True}, {"stream_input": True}, TURNING, SKEWED):
        yield planned(EDGE_MODELS["network"](), **options)
    for model_format, seeds in SEEDS.items():
        for seed in seeds:
            yield planned(random_model(model_format, seed), minimize=seed % 3 != 0)


def feeds(graph: Graph) -> list[list[np.ndarray]]:
    """Random bytes for all inputs, some times."""
    random = np.random.default_rng(0)
    sizes = [graph.storage[k].bytes for k in graph.inputs]
    return [[random.integers(0, 256, n).astype(np.uint8) for n in sizes] for _ in range(SAMPLES)]


def refused(graph: Graph, plan: MemoryPlan, mod: IRModule) -> bool:
    try:
        prove(graph, plan, mod)
    except PlanError:
        return True
    return False


def study(mod: IRModule, tries: int, seed: int = 0) -> Iterator[tuple[str, bool, bool]]:
    """(kind of change, whether an output is wrong, whether it is refused) of distinct plans."""
    graph, plan = read_graph(mod), MemoryPlan.from_json(str(mod["main"].attrs[ATTRIBUTE]))
    if any(step.stage is None for step in graph.steps):
        return  # the machine runs row kernels only
    machine, inputs = PlanMachine(mod), feeds(graph)
    expected = [machine.run(graph, plan, feed) for feed in inputs]
    assert not refused(graph, plan, mod)
    random = Random(seed)
    seen = {key(graph, plan)}
    for turn in range(tries):
        kind = sorted(MUTATIONS)[turn % len(MUTATIONS)]
        changed = MUTATIONS[kind](random, graph, plan, mod)
        if changed is not None and key(*changed) not in seen:
            seen.add(key(*changed))
            # Other bytes in the arena at first, so that reading what was never written shows.
            outputs = (machine.run(*changed, feed, noise=1 + turn) for feed in inputs)
            wrong = any(found != want for found, want in zip(outputs, expected, strict=True))
            yield kind, wrong, refused(*changed, mod)


def summary(found: Counter[tuple[str, bool, bool]]) -> str:
    wrong = sum(n for (_, is_wrong, _), n in found.items() if is_wrong)
    silent = sum(n for (_, is_wrong, is_refused), n in found.items() if is_refused and not is_wrong)
    harmless = found.total() - wrong - silent
    return f"{wrong} wrong, {silent} refused without a wrong output, {harmless} proved harmless"


def missed(found: Counter[tuple[str, bool, bool]]) -> list[str]:
    return [kind for kind, wrong, is_refused in found if wrong and not is_refused]


def test_every_fault_with_a_wrong_output_is_refused(record_property):
    found: Counter[tuple[str, bool, bool]] = Counter()
    for mod in planned_models():
        found.update(study(mod, tries=300))
    record_property("faults", summary(found))
    print(summary(found))
    assert missed(found) == []
    assert sum(n for (_, wrong, _), n in found.items() if wrong) >= LEAST
    assert {kind for kind, wrong, _ in found if wrong} == set(MUTATIONS)
    assert any(not wrong and not is_refused for _, wrong, is_refused in found)


@settings(max_examples=6, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(LOADERS)), st.integers(0, 1000), st.booleans())
def test_plans_that_are_proved_compute_the_same(model_format, seed, minimize):
    mod = planned(random_model(model_format, seed), minimize=minimize)
    assert missed(Counter(study(mod, tries=20, seed=seed))) == []


@pytest.mark.models
@pytest.mark.parametrize("options", [{}, {"minimize": True}, {"stream_input": True}], ids=str)
def test_faults_of_real_plans_are_refused(options, model_path):
    mod = planned(tvm_tiny.from_file(model_path("kws_ref_model.tflite")), **options)
    found = Counter(study(mod, tries=60))
    print(summary(found))
    assert missed(found) == []
    assert any(wrong for _, wrong, _ in found)
