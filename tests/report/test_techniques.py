"""Plans of one model by technique, and their pictures."""

from __future__ import annotations

import itertools

import pytest
from modelgen.draw import Quant
from modelgen.tflite_builder import Builder

import tvm_tiny
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.pools import BoardMemory, MemoryPool, Weights
from tvm_tiny.report.block_words import describe
from tvm_tiny.report.page import render_page

# 16x16 rows of 24 channels before and behind the depthwise convolution, and the 4 of the shortcut.
APART = 16 * 16 * (24 + 24 + 4)

CHAINS = [
    ({}, ["apart", "overlap"]),
    ({"minimize": True}, ["apart", "overlap", "stages"]),
    ({"minimize": True, "stream_input": True}, ["apart", "overlap", "stages", "pushed"]),
]


@pytest.mark.parametrize(("options", "keys"), CHAINS)
def test_plans_lead_from_whole_tensors_to_the_compiled_one(network, report_on, options, keys):
    plans = report_on(**options).plans
    assert [plan.key for plan in plans] == keys
    assert plans[0].arena_bytes == APART
    assert plans[-1].arena_bytes == tvm_tiny.build(network, **options).workspace_bytes
    sizes = [plan.arena_bytes for plan in plans]
    assert sizes == sorted(set(sizes), reverse=True)


def test_a_budget_that_layers_meet_needs_no_stages(report_on):
    assert [plan.key for plan in report_on(sram=APART).plans] == ["apart", "overlap"]


def test_buffers_of_the_caller_are_in_no_plan(report_on):
    plans = report_on(io_in_arena=False).plans
    assert {block.kind for plan in plans for block in plan.blocks} == {"tensor", "scratch"}


@pytest.mark.parametrize(("options", "keys"), CHAINS)
def test_blocks_stay_in_their_memory_and_in_the_arena(report_on, options, keys):
    for plan in report_on(**options).plans:
        for block in plan.blocks:
            end = block.offset + block.bytes
            assert end <= plan.arena_bytes
            assert all(block.offset <= r.low < r.high <= end for r in block.runs)
            assert all(0 <= r.first < r.end <= plan.columns for r in block.runs)


def test_whole_tensors_never_share_a_byte(report_on):
    plan = report_on().plans[0]
    for column in range(plan.columns):
        spans = sorted(
            (run.low, run.high)
            for block in plan.blocks
            for run in block.runs
            if run.first <= column < run.end
        )
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


@pytest.mark.parametrize(("options", "keys"), CHAINS)
def test_the_peak_is_what_its_tensors_cover(report_on, options, keys):
    plan = report_on(**options).chosen
    covered = {byte for s in plan.peak.shares for byte in range(s.low, s.high)}
    state = sum(block.bytes for block in plan.blocks if block.kind == "state")
    assert plan.peak.bytes == len(covered) + state
    assert plan.peak.bytes == max(step.peak.bytes for step in plan.steps)
    step = next(step for step in plan.steps if step.index == plan.peak.step)
    assert step.first <= plan.peak.column < step.end


@pytest.mark.parametrize(("options", "keys"), CHAINS)
def test_steps_follow_one_another_and_have_all_events(report_on, options, keys):
    for plan in report_on(**options).plans:
        assert sum(step.events for step in plan.steps) == plan.events
        assert all(a.end == b.first for a, b in zip(plan.steps, plan.steps[1:], strict=False))


def test_line_buffers_belong_to_stages(report_on):
    plan = report_on(minimize=True).chosen
    (stage,) = (step for step in plan.steps if step.kind == "stage")
    rings = [plan.blocks[k] for k in stage.rings]
    assert {block.kind for block in rings} == {"ring"}
    # Of the expansion the depthwise convolution needs three rows.
    assert (3, 16, 16 * 24) in {(block.ring, block.rows, block.row_bytes) for block in rings}


def test_a_skewed_tensor_is_shown_as_a_row_that_moves(report_on):
    """With a little less than the layers take, the last depthwise rows follow the result."""
    plan = report_on(sram=7560).chosen
    (block,) = (block for block in plan.blocks if block.climb)
    assert (block.climb, block.ring, block.rows) == (64, 1, 16)
    assert block.bytes == block.row_bytes + 15 * 64
    assert any(f"{block.row_bytes} bytes, 64 further up" in line for line in describe(block, plan))
    assert all(run.high - run.low <= block.row_bytes + 64 for run in block.runs)


@pytest.fixture(scope="module")
def float_kernel():
    net = Builder()
    # Rows too long for the integer softmax, whose sum has 12 integer bits.
    x = net.input((1, 2, 2, 4096), Quant(0.05, 0))
    return from_tflite(net.finish([net.unary("SOFTMAX", x, Quant(1 / 256, -128), beta=1.0)]))


@pytest.mark.filterwarnings("ignore:.*float")
def test_buffers_of_tvms_kernels_are_scratch(report_on, float_kernel):
    plan = report_on(mod=float_kernel).chosen
    (kernel,) = (step for step in plan.steps if step.kind == "kernel")
    assert kernel.peak.row is None
    assert [plan.blocks[k].kind for k in kernel.scratch] == ["scratch"] * len(kernel.scratch)
    # The largest value and the sum of each of the 4 pixels, in float32, and all exponentials.
    assert sorted(plan.blocks[k].bytes for k in kernel.scratch) == [16, 16, 4 * 4 * 4096]


@pytest.mark.filterwarnings("ignore:.*float")
def test_a_search_that_finds_no_stages_is_no_technique(report_on, float_kernel):
    plans = report_on(mod=float_kernel, stream_input=True).plans
    assert [plan.key for plan in plans] == ["apart", "overlap", "pushed"]


BOARD = BoardMemory((MemoryPool("fast", 3000), MemoryPool("slow", 20_000)), Weights(copy_to="slow"))


@pytest.mark.parametrize("options", [{}, {"minimize": True, "stream_input": True}])
def test_pools_follow_one_another(network, report_on, options):
    report = report_on(pools=BOARD, **options)
    plan = report.chosen
    assert plan.key == "pools"
    fast, slow = plan.pools
    assert (fast.name, slow.name) == ("fast", "slow")
    assert (fast.first, slow.first) == (0, fast.bytes)
    assert sum(part.bytes for part in plan.pools) == plan.arena_bytes
    assert plan.arena_bytes == report.analysis.arena_bytes
    (weights,) = (block for block in plan.blocks if block.kind == "weights")
    assert weights.offset == slow.first
    for block in plan.blocks:
        inside = [p for p in plan.pools if p.first <= block.offset < p.first + p.bytes]
        assert block.offset + block.bytes <= inside[0].first + inside[0].bytes


def test_stages_in_tiles(network, report_on):
    """Below what streaming needs; then tensors inside have memory for some columns only."""
    least = report_on(minimize=True).chosen.arena_bytes
    report = report_on(sram=least - 100)
    plan = report.chosen
    (stage,) = (step for step in plan.steps if step.tiles != (1, 1))
    assert stage.extra_macs == report.analysis.extra_macs > 0
    assert stage.peak.tile is not None
    narrow = [block for block in plan.blocks if block.columns]
    assert narrow
    for block in narrow:
        assert block.kind == "ring"
        assert block.columns < block.shape[1] == 16
        assert block.row_bytes == block.columns * block.shape[2]
    text = render_page(report)
    assert f"stage of {len(stage.tensors)} in {stage.tiles[0]}x{stage.tiles[1]} tiles" in text
    assert f"{narrow[0].columns} of 16 columns" in text
