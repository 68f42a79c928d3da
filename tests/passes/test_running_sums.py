"""RunningSums: averages over whole images as sums, a line at a time; the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from int8_graphs import LIMITS, MEAN, conv, dims, mean
from islands import calls, every_value, module, names, run

from tvm_tiny import ops
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.passes.running_sums import is_global_average
from tvm_tiny.transform import LowerToRowKernels, RunningSums, StreamStages

NHWC = (1, 7, 5, 6)


def mean_over(x, *axes, keep=False):
    kept = [d if k not in axes else 1 for k, d in enumerate(dims(x)) if keep or k not in axes]
    return ops.call("qmean", [x], axes=list(axes), shape=kept, **MEAN)


def average(x, size=None, **attrs):
    size = list(dims(x)[1:3]) if size is None else size
    window = {"pool_size": size, "strides": size, "padding": [0] * 4} | attrs
    return ops.call("qavg_pool2d", [x], **window, **LIMITS)


GLOBAL = {
    "mean": (mean, "qmean_of_sums"),
    "mean, axes turned round": (lambda x: mean_over(x, 2, 1), "qmean_of_sums"),
    "mean that keeps its axes": (lambda x: mean_over(x, 1, 2, keep=True), "qmean_of_sums"),
    "one window": (average, "qavg_of_sums"),
    "one window, limited": (lambda x: ops.call("qavg_pool2d", [x], **limited()), "qavg_of_sums"),
}


def limited():
    window = {"pool_size": list(NHWC[1:3]), "strides": [1, 1], "padding": [0] * 4}
    return window | {"act_min": -20, "act_max": 15}


@pytest.mark.parametrize("name", GLOBAL)
def test_an_average_of_a_whole_image_becomes_sums_and_their_scaling(name):
    build, scaling = GLOBAL[name]
    mod = module(lambda emit, x: emit(build(x), name_hint="y"), NHWC)
    split = RunningSums()(mod)
    assert tvm.relax.analysis.check_well_formed(split)
    assert names(split) == ["row_sums", scaling]
    sums, scaled = calls(split)
    assert [int(d) for d in sums.ty.shape] == [1, 1, 1, 6]
    assert int(scaled.attrs["count"]) == 35
    tvm.ir.assert_structural_equal(scaled.ty, calls(mod)[0].ty)
    rng = np.random.default_rng(0)
    extremes = [np.full(NHWC, value, "int8") for value in (-128, 127)]
    for x in (*extremes, every_value(NHWC), rng.integers(-128, 128, NHWC).astype("int8")):
        np.testing.assert_array_equal(run(split, x)[0], run(mod, x)[0])


def test_the_sums_have_names_of_the_result():
    mod = module(lambda emit, x: emit(mean(emit(conv(x, 2)))), NHWC)
    variables = [b.var.name for b in RunningSums()(mod)["main"].body.blocks[0].bindings]
    assert any(name.endswith("_sums") for name in variables)


OTHER = {
    "one line": (lambda x: mean_over(x, 1, 2), (1, 1, 5, 6)),
    "two images": (lambda x: mean_over(x, 1, 2), (2, 7, 5, 6)),
    "columns": (lambda x: mean_over(x, 2), NHWC),
    "channels too": (lambda x: mean_over(x, 1, 2, 3), NHWC),
    "lines of rank 3": (lambda x: mean_over(x, 1), (1, 7, 6)),
    "small windows": (lambda x: average(x, [2, 2]), NHWC),
    "padded window": (lambda x: average(x, padding=[0, 0, 1, 0], strides=[1, 1]), NHWC),
    "maximum": (lambda x: ops.call("qmax_pool2d", [x], **limited()), NHWC),
}


@pytest.mark.parametrize("name", OTHER)
def test_other_averages_stay(name):
    build, shape = OTHER[name]
    mod = module(lambda emit, x: emit(build(x)), shape)
    assert not any(map(is_global_average, calls(mod)))
    assert RunningSums()(mod).same_as(mod)


def test_the_input_of_an_average_streams_with_one_row():
    def build(emit, x):
        return emit(mean(emit(conv(x, 4), name_hint="wide")), name_hint="y")

    mod = module(build, (1, 16, 5, 6))
    staged = StreamStages([("wide", "y")])(RunningSums()(mod))
    (step,) = read_graph(LowerToRowKernels()(staged)).steps
    assert step.stage is not None
    assert step.stage.line_buffers == {step.stage.operators[0].result: 1}
    x = every_value((1, 16, 5, 6))
    np.testing.assert_array_equal(run(LowerToRowKernels()(staged), x)[0], run(mod, x)[0])


def test_the_given_module_is_not_changed():
    mod = module(lambda emit, x: emit(mean(x)), NHWC)
    before = mod.script(show_meta=True)
    RunningSums()(mod)
    assert mod.script(show_meta=True) == before
