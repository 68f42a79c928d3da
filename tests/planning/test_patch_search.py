"""The search with patch stages: its sketches, what it saves, and what that costs."""

from __future__ import annotations

import pytest
import tvm
from modelgen.image_graphs import ImageGraph, inverted_residuals

from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.planning.memory import plan
from tvm_tiny.planning.network import read_network, sketch
from tvm_tiny.planning.partition_search import Search
from tvm_tiny.planning.patches import SPLITS, can_divide, extra_macs
from tvm_tiny.schedules.stages.stage import BufferPolicy
from tvm_tiny.transform import LowerToRowKernels, PartitionStages, PatchInference


def search(*, io_in_arena: bool = False, splits=SPLITS) -> Search:
    return Search(read_network(inverted_residuals(), patches=True), io_in_arena, splits)


@pytest.mark.parametrize("seed", range(6))
def test_a_sketch_has_the_plan_of_the_stage_it_stands_for(seed):
    graph = ImageGraph(seed)
    first, last = graph.stage()
    i, j = graph.names.index(first), graph.names.index(last)
    split = graph.split_of(last)
    network = read_network(graph.module, patches=True)
    layers = [(k, k) for k in range(len(network.nodes))]
    drawn = sketch(network, [*layers[:i], (i, j), *layers[j + 1 :]], {(i, j): BufferPolicy(split)})
    lowered = LowerToRowKernels()(PatchInference([(first, last)], split)(graph.module))
    found, wanted = plan(drawn), plan(read_graph(lowered))
    assert (found.workspace_bytes, found.lower_bound) == (
        wanted.workspace_bytes,
        wanted.lower_bound,
    )
    if can_divide(network, (i, j), split):
        step = next(s for s in read_graph(lowered).steps if s.stage and s.stage.tiles)
        assert extra_macs(network, (i, j), split) == step.stage.extra_macs


def in_tiles(partition):
    """The stages that compute in more than one tile."""
    return [stage for stage, policy in partition.policies.items() if policy.tiles]


def test_patches_take_less_than_rows_where_the_caller_has_the_input():
    streamed, patched = search(splits=()).least(), search().least()
    assert patched.bytes < streamed.bytes
    assert in_tiles(patched)
    assert not in_tiles(streamed)


def test_a_budget_is_met_without_patches_where_that_is_possible():
    found = search()
    assert not in_tiles(found.within(search(splits=()).least().bytes))


def macs_again(network, partition):
    tiles = {stage: partition.policies[stage].tiles for stage in in_tiles(partition)}
    return sum(extra_macs(network, stage, split) for stage, split in tiles.items())


def test_a_budget_is_met_with_the_fewest_macs_again():
    streamed = search(splits=()).least().bytes
    found = search().within(streamed - 1)
    assert found.bytes < streamed
    network = read_network(inverted_residuals(), patches=True)
    spent = macs_again(network, found)
    for split in SPLITS:
        other = search(splits=[split]).within(streamed - 1)
        if other is not None:
            assert spent <= macs_again(network, other)


def test_nothing_fits_a_byte():
    assert search().within(1) is None


def forms(mod: tvm.IRModule) -> set[str]:
    return {str(f.attrs["tvm_tiny.form"]) for f in mod.functions.values() if "form" in str(f.attrs)}


def test_without_arguments_the_search_chooses_the_stages():
    mod = PatchInference(io_in_arena=False)(inverted_residuals())
    assert "patch" in forms(mod)
    planned = plan(read_graph(LowerToRowKernels()(mod)), io_in_arena=False)
    assert planned.workspace_bytes == search().least().bytes


def test_a_budget_that_only_patches_meet_gets_them():
    streamed = search(splits=()).least().bytes
    assert forms(PartitionStages(streamed, io_in_arena=False)(inverted_residuals())) == {"stream"}
    mod = PartitionStages(streamed - 1, io_in_arena=False)(inverted_residuals())
    assert "patch" in forms(mod)
    assert plan(read_graph(LowerToRowKernels()(mod)), io_in_arena=False).workspace_bytes < streamed


def test_only_the_given_split_is_searched_for():
    mod = PatchInference(n_patches=2, io_in_arena=False)(inverted_residuals())
    splits = [f.attrs["tvm_tiny.split"] for f in mod.functions.values() if "split" in str(f.attrs)]
    assert [list(split) for split in splits] == [[1, 2]] * len(splits)
    assert splits
