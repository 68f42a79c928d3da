"""Plans over the pools of a board: what tensors weigh, what fits, and what is written down."""

from __future__ import annotations

from itertools import pairwise

import pytest
from aot.edge_models import EDGE_MODELS
from aot.pool_models import board
from aot.test_edge_models import compile_quietly
from modelgen import random_tflite
from modelgen.image_graphs import inverted_residuals

from tvm_tiny import transform
from tvm_tiny.checker import check_plan
from tvm_tiny.errors import BudgetError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.lowering.graph import Graph, read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan
from tvm_tiny.lowering.streamed_state import state_bytes
from tvm_tiny.planning.memory import plan
from tvm_tiny.planning.pool_plan import copied_bytes, fits, plan_in_pools
from tvm_tiny.planning.traffic import traffic


def graph(**options: bool) -> Graph:
    return read_graph(compile_quietly(EDGE_MODELS["network"](), **options).module)


@pytest.fixture(scope="module")
def layers() -> Graph:
    return graph()


def by_name(found: Graph) -> dict[str, int]:
    used = traffic(found)
    return {found.storage[k].name: used[k] for k in used}


def test_traffic_counts_every_row_that_an_event_touches(layers):
    rows_of_3x3 = 2 + 6 * 3 + 2  # of 8, with padding
    assert by_name(layers) == {
        "image": 192 + rows_of_3x3 * 24,
        "stem": 512 + rows_of_3x3 * 64 + 512,  # depthwise reads rows three times, the sum once
        "depthwise": 512 + 512,
        "residual": 512 + 512,
        "pooled": 8 + 8,
        "logits": 4 + 4,
        "lv20": 4 + 4,
    }


def test_line_buffers_and_accumulators_have_the_traffic_of_their_events():
    used = by_name(graph(minimize=True))
    rows_of_3x3 = 2 + 6 * 3 + 2
    assert used["stem"] == 512 + rows_of_3x3 * 64 + 512
    # Eight int32 sums, written and read again in eight events, but for the first read.
    assert used["pooled_sums"] == 2 * 8 * 32 + 32


def test_one_pool_that_is_large_enough_is_an_arena(layers):
    arena = plan(layers)
    found = plan_in_pools(layers, board((10_000,)))
    assert found.workspace_bytes == arena.workspace_bytes == found.pools[0].bytes
    assert found.optimal


def test_plans_survive_their_text(layers):
    found = plan_in_pools(layers, board((517, 3001, 9000), "psram"))
    assert MemoryPlan.from_json(found.to_json()) == found
    assert {found.pool(k) for k in found.offsets} == {0, 1, 2}
    assert "pools" not in plan(layers).to_json()


def test_addresses_in_pools_do_not_meet(layers):
    found = plan_in_pools(layers, board((517, 3001)))
    ends = [sum(pool.bytes for pool in found.pools[: k + 1]) for k in range(2)]
    for tensor, pool in found.pool_of.items():
        end = found.address(tensor) + layers.storage[tensor].bytes
        assert ends[pool] - found.pools[pool].bytes <= found.address(tensor) <= end <= ends[pool]


def test_copied_constants_come_first_and_aligned(layers):
    found = plan_in_pools(layers, board((5003,), "fast"))
    constants = [s for s in layers.storage if s.is_constant]
    ends = {found.offsets[s.index]: found.offsets[s.index] + s.bytes for s in constants}
    starts = sorted(ends)
    assert all(start % 16 == 0 for start in starts)
    assert all(ends[a] <= b for a, b in pairwise(starts))
    assert (
        found.pools[0].constants == copied_bytes([s.bytes for s in constants]) >= ends[starts[-1]]
    )
    tensors = [k for k in found.offsets if not layers.storage[k].is_constant]
    assert min(found.offsets[k] for k in tensors) == found.pools[0].constants


@pytest.mark.parametrize(("seed", "turned"), [(3, 0), (6, 2)])
def test_layers_run_backward_only_over_an_input_in_the_same_pool(seed, turned):
    mod = from_tflite(random_tflite.random_model(seed))
    size = compile_quietly(mod).workspace_bytes
    model = compile_quietly(mod, pools=board((size * 2 // 3, size)))
    found = MemoryPlan.from_json(str(model.module["main"].attrs[ATTRIBUTE]))
    steps = [read_graph(model.module).steps[index] for index in found.backward]
    pools = [{found.pool(k) for k in (*s.inputs, *s.outputs) if k in found.offsets} for s in steps]
    assert [len(p) for p in pools] == [1] * turned
    check_plan(model.module)


def test_fits_says_what_planning_does(layers):
    for sizes in ((10_000,), (1024,), (1000,), (512, 512), (517, 600), (504, 504, 504)):
        try:
            plan_in_pools(layers, board(sizes))
        except BudgetError:
            assert not fits(layers, board(sizes))
        else:
            assert fits(layers, board(sizes))


def test_streamed_rows_keep_a_byte_for_each_operator():
    found = graph(minimize=True, stream_input=True)
    # A mark, a place and its loops, and seven operators, one of which moves rows: in eights.
    assert len(found.steps[0].operators) == 7
    assert state_bytes(found) == 24 >= 4 + 2 * 4 + 7
    assert state_bytes(graph()) == 0


def test_traffic_of_tiles_counts_what_several_compute():
    mod = transform.FoldEdges(False)(inverted_residuals())
    whole = by_name(read_graph(transform.LowerToRowKernels()(mod)))
    stages = transform.PatchInference(split=(1, 2), io_in_arena=False)(mod)
    (step,) = (tiled := read_graph(transform.LowerToRowKernels()(stages))).steps
    assert step.stage.tiles.split == (1, 2)
    used = by_name(tiled)
    # Two tiles of 20 columns for 32 of the tensor inside; x and g are shared out among them.
    assert used["a"] * 32 == whole["a"] * 2 * 20
    assert (used["x"], used["g"]) == (whole["x"], whole["g"])
