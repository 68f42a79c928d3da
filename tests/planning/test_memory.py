"""Plans against replays that share no code with the planner: byte by byte, and row by row."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from byte_trace import places, trace, wrong_read
from hypothesis import given, settings
from hypothesis import strategies as st
from row_replay import Replay
from stage_graphs import Model, model, models, pointwise, skewed

import tvm_tiny
from tvm_tiny.lowering.graph import Graph, Step, Storage, read_graph
from tvm_tiny.lowering.memory_plan import ALIGNMENT, ATTRIBUTE, MemoryPlan, align
from tvm_tiny.planning.memory import plan, planned_tensors, quick_size

REAL = (
    "ad01_int8.tflite",
    "kws_ref_model.tflite",
    "mcunet_vww1.tflite",
    "pretrainedResnet_quant.tflite",
    "vww_96_int8.tflite",
    "mbv2-w0.35-qdq.onnx",
    "mcunet-5fps-qdq.onnx",
    "proxyless-w0.3-qdq.onnx",
)
SMALL = ("kws_ref_model.tflite", "pretrainedResnet_quant.tflite", "vww_96_int8.tflite")
RANDOM = settings(max_examples=150, derandomize=True, deadline=None)


@st.composite
def opaque_graphs(draw: st.DrawFn) -> Graph:
    """Kernels of which nothing is known: each needs whole inputs and whole results at once."""
    steps = draw(st.integers(1, 8))
    sizes = st.one_of(st.integers(0, 40), st.integers(0, 5000))
    storage = [Storage(0, "t0", (draw(sizes),), "int8", 0, 0)]
    graph = Graph(storage, inputs=[0])
    for index in range(steps):
        known = [t.index for t in storage]
        inputs = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3, unique=True))
        results = range(len(storage), len(storage) + draw(st.integers(1, 2)))
        storage += [Storage(k, f"t{k}", (draw(sizes),), "int8", 0, 0) for k in results]
        graph.steps.append(Step(index, "f", "f", 0, tuple(inputs), tuple(results), f"s{index}"))
    graph.outputs = draw(st.lists(st.sampled_from(range(1, len(storage))), min_size=1, unique=True))
    constant = Storage(len(storage), "w", (8,), "int8", -1, -1, np.zeros(8, "int8"))
    storage.append(constant)
    return graph


def check_form(graph: Graph, found: MemoryPlan, io_in_arena: bool) -> None:
    """Offsets of all that must have one, aligned and inside the arena."""
    outside = set() if io_in_arena else {*graph.inputs, *graph.outputs}
    used = {s for step in graph.steps for s in (*step.inputs, *step.outputs)}
    used = {s for s in used | {*graph.inputs, *graph.outputs} if not graph.storage[s].is_constant}
    assert used - outside <= set(found.offsets)
    assert not outside & set(found.offsets)
    ends = [offset + graph.storage[s].bytes for s, offset in found.offsets.items()]
    assert all(offset % ALIGNMENT == 0 for offset in found.offsets.values())
    assert max(ends, default=0) <= found.workspace_bytes
    assert found.workspace_bytes == align(max([*ends, 1]))
    assert found.lower_bound <= found.workspace_bytes
    assert MemoryPlan.from_json(found.to_json()) == found


def check_bytes(made: Model, found: MemoryPlan) -> None:
    accesses = trace(made.graph, made.touches, found.backward)
    assert wrong_read(accesses, found.offsets, places(made.graph)) is None


@RANDOM
@given(models(6), st.booleans())
def test_every_byte_is_in_its_place_when_it_is_read(made, io_in_arena):
    found = plan(made.graph, io_in_arena=io_in_arena)
    check_form(made.graph, found, io_in_arena)
    check_bytes(made, found)
    Replay(made.graph, found).run()
    assert found == plan(made.graph, io_in_arena=io_in_arena)
    assert quick_size(made.graph, io_in_arena=io_in_arena) >= found.lower_bound


@RANDOM
@given(models(7, layers=False), st.booleans())
def test_every_byte_of_skewed_tensors_is_in_its_place(made, io_in_arena):
    made = skewed(made)
    found = plan(made.graph, io_in_arena=io_in_arena)
    check_bytes(made, found)
    Replay(made.graph, found).run()


@RANDOM
@given(opaque_graphs(), st.booleans())
def test_what_unknown_kernels_need_at_once_is_disjoint(graph, io_in_arena):
    found = plan(graph, io_in_arena=io_in_arena)
    check_form(graph, found, io_in_arena)
    Replay(graph, found).run()
    assert found.workspace_bytes >= needed(graph, set(found.offsets))


def needed(graph: Graph, planned: set[int]) -> int:
    """The most bytes that any one step and what must survive it take."""
    first = {s: k for k, step in enumerate(graph.steps) for s in step.outputs}
    last = {s: k for k, step in enumerate(graph.steps) for s in step.inputs}
    last |= dict.fromkeys(graph.outputs, len(graph.steps))
    return max(
        sum(
            graph.storage[s].bytes
            for s in planned
            if first.get(s, -1) <= k <= max(last.get(s, -1), first.get(s, -1))
        )
        for k in range(-1, len(graph.steps) + 1)
    )


@RANDOM
@given(models(4))
def test_replays_find_a_plan_that_is_wrong(made):
    """All tensors at one place: right only where each has its rows read before it is written."""
    found = replace(plan(made.graph), backward=())
    squeezed = replace(found, offsets=dict.fromkeys(found.offsets, 0))
    accesses = trace(made.graph, made.touches)
    if wrong_read(accesses, squeezed.offsets, places(made.graph)) is not None:
        with pytest.raises(AssertionError):
            Replay(made.graph, squeezed).run()


def test_a_wide_narrow_wide_chain_fits_the_widest_by_running_a_layer_backward():
    """The narrow tensor lies at one end of the wide ones: to get there, or on, from the other.

    Within a row it grows forward, so that a row's bytes must be free.
    """
    sizes = {0: (8, 16), 1: (8, 8), 2: (8, 16)}
    made = model([pointwise([0], 1, sizes), pointwise([1], 2, sizes)], sizes, [1])
    found = plan(made.graph)
    assert (found.workspace_bytes, found.optimal, len(found.backward)) == (136, True, 1)
    check_bytes(made, found)
    with pytest.raises(AssertionError):
        check_bytes(made, replace(found, backward=()))


def test_an_order_that_greedy_placement_misses():
    """Largest first puts c in the middle, and d on top of all; 128 is enough."""
    sizes = (96, 64, 64, 32)
    storage = [Storage(k, "t", (n,), "int8", 0, 0) for k, n in enumerate(sizes)]
    reads = [(), (1,), (2,), (3,)]
    makes = [(1,), (2,), (3,), (0,)]
    steps = [
        Step(k, "f", "f", 0, *pair, "") for k, pair in enumerate(zip(reads, makes, strict=True))
    ]
    assert plan(Graph(storage, steps, [], [0])).workspace_bytes == 128


def test_empty_graph_needs_a_few_bytes_for_c():
    assert plan(Graph()).workspace_bytes == ALIGNMENT


def test_align_rounds_up():
    assert [align(n) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]


@functools.cache
def compiled(path: Path, **options: bool) -> tvm_tiny.CompiledModel:
    return tvm_tiny.build(tvm_tiny.from_file(path), **options)


def replayed(model: tvm_tiny.CompiledModel, io_in_arena: bool) -> MemoryPlan:
    graph = read_graph(model.module)
    if io_in_arena:
        found = MemoryPlan.from_json(str(model.module["main"].attrs[ATTRIBUTE]))
    else:
        found = plan(graph, io_in_arena=False)
    assert set(found.offsets) == {t.index for t in planned_tensors(graph, io_in_arena)}
    Replay(graph, found).run()
    return found


@pytest.mark.models
@pytest.mark.parametrize("name", REAL)
def test_layers_of_real_models_overlap_and_keep_every_row(name, model_path):
    model = compiled(model_path(name))
    for io_in_arena in (True, False):
        found = replayed(model, io_in_arena)
        assert found.optimal


@pytest.mark.models
@pytest.mark.parametrize("options", [("minimize",), ("minimize", "stream_input")], ids="-".join)
@pytest.mark.parametrize("name", SMALL)
def test_streams_of_real_models_keep_every_row(name, options, model_path):
    replayed(compiled(model_path(name), **dict.fromkeys(options, True)), True)


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.parametrize("options", [("minimize",), ("minimize", "stream_input")], ids="-".join)
@pytest.mark.parametrize("name", sorted(set(REAL) - {*SMALL, "ad01_int8.tflite"}))
def test_streams_of_large_models_keep_every_row(name, options, model_path):
    replayed(compiled(model_path(name), **dict.fromkeys(options, True)), True)
