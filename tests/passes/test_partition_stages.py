"""PartitionStages: what fits a budget, the least memory, and nothing without being asked."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import tvm
from aot.relax_models import network
from int8_graphs import conv, pool, random_graph, random_input
from islands import module, run

import tvm_tiny
from tvm_tiny.errors import BudgetError
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.passes.stream_stages import extract_stages
from tvm_tiny.planning.memory import plan
from tvm_tiny.planning.network import read_network, sketch
from tvm_tiny.planning.partition import Partition
from tvm_tiny.planning.partition_search import Search
from tvm_tiny.schedules.stages.stage import STEADY, BufferPolicy
from tvm_tiny.transform import LowerToRowKernels, PartitionStages, RunningSums, StreamStages

SEEDS = range(6)


def chain(emit, x):
    """Wide in the middle: layers need 4,608 bytes and more, stages the input and some rows."""
    for name, channels, stride in (("a", 16, 1), ("b", 16, 1), ("c", 16, 2), ("d", 4, 1)):
        x = emit(conv(x, channels, stride=stride), name_hint=name)
    return emit(pool(x, 2, 2), name_hint="y")


@functools.cache
def model() -> tvm.IRModule:
    return module(chain, (1, 24, 12, 3))


def size(mod: tvm.IRModule, io_in_arena: bool = True) -> int:
    return plan(read_graph(LowerToRowKernels()(mod)), io_in_arena=io_in_arena).workspace_bytes


def overhead(mod: tvm.IRModule) -> int:
    """Rows that stages compute; layers need no driver."""
    steps = read_graph(LowerToRowKernels()(mod)).steps
    staged = [step.operators for step in steps if len(step.operators) > 1]
    return sum(operator.row_op.events for operators in staged for operator in operators)


def test_nothing_changes_without_options_or_where_layers_fit():
    assert PartitionStages()(model()).same_as(model())
    layers = size(model())
    tvm.ir.assert_structural_equal(PartitionStages(sram=layers)(model()), model())
    assert overhead(PartitionStages(sram=layers - 8)(model())) > 0


def test_the_least_is_much_less_and_the_bytes_are_the_same():
    least = PartitionStages(minimize=True)(model())
    assert tvm.relax.analysis.check_well_formed(least)
    assert size(least) < size(model()) / 2
    x = random_input(model(), 0)
    np.testing.assert_array_equal(run(LowerToRowKernels()(least), x)[0], run(model(), x)[0])


@pytest.mark.parametrize("io_in_arena", [True, False])
def test_every_budget_from_the_least_to_all_layers_is_kept_with_ever_less_overhead(io_in_arena):
    least = size(PartitionStages(minimize=True, io_in_arena=io_in_arena)(model()), io_in_arena)
    layers = size(model(), io_in_arena)
    rows = []
    for budget in np.linspace(least, layers, 6).astype(int).tolist():
        found = PartitionStages(sram=budget, io_in_arena=io_in_arena)(model())
        assert size(found, io_in_arena) <= budget
        rows.append(overhead(found))
    assert rows == sorted(rows, reverse=True)
    assert rows[0] > rows[-1] == 0


def test_a_budget_that_nothing_fits_gives_the_least():
    tvm.ir.assert_structural_equal(
        PartitionStages(sram=8)(model()), PartitionStages(minimize=True)(model())
    )


def test_minimize_wins_over_a_budget():
    found = PartitionStages(sram=1 << 20, minimize=True)(model())
    tvm.ir.assert_structural_equal(found, PartitionStages(minimize=True)(model()))


@pytest.mark.parametrize("options", [{}, {"stream_input": True}], ids=["whole", "pushed"])
def test_build_meets_a_budget_of_what_the_least_needs(options):
    least = tvm_tiny.build(network(), minimize=True, **options).workspace_bytes
    assert tvm_tiny.build(network(), sram=least, **options).workspace_bytes <= least
    with pytest.raises(BudgetError, match=rf"needs \d+ bytes of SRAM .*the budget is {least // 2}"):
        tvm_tiny.build(network(), sram=least // 2, **options)


def funnel():
    """Large images first: tiles of them meet budgets that rows do not, where inputs are others'."""

    def body(emit, x):
        a = emit(conv(x, 12, stride=2), name_hint="a")
        b = emit(conv(a, 12, groups=12, stride=2), name_hint="b")
        c = emit(conv(b, 8, kernel=1), name_hint="c")
        d = emit(conv(c, 16), name_hint="d")
        e = emit(conv(d, 16, groups=16), name_hint="e")
        return emit(conv(e, 8, kernel=1), name_hint="f")

    return module(body, (1, 24, 24, 3))


@pytest.mark.parametrize("kernels", ["dsp", "mve", "plain"])
def test_operators_beside_patches_have_fast_kernels(kernels):
    mod = funnel()
    budget = Search(read_network(mod, patches=True), io_in_arena=False).least().bytes - 1
    found = PartitionStages(budget, io_in_arena=False, kernels=kernels)(mod)
    tvm.ir.assert_structural_equal(mod, funnel())
    lowered = LowerToRowKernels()(found)
    assert plan(read_graph(lowered), io_in_arena=False).workspace_bytes <= budget
    tiled = [f for f in found.functions.values() if "tvm_tiny.split" in (f.attrs or {})]
    assert tiled
    assert "packed." not in "".join(f.script(show_meta=False) for f in tiled)
    assert "packed." in found.script(show_meta=False)
    x = np.random.default_rng(0).integers(-128, 128, (1, 24, 24, 3)).astype("int8")
    np.testing.assert_array_equal(run(lowered, x)[0], run(LowerToRowKernels()(mod), x)[0])


@pytest.mark.parametrize("isa", ["dsp", "mve"])
def test_what_no_fast_kernel_fits_in_takes_portable_ones(isa):
    """The first of these operators has no room for any scratch; most of the others have."""
    mod = funnel()
    budget = Search(read_network(mod)).least().bytes
    found = PartitionStages(budget, kernels=isa)(mod)
    assert size(found) <= budget
    text = found.script(show_meta=False)
    assert text.count("packed.") >= 3


def partitions(mod: tvm.IRModule) -> list[list[tuple[int, int]]]:
    """Every way to cut the operators into stages; renamings stay by themselves."""
    nodes = read_network(mod).nodes
    count = next((k for k, node in enumerate(nodes) if node.view), len(nodes))
    views = [(k, k) for k in range(count, len(nodes))]
    places = range(1, count)
    cuts = itertools.chain.from_iterable(itertools.combinations(places, n) for n in range(count))
    bounds = ([0, *cut, count] for cut in cuts)
    return [[*((a, b - 1) for a, b in itertools.pairwise(bound)), *views] for bound in bounds]


def staged(mod: tvm.IRModule, ranges: list[tuple[int, int]]) -> tvm.IRModule:
    return StreamStages([(first, last) for first, last in ranges if last > first])(mod)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_search_finds_the_least_of_all_partitions_of_small_graphs(seed):
    mod = RunningSums()(random_graph(seed, operators=4))
    found: Partition = Search(read_network(mod)).least()
    every = [plan(sketch(read_network(mod), way)).workspace_bytes for way in partitions(mod)]
    assert found.bytes == min(every)
    assert size(staged(mod, list(found.ranges))) == found.bytes


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "policy", [STEADY, BufferPolicy(skews=True), BufferPolicy(shifts=True, skews=True)]
)
def test_a_plan_without_lowering_is_that_of_the_lowered_module(seed, policy):
    mod = RunningSums()(random_graph(seed + 50, operators=5))
    ways = partitions(mod)
    for way in ways[:: max(len(ways) // 3, 1)]:
        policies = {(first, last): policy for first, last in way if last > first}
        lowered = read_graph(LowerToRowKernels()(extract_stages(mod, policies)))
        sketched, lowered = plan(sketch(read_network(mod), way, policies)), plan(lowered)
        assert sketched.workspace_bytes == lowered.workspace_bytes
        assert sketched.lower_bound == lowered.lower_bound


def test_views_of_other_shapes_are_counted_in_their_own_rows():
    """[1, 9, 16] has one row, its view [9, 16] nine of which each can go when it is read."""

    def build(emit, x):
        flat = emit(tvm.relax.op.reshape(x, [9, 16]), name_hint="flat")
        return emit(tvm_tiny.ops.call("copy", [flat], dtype="int8"), name_hint="y")

    mod = module(build, (1, 9, 16))
    nodes = range(len(read_network(mod).nodes))
    assert plan(sketch(read_network(mod), [(k, k) for k in nodes])).workspace_bytes == size(mod)


def test_the_given_module_is_not_changed():
    before = model().script(show_meta=True)
    PartitionStages(minimize=True, stream_input=True)(model())
    assert model().script(show_meta=True) == before
