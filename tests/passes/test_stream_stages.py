"""StreamStages: operators become a function, the same bytes come out, rows alone are kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import tvm
from int8_graphs import add, conv, crop, mean, pool, random_graph, random_input, upsample
from islands import module, run
from tvm import relax

from tvm_tiny.errors import DataError
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.passes.lower_to_row_kernels import FORM
from tvm_tiny.passes.stream_stages import extract_stages
from tvm_tiny.planning.memory import plan
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.schedules.stages.stage import BufferPolicy
from tvm_tiny.transform import LowerToRowKernels, RunningSums, StreamStages

NHWC = (1, 12, 6, 4)
POLICIES = [
    BufferPolicy(shifts=shifts, skews=skews) for shifts in (False, True) for skews in (False, True)
]
Emit = Callable[..., relax.Var]


def block(emit: Emit, x: relax.Var) -> relax.Var:
    """t -> depthwise, added to t; then pooled."""
    stem = emit(conv(x, 4), name_hint="stem")
    wide = emit(conv(stem, 4, groups=4), name_hint="wide")
    joined = emit(add(stem, wide), name_hint="joined")
    return emit(pool(joined, 2, 2), name_hint="pooled")


def operators(mod: tvm.IRModule) -> int:
    """Bindings of main that compute."""
    return sum(not isinstance(b.value, relax.Var) for b in bindings_of(mod["main"]))


def lowered(mod: tvm.IRModule, *stages: tuple[str | int, str | int]) -> tvm.IRModule:
    return LowerToRowKernels()(StreamStages(stages)(mod))


def expected_block() -> tvm.IRModule:
    """`block` with a function of its first three operators."""
    shape = relax.TensorType(NHWC, "int8")
    x, image = relax.Var("stem_input", shape), relax.Var("x0", shape)
    builder = relax.BlockBuilder()
    with builder.function("stage_0", [x], attrs={FORM: "stream"}, private=True):
        with builder.dataflow():
            stem = builder.emit(conv(x, 4))
            wide = builder.emit(conv(stem, 4, groups=4))
            result = builder.emit_output(builder.emit(add(stem, wide)))
        builder.emit_func_output(result)
    stage = builder.get().get_global_var("stage_0")
    with builder.function("main", [image]):
        with builder.dataflow():
            joined = builder.emit(relax.Call(stage, [image]))
            pooled = builder.emit(builder.emit(pool(joined, 2, 2)))
            result = builder.emit_output(pooled)
        builder.emit_func_output(result)
    return builder.get()


def test_operators_of_a_stage_become_a_function():
    mod = module(block, NHWC)
    staged = StreamStages([("stem", "joined")])(mod)
    assert relax.analysis.check_well_formed(staged)
    tvm.ir.assert_structural_equal(staged, expected_block())
    tvm.ir.assert_structural_equal(StreamStages([(0, 2)])(mod), staged)


def test_nothing_changes_without_stages_and_the_given_module_never():
    mod = module(block, NHWC)
    before = mod.script(show_meta=True)
    tvm.ir.assert_structural_equal(StreamStages()(mod), mod)
    StreamStages([("stem", "pooled")])(mod)
    assert mod.script(show_meta=True) == before


def check_random_stages(seed: int) -> None:
    """One stage of everything, or three with random bounds; in a form; averages split or whole."""
    mod = random_graph(seed)
    x = random_input(mod, seed)
    expected = run(mod, x)
    mod = RunningSums()(mod) if seed % 3 else mod
    count, rng = operators(mod), np.random.default_rng(seed)
    cuts = sorted(rng.choice(np.arange(1, count), size=2, replace=False).tolist())
    bounds = [0, *cuts, count] if seed % 2 else [0, count]
    stages = [(first, end - 1) for first, end in itertools.pairwise(bounds)]
    staged = extract_stages(mod, dict.fromkeys(stages, POLICIES[seed % len(POLICIES)]))
    for wanted, result in zip(expected, run(LowerToRowKernels()(staged), x), strict=True):
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_give_the_same_bytes_whatever_the_stages(seed):
    check_random_stages(seed)


@pytest.mark.slow
def test_many_random_graphs_give_the_same_bytes_whatever_the_stages():
    for seed in range(12, 150):
        check_random_stages(seed)


def test_rows_are_skewed_behind_the_result_that_they_are_made_into():
    def build(emit: Emit, x: relax.Var) -> relax.Var:
        a = emit(conv(x, 8), name_hint="a")
        b = emit(conv(a, 8, groups=8), name_hint="b")
        c = emit(conv(b, 8, kernel=1), name_hint="c")
        return emit(conv(c, 4, kernel=1), name_hint="d")

    mod = module(build, NHWC)
    x = random_input(mod, 0)
    steady, skewed = (
        LowerToRowKernels()(extract_stages(mod, {(0, 3): policy})) for policy in POLICIES[:2]
    )
    graph = read_graph(skewed)
    # A row of d has 6 * 4 bytes, one of b and c 6 * 8; a has a ring, for it is read thrice.
    skews = {s.name: (s.skew, s.row_bytes, s.bytes) for s in graph.storage if s.skew}
    assert skews == dict.fromkeys(("b", "c"), (24, 48, 48 + 11 * 24))
    assert plan(graph).workspace_bytes < plan(read_graph(steady)).workspace_bytes
    np.testing.assert_array_equal(run(skewed, x)[0], run(mod, x)[0])


def test_results_that_others_read_leave_the_stage_whole():
    def build(emit: Emit, x: relax.Var) -> list[relax.Var]:
        stem = emit(conv(x, 4), name_hint="stem")
        wide = emit(conv(stem, 4), name_hint="wide")
        return [emit(pool(wide, 2, 2), name_hint="y"), stem, emit(add(stem, wide), name_hint="z")]

    mod = module(build, NHWC)
    x = random_input(mod, 0)
    staged = lowered(mod, ("stem", "wide"))
    (step, *_) = read_graph(staged).steps
    assert [o.name for o in step.operators] == ["stem", "wide"]
    assert step.stage is not None
    assert step.stage.line_buffers == {}
    for wanted, result in zip(run(mod, x), run(staged, x), strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_a_stage_keeps_the_rows_of_a_window_of_each_tensor_inside():
    def build(emit: Emit, x: relax.Var) -> relax.Var:
        for name, channels, stride in (("a", 16, 1), ("b", 16, 2), ("c", 4, 1)):
            x = emit(conv(x, channels, stride=stride), name_hint=name)
        return x

    mod = module(build, (1, 32, 6, 4))
    (step,) = read_graph(lowered(mod, ("a", "c"))).steps
    assert step.stage is not None
    assert list(step.stage.line_buffers.values()) == [3, 3]
    layers, stages = (
        plan(read_graph(low)).workspace_bytes for low in (lowered(mod), lowered(mod, ("a", "c")))
    )
    assert layers >= 32 * 6 * 16
    assert stages <= 32 * 6 * 4 + 3 * 6 * 16 + 3 * 3 * 16 + 16 * 3 * 4


def test_equal_stages_have_the_same_kernels():
    def build(emit: Emit, x: relax.Var) -> relax.Var:
        for name in "abcd":
            x = emit(conv(x, 4, groups=4, seed=ord(name)), name_hint=name)
        return x

    low = lowered(module(build, NHWC), ("a", "b"), ("c", "d"))
    kernels = [var.name_hint for var in low.functions if var.name_hint.endswith("_row")]
    assert kernels == ["qconv2d_row"]


def reshaped(emit: Emit, x: relax.Var) -> relax.Var:
    stem = emit(conv(x, 4), name_hint="stem")
    flat = emit(relax.op.reshape(stem, [1, 288]), name_hint="flat")
    return emit(relax.op.nn.relu(flat), name_hint="positive")


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([("stem", "nobody")], "no operator 'nobody' in main; name the tensor.* such as 'stem'"),
        ([("stem", 7)], "no operator '7' in main"),
        ([(-1, 2)], "no operator '-1' in main"),
        ([("joined", "stem")], "'stem' comes before 'joined'; give the first operator first"),
        ([("stem", "joined"), ("joined", "pooled")], "two of them run 'joined'"),
    ],
)
def test_wrong_ends_are_refused(stages, message):
    with pytest.raises(DataError, match=message):
        StreamStages(stages)(module(block, NHWC))


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("flat", r"'flat' \(relax.reshape\) has no row kernel; end the stage before it"),
        ("positive", r"'flat' \(relax.reshape\) has no row kernel"),
        (3, r"'flat' \(relax.reshape\) has no row kernel"),
    ],
)
def test_operators_without_rows_are_refused(last, message):
    with pytest.raises(DataError, match=message):
        StreamStages([("stem", last)])(module(reshaped, NHWC))


def test_renamings_are_refused_and_modules_of_nothing():
    mod = module(block, NHWC)
    with pytest.raises(DataError, match=r"\(DataflowVar\) has no row kernel"):
        StreamStages([(0, operators(mod))])(mod)
    empty = module(lambda emit, x: relax.const(np.zeros(3, "int8")), NHWC)
    empty = tvm.IRModule({"main": empty["main"]})
    with pytest.raises(DataError, match="no operator 'a'"):
        StreamStages([("a", "b")])(empty)


def test_all_kinds_of_rows_meet_in_one_stage():
    """Slower and faster rows, a slice that skips some, and a sum over all of them."""

    def build(emit: Emit, x: relax.Var) -> relax.Var:
        small = emit(pool(x, 2, 2, "qavg_pool2d"), name_hint="small")
        large = emit(upsample(small, 2), name_hint="large")
        part = emit(crop(large, 3, 2), name_hint="part")
        return emit(mean(part), name_hint="y")

    mod = RunningSums()(module(build, NHWC))
    x = random_input(mod, 1)
    staged = lowered(mod, ("small", "y"))
    (step,) = read_graph(staged).steps
    assert [o.row_op.op for o in step.operators][-2:] == ["row_sums", "qmean_of_sums"]
    np.testing.assert_array_equal(run(staged, x)[0], run(mod, x)[0])
