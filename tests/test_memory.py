"""The planner against a checker that shares no code with it: byte by byte, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tvm_tiny
from tvm_tiny.graph import Graph, Step, Storage, read_graph
from tvm_tiny.memory import ALIGNMENT, MemoryPlan, align, check, lower_bound, plan

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


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Tensors of any size and life; the first is the input, the last the output."""
    steps = draw(st.integers(1, 12))
    life = st.tuples(st.integers(-1, steps), st.integers(-1, steps))
    sizes = st.one_of(st.integers(0, 40), st.integers(0, 5000))
    lives = draw(st.lists(st.tuples(sizes, life), min_size=2, max_size=24))
    storage = [
        Storage(index, f"t{index}", (size,), "int8", min(ends), max(ends))
        for index, (size, ends) in enumerate(lives)
    ]
    storage.append(Storage(len(storage), "w", (8,), "int8", -1, -1, np.zeros(8, "int8")))
    calls = [Step(k, "f", "f", 0, (), (), "") for k in range(steps)]
    return Graph(storage, calls, inputs=[0], outputs=[len(storage) - 2])


def replay(graph: Graph, found: MemoryPlan, planned: set[int]) -> int:
    """Bytes the plan uses; fails where at any step a byte belongs to two tensors."""
    highest = 0
    for step in range(-1, len(graph.steps) + 1):
        owner = np.full(found.workspace_bytes, -1)
        for tensor in graph.storage:
            if tensor.index not in planned or not tensor.first <= step <= tensor.last:
                continue
            offset = found.offsets[tensor.index]
            assert offset % ALIGNMENT == 0
            assert offset + tensor.bytes <= found.workspace_bytes
            assert (owner[offset : offset + tensor.bytes] == -1).all(), (step, tensor)
            owner[offset : offset + tensor.bytes] = tensor.index
            highest = max(highest, offset + tensor.bytes)
    return highest


def needed(graph: Graph, planned: set[int]) -> int:
    """The most bytes alive at any step, rounded up tensor by tensor."""
    totals = [
        sum(
            (t.bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
            for t in graph.storage
            if t.index in planned and t.first <= step <= t.last
        )
        for step in range(-1, len(graph.steps) + 1)
    ]
    return max(totals)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(graphs(), st.booleans())
def test_plans_are_disjoint_aligned_and_no_larger_than_needed(graph, io_in_arena):
    outside = set() if io_in_arena else {*graph.inputs, *graph.outputs}
    planned = {t.index for t in graph.storage if t.array is None} - outside
    found = plan(graph, io_in_arena=io_in_arena)
    assert set(found.offsets) == planned
    highest = replay(graph, found, planned)
    assert highest <= found.workspace_bytes <= max(highest + ALIGNMENT, ALIGNMENT)
    assert found.workspace_bytes >= needed(graph, planned)
    tensors = [t for t in graph.storage if t.index in planned]
    assert lower_bound(tensors, len(graph.steps)) == needed(graph, planned)
    assert found == plan(graph, io_in_arena=io_in_arena)
    assert MemoryPlan.from_json(found.to_json()) == found


def overlapping() -> tuple[list[Storage], MemoryPlan]:
    a = Storage(0, "a", (16,), "int8", 0, 2)
    b = Storage(1, "b", (16,), "int8", 2, 3)
    return [a, b], MemoryPlan(32, {0: 0, 1: 8})


def test_checker_finds_overlap_misalignment_and_overrun():
    tensors, bad = overlapping()
    good = MemoryPlan(32, {0: 0, 1: 16})
    check(tensors, good)
    for plan_ in (bad, MemoryPlan(32, {0: 4, 1: 24}), MemoryPlan(24, {0: 0, 1: 16})):
        with pytest.raises(AssertionError):
            check(tensors, plan_)


def test_an_order_that_greedy_placement_misses():
    """Largest first puts c in the middle, and d on top of all; 128 is enough."""
    lives = [(96, 3, 4), (64, 0, 1), (64, 1, 2), (32, 2, 3)]
    storage = [Storage(k, "t", (n,), "int8", a, b) for k, (n, a, b) in enumerate(lives)]
    graph = Graph(storage, [Step(k, "f", "f", 0, (), (), "") for k in range(5)], [1], [0])
    assert plan(graph).workspace_bytes == 128


def test_empty_graph_needs_a_few_bytes_for_c():
    assert plan(Graph()).workspace_bytes == ALIGNMENT


def test_align_rounds_up():
    assert [align(n) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]


@pytest.mark.models
@pytest.mark.parametrize("name", REAL)
def test_real_models_need_no_more_than_their_lower_bound(name, model_path):
    graph = read_graph(tvm_tiny.build(tvm_tiny.from_file(model_path(name))).module)
    for io_in_arena in (True, False):
        outside = set() if io_in_arena else {*graph.inputs, *graph.outputs}
        planned = {t.index for t in graph.tensors} - outside
        found = plan(graph, io_in_arena=io_in_arena)
        replay(graph, found, planned)
        assert found.workspace_bytes == needed(graph, planned)
