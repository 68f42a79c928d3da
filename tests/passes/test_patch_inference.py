"""Patch stages: the same bytes tile by tile, in narrower memory; and what cannot be one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from islands import conv_call, module, run
from modelgen.image_graphs import LIMITS, PRODUCT, SUM, ImageGraph

from tvm_tiny import ops
from tvm_tiny.errors import DataError
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.schedules.stages.serialization import from_json, to_json
from tvm_tiny.transform import LowerToRowKernels, PatchInference, RunningSums, StreamStages

IMAGE = (1, 13, 17, 3)
PAD = {"padding": [1, 1, 1, 1]}


def residual_block(emit, x):
    """a: 13 x 17; b: 7 x 9, which c and the sum d read."""
    a = emit(conv_call(x, **PAD), name_hint="a")
    b = emit(conv_call(a, **PAD, strides=[2, 2]), name_hint="b")
    c = emit(conv_call(b, padding=[2, 2, 2, 2], dilation=[2, 2]), name_hint="c")
    return emit(ops.call("qadd", [b, c], **SUM), name_hint="d")


def staged(mod, *stages, **options):
    return read_graph(LowerToRowKernels()(PatchInference(stages, **options)(mod))).steps[0]


@settings(max_examples=12, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_random_graphs_give_the_same_bytes(seed):
    graph = ImageGraph(seed)
    first, last = graph.stage()
    patched = PatchInference([(first, last)], graph.split_of(last))(graph.module)
    image = graph.image(seed)
    expected = run(LowerToRowKernels()(graph.module), image)
    for wanted, found in zip(expected, run(LowerToRowKernels()(patched), image), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_stage_runs_before_it_is_lowered_too():
    mod = module(residual_block, IMAGE)
    patched = PatchInference([("a", "d")], n_patches=2)(mod)
    image = np.random.default_rng(0).integers(-128, 128, IMAGE).astype("int8")
    np.testing.assert_array_equal(run(patched, image), run(mod, image))


def test_a_stage_becomes_a_function_of_its_form():
    patched = PatchInference([("a", "b")], split=(2, 3))(module(residual_block, IMAGE))
    assert [b.var.name for b in bindings_of(patched["main"])][:3] == ["b", "c", "d"]
    attrs = patched["stage_0"].attrs
    assert attrs["tvm_tiny.form"] == "patch"
    assert list(attrs["tvm_tiny.split"]) == [2, 3]


def test_tiles_have_nearly_equal_sizes_and_what_they_need_around_them():
    step = staged(module(residual_block, IMAGE), ("a", "d"), split=(2, 4))
    tiles = dict(zip("abcd", step.stage.tiles.columns, strict=True))
    assert tiles["d"] == ((0, 2), (2, 4), (4, 6), (6, 9))
    assert tiles["c"] == tiles["d"]
    assert tiles["b"] == ((0, 4), (0, 6), (2, 8), (4, 9))
    assert tiles["a"] == ((0, 8), (0, 12), (3, 16), (7, 17))
    events = dict(zip("abcd", step.stage.tiles.events, strict=True))
    assert events["d"] == ((0, 3), (3, 7))
    assert events["b"] == ((0, 5), (1, 7))
    assert events["a"] == ((0, 10), (1, 13))


def test_tensors_inside_have_memory_for_the_widest_tile_only():
    mod = module(residual_block, IMAGE)
    graph = read_graph(LowerToRowKernels()(PatchInference([("a", "d")], (1, 4))(mod)))
    shapes = {storage.name: storage.shape for storage in graph.tensors}
    streamed = read_graph(LowerToRowKernels()(StreamStages([("a", "d")])(mod)))
    rows = {storage.name: storage.shape[0] for storage in streamed.tensors}
    assert shapes["x0"] == IMAGE
    assert shapes["a"] == (rows["a"], 13, 4)
    assert shapes["b"] == (rows["b"], 6, 4)
    assert shapes["d"] == (1, 7, 9, 4)


def test_what_two_tiles_need_is_counted_as_extra():
    mod = module(residual_block, IMAGE)
    whole, divided = (staged(mod, ("a", "d"), n_patches=n).stage for n in (1, 4))
    assert whole.extra_macs == 0
    a, b, c, _ = (operator.macs for operator in whole.operators)
    columns = {"a": 8 + 12 + 13 + 10, "b": 4 + 6 + 6 + 5}
    expected = a * columns["a"] // 17 - a + b * columns["b"] // 9 - b
    assert divided.extra_macs == expected
    assert [o.macs for o in divided.operators][:3] == [a, b, c]


def test_a_stage_is_read_back_as_written():
    stage = staged(module(residual_block, IMAGE), ("a", "d"), split=(2, 3)).stage
    assert from_json(to_json(stage)) == stage


def test_no_stages_change_nothing():
    mod = module(residual_block, IMAGE)
    assert PatchInference([], n_patches=2)(mod).same_as(mod)


def pooled(emit, x):
    """A global average, of which RunningSums makes an accumulator."""
    a = emit(conv_call(x, **PAD), name_hint="a")
    window = {"pool_size": [13, 17], "strides": [1, 1], "padding": [0] * 4}
    return emit(ops.call("qavg_pool2d", [a], **window, **LIMITS), name_hint="y")


def weighted(emit, x):
    """Channels weighted by their largest value, all of which every row needs."""
    a = emit(conv_call(x, **PAD), name_hint="a")
    window = {"pool_size": [13, 17], "strides": [1, 1], "padding": [0] * 4}
    most = emit(ops.call("qmax_pool2d", [a], **window, **LIMITS), name_hint="most")
    return emit(ops.call("qmultiply", [a, most], **PRODUCT), name_hint="y")


def transposed(emit, x):
    a = emit(conv_call(x, **PAD), name_hint="a")
    return emit(ops.call("transpose", [a], axes=[0, 2, 1, 3]), name_hint="y")


@pytest.mark.parametrize(
    ("build", "stages", "options", "message"),
    [
        (residual_block, [("a", "e")], {"n_patches": 2}, "no operator 'e' in main"),
        (residual_block, [("c", "a")], {"n_patches": 2}, "'a' comes before 'c'"),
        (residual_block, [("a", "b"), ("b", "c")], {"n_patches": 2}, "two of them run 'b'"),
        (residual_block, [("a", "d")], {"split": (1, 10)}, "7 rows of 9 columns; .* 1 x 10 tiles"),
        (residual_block, [("a", "d")], {"split": (8, 1)}, "7 rows of 9 columns; .* 8 x 1 tiles"),
        (transposed, [("a", "y")], {"n_patches": 2}, r"'y' \(transpose\) cannot compute part"),
        (weighted, [("a", "y")], {"n_patches": 1}, r"'y' \(qmultiply\) reads all of 'most'"),
    ],
)
def test_what_cannot_be_a_patch_stage_is_named(build, stages, options, message):
    with pytest.raises(DataError, match=message):
        PatchInference(stages, **options)(module(build, IMAGE))


def test_running_sums_end_a_patch_stage():
    mod = RunningSums()(module(pooled, IMAGE))
    with pytest.raises(DataError, match=r"'y_sums' \(row_sums\) cannot compute part of a row"):
        PatchInference([("a", "y_sums")], n_patches=2)(mod)


def test_rows_that_a_caller_pushes_are_not_tiled():
    def build(emit, x):
        rows = emit(ops.call("push", [x]), name_hint="rows")
        return emit(conv_call(rows), name_hint="y")

    with pytest.raises(DataError, match=r"'rows' \(push\) cannot compute part of a row"):
        PatchInference([("rows", "y")], n_patches=2)(module(build, IMAGE))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say into how many tiles"),
        ({"split": (1, 2), "n_patches": 2}, "both split and n_patches are given"),
        ({"split": (0, 2)}, "0 x 2 tiles; at least 1 x 1"),
        ({"n_patches": 0}, "1 x 0 tiles; at least 1 x 1"),
    ],
)
def test_a_number_of_tiles_is_needed(options, message):
    with pytest.raises(DataError, match=message):
        PatchInference([(0, 1)], **options)
