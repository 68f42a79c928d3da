"""Proofs of memory plans: what is proved, and what the refusals say."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import pytest
from aot.edge_models import EDGE_MODELS
from hypothesis import given, settings
from hypothesis import strategies as st
from modelgen import random_onnx, random_tflite
from tvm import relax
from tvm.ir import IRModule

import tvm_tiny
from tvm_tiny.checker import check_plan, prove
from tvm_tiny.errors import DataError, PlanError, VerificationError
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.lowering.graph import Graph, read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan
from tvm_tiny.schedules.stages.stage import Rows

LOADERS = {"tflite": (random_tflite, from_tflite), "onnx": (random_onnx, from_onnx)}
MODES = ({}, {"io_in_arena": False}, {"minimize": True})


def planned(model: IRModule, **options: bool) -> IRModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tvm_tiny.pipeline(**options)(model)


def parts(mod: IRModule) -> tuple[Graph, MemoryPlan]:
    return read_graph(mod), MemoryPlan.from_json(str(mod["main"].attrs[ATTRIBUTE]))


@pytest.fixture(scope="module")
def network() -> IRModule:
    """A small network, layer by layer."""
    return planned(EDGE_MODELS["network"]())


@pytest.fixture(scope="module")
def streamed() -> IRModule:
    """The same as one stage, with rings and a sum of rows."""
    mod = planned(EDGE_MODELS["network"](), stages=[("stem", "pooled")])
    assert any(len(step.operators) > 1 for step in read_graph(mod).steps)
    return mod


@settings(max_examples=8, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(sorted(LOADERS)), st.integers(0, 1000), st.sampled_from(MODES))
def test_plans_of_random_models_are_proved(model_format, seed, options):
    generator, load = LOADERS[model_format]
    mod = planned(load(generator.random_model(seed)), **options)
    proof = check_plan(mod)
    graph, plan = parts(mod)
    inside = [graph.storage[k] for k in plan.offsets]
    assert proof.arena_bytes == plan.workspace_bytes
    assert proof.used_bytes == max((plan.offsets[s.index] + s.bytes for s in inside), default=0)
    events = [o.row_op.events for step in graph.steps for o in step.operators]
    assert proof.events == sum(events) + sum(step.stage is None for step in graph.steps)


@pytest.mark.models
@pytest.mark.parametrize("options", [*MODES, {"stream_input": True}], ids=str)
@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet_quant", "vww_96_int8"])
def test_plans_of_real_models_are_proved(name, options, model_path):
    mod = planned(tvm_tiny.from_file(model_path(f"{name}.tflite")), **options)
    proof = check_plan(mod)
    macs = sum(step.macs for step in read_graph(mod).steps)
    # Each multiply-accumulate reads an input, except where that is padding.
    assert 0.9 * macs < proof.reads < 1.1 * macs
    assert f"{proof.reads:,} reads" in str(proof)
    assert not proof.whole


def test_a_proof_names_what_it_takes_to_be_read_whole():
    mod = planned(EDGE_MODELS["float_operators"]())
    names = {step.name for step in read_graph(mod).steps if step.stage is None}
    assert names
    assert set(check_plan(mod).whole) == names


def refusal(graph: Graph, plan: MemoryPlan, mod: IRModule) -> str:
    """The message with which a plan is refused."""
    with pytest.raises(PlanError) as caught:
        prove(graph, plan, mod)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("memory plan: ")
    return message


def test_refusals_are_one_line_of_the_family_of_wrong_results(network):
    graph, plan = parts(network)
    for storage in plan.offsets:
        refusal(graph, replace(plan, offsets={**plan.offsets, storage: 4}), network)
    assert issubclass(PlanError, VerificationError)
    assert PlanError.exit_code == VerificationError.exit_code


def test_places_outside_the_arena_off_the_grid_or_missing_are_refused(network):
    graph, plan = parts(network)
    storage, name = graph.steps[0].outputs[0], graph.steps[0].operators[0].name
    size = graph.storage[storage].bytes

    def at(offset: int) -> MemoryPlan:
        return replace(plan, offsets={**plan.offsets, storage: offset})

    assert f"'{name}' is at byte 12" in refusal(graph, at(12), network)
    end = plan.workspace_bytes + size - 8
    assert f"takes bytes {end - size} to {end - 1} of" in refusal(graph, at(end - size), network)
    assert f"'{name}' takes bytes -8" in refusal(graph, at(-8), network)
    rest = {k: v for k, v in plan.offsets.items() if k != storage}
    assert f"'{name}' has no offset" in refusal(graph, replace(plan, offsets=rest), network)


def test_inputs_may_not_share_memory_whichever_is_read():
    mod = planned(EDGE_MODELS["unused_input"]())
    graph, plan = parts(mod)
    one, other = graph.inputs
    same = {**plan.offsets, one: 0, other: 0}
    larger = max(graph.storage[k].bytes for k in graph.inputs) + plan.workspace_bytes
    message = refusal(graph, replace(plan, offsets=same, workspace_bytes=larger), mod)
    assert "the caller, who writes the inputs," in message


def test_what_a_float_kernel_reads_and_writes_may_not_share_memory():
    mod = planned(EDGE_MODELS["float_operators"]())
    graph, plan = parts(mod)
    graph_end = plan.workspace_bytes + max(s.bytes for s in graph.tensors)
    steps = [step for step in graph.steps if step.stage is None]
    scratch = [step for step in steps if len(step.outputs) > 1]
    pairs = [(step.inputs[0], step.outputs[0], step) for step in steps]
    pairs += [(*step.outputs[:2], step) for step in scratch]
    assert scratch
    for one, other, step in pairs:
        same = {**plan.offsets, one: plan.offsets[other]}
        message = refusal(graph, replace(plan, offsets=same, workspace_bytes=graph_end), mod)
        assert f"'{step.name}' needs row" in message


def test_a_refusal_names_the_reader_its_row_and_what_is_there(network):
    graph, plan = parts(network)
    first = graph.steps[0]
    source, target = graph.inputs[0], first.outputs[0]
    same = replace(plan, offsets={**plan.offsets, target: plan.offsets[source]})
    if graph.storage[target].bytes > graph.storage[source].bytes:
        same = replace(same, workspace_bytes=plan.workspace_bytes + graph.storage[target].bytes)
    reader, tensor = first.operators[0].name, graph.storage[source].name
    found = re.match(
        rf"memory plan: event \d+ of '{re.escape(reader)}' \(\w+\) needs row \d+ of "
        rf"'{re.escape(tensor)}', but bytes (\d+) to (\d+) of its memory \(arena bytes (\d+) to "
        rf"\d+\) hold row \d+ of '{re.escape(reader)}': ",
        refusal(graph, replace(same, backward=()), network),
    )
    assert found
    assert int(found[3]) - int(found[1]) == plan.offsets[source]


def test_the_plan_of_a_module_is_what_is_proved(network):
    _, plan = parts(network)
    zeros = replace(plan, offsets=dict.fromkeys(plan.offsets, 0))
    bad = IRModule(dict(network.functions), attrs=network.attrs)
    bad["main"] = network["main"].with_attr(ATTRIBUTE, zeros.to_json())
    with pytest.raises(PlanError):
        check_plan(bad)


def test_a_module_without_a_plan_says_what_to_run():
    x = relax.Var("x", relax.TensorType((2, 2), "int8"))
    mod = IRModule({"main": relax.Function([x], x, x.ty)})
    with pytest.raises(DataError, match="run tvm_tiny"):
        check_plan(mod)


def with_operators(graph: Graph, index: int, *operators) -> Graph:
    """A graph whose step `index` has other operators."""
    step = graph.steps[index]
    stage = replace(step.stage, operators=tuple(o.row_op for o in operators))
    changed = [*graph.steps]
    changed[index] = replace(step, operators=operators, stage=stage)
    return replace(graph, steps=changed)


def test_an_accumulator_is_complete_after_its_last_event_only(streamed):
    """Sums whose reader waits for the first event only are the same bytes, too early."""
    graph, plan = parts(streamed)
    index, k = next(
        (step.index, k)
        for step in graph.steps
        for k, operator in enumerate(step.operators)
        if operator.row_op.accumulates and k + 1 < len(step.operators)
    )
    operators = [*graph.steps[index].operators]
    sums = operators[k].row_op
    each_a_row = Rows(tuple(range(sums.events)), tuple(range(1, sums.events + 1)))
    changed = replace(sums, accumulates=False, writes=each_a_row)
    operators[k] = replace(operators[k], row_op=changed)
    message = refusal(with_operators(graph, index, *operators), plan, streamed)
    assert f"needs row 0 of '{operators[k].name}'" in message
    assert "hold its row 0: " in message


def test_a_line_buffer_of_no_rows_is_refused_before_anything_divides_by_it(streamed):
    graph, plan = parts(streamed)
    step = next(step for step in graph.steps if len(step.operators) > 1)
    integers = graph.storage[step.operators[0].inputs[-1]]
    array = integers.array.copy()
    array[-1] = 0
    storage = [*graph.storage]
    storage[integers.index] = replace(integers, array=array)
    message = refusal(replace(graph, storage=storage), plan, streamed)
    assert "is given a line buffer of 0 rows" in message


def test_a_stage_that_waits_for_what_never_comes_is_refused(streamed):
    graph, plan = parts(streamed)
    step = next(step for step in graph.steps if len(step.operators) > 1)
    last = len(step.operators) - 1
    for_ever = {0: (last, (1,) * step.operators[0].row_op.events)}
    steps = [*graph.steps]
    steps[step.index] = replace(step, stage=replace(step.stage, delays=for_ever))
    message = refusal(replace(graph, steps=steps), plan, streamed)
    assert "runs only 0 of its 8 events, because what it waits for never comes" in message
