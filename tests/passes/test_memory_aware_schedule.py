"""MemoryAwareSchedule: the order it finds, all that stays as it was, and the same bytes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tvm
from aot.edge_models import EDGE_MODELS
from islands import every_value, module, run
from modelgen import random_tflite
from tvm import relax

import tvm_tiny
from tvm_tiny import ops
from tvm_tiny.errors import UnsupportedError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.lowering.memory_plan import align
from tvm_tiny.passes.memory_aware_schedule import ATTRIBUTE, MemoryAwareSchedule, OrderReport
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.transform import FoldEdges, LowerQDQ, LowerToRowKernels, MaterializeOutputs

NHWC = (1, 8, 8, 4)  # 256 bytes

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


def repeat(x, times):
    return ops.call("concat", [x] * times, axis=3)


def pool(x, size):
    window = {"pool_size": [size, size], "strides": [size, size], "padding": [0, 0, 0, 0]}
    return ops.call("qmax_pool2d", [x], **window, act_min=-128, act_max=127)


def join(a, b):
    return ops.call("concat", [a, b], axis=1)


def given(emit, x):
    """Two branches: 512 bytes that become 128, and 1,024 that become 16."""
    wide = emit(repeat(x, 2), name_hint="wide")
    wider = emit(repeat(x, 4), name_hint="wider")
    small = emit(pool(wide, 2), name_hint="small")
    flat = emit(relax.op.reshape(small, [1, 128]), name_hint="flat")
    smaller = emit(pool(wider, 8), name_hint="smaller")
    flatter = emit(relax.op.reshape(smaller, [1, 16]), name_hint="flatter")
    return emit(join(flat, flatter), name_hint="y")


def expected(emit, x):
    """The branch that leaves less goes first; a reshape stands before its first reader."""
    wider = emit(repeat(x, 4), name_hint="wider")
    smaller = emit(pool(wider, 8), name_hint="smaller")
    wide = emit(repeat(x, 2), name_hint="wide")
    small = emit(pool(wide, 2), name_hint="small")
    flat = emit(relax.op.reshape(small, [1, 128]), name_hint="flat")
    flatter = emit(relax.op.reshape(smaller, [1, 16]), name_hint="flatter")
    return emit(join(flat, flatter), name_hint="y")


def parts(emit, x):
    """Both halves of a split, the first of them read last, and an input that dies early."""
    halves = emit(relax.op.split(x, 2, 3), name_hint="halves")
    first = emit(halves[0], name_hint="first")
    wide = emit(repeat(first, 6), name_hint="wide")
    wider = emit(repeat(emit(halves[1], name_hint="second"), 9), name_hint="wider")
    return [emit(pool(wide, 4), name_hint="a"), emit(pool(wider, 8), name_hint="b")]


def report(mod: tvm.IRModule) -> OrderReport:
    return OrderReport.from_json(str(mod["main"].attrs[ATTRIBUTE]))


def plain(mod: tvm.IRModule) -> tvm.IRModule:
    """Without the attribute."""
    return tvm.IRModule({"main": mod["main"].without_attr(ATTRIBUTE)})


def variables(mod: tvm.IRModule) -> list[str]:
    return [binding.var.name for binding in bindings_of(mod["main"])]


def scheduled(mod: tvm.IRModule, **options: object) -> tvm.IRModule:
    text = mod.script(show_meta=True)
    result = MemoryAwareSchedule(**options)(mod)
    assert mod.script(show_meta=True) == text, "the module given was changed"
    assert relax.analysis.check_well_formed(result)
    assert sorted(variables(result)) == sorted(variables(mod))
    return result


def live_bytes(mod: tvm.IRModule) -> int:
    """The peak of a lowered module, as the planner sees it."""
    graph = read_graph(LowerToRowKernels()(mod))
    steps = range(-1, len(graph.steps) + 1)
    lives = [(t.first, t.last, align(t.bytes)) for t in graph.tensors]
    return max(sum(size for first, last, size in lives if first <= s <= last) for s in steps)


def prepared(mod: tvm.IRModule) -> tvm.IRModule:
    """As the pipeline hands a module to the pass."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in tvm_tiny.pipeline().passes:
            mod = step(mod)
            if step.info.name == "tvm_tiny.MaterializeOutputs":
                return mod
    raise AssertionError("the pipeline has no MaterializeOutputs")


def test_the_branch_that_leaves_less_goes_first():
    mod = scheduled(module(given, NHWC))
    wanted = module(expected, NHWC)
    tvm.ir.assert_structural_equal(plain(mod), plain(wanted))
    assert variables(mod) == variables(wanted)
    assert report(mod) == OrderReport(256 + 512 + 1024, 256 + 1024 + 16, 256 + 1024 + 16)


@pytest.mark.parametrize("build", [given, parts])
def test_the_planner_sees_the_peaks_that_are_reported_and_the_bytes_are_the_same(build):
    mod = module(build, NHWC)
    new = scheduled(mod)
    assert report(new).peak < report(new).peak_before
    assert report(new).gap == 0
    assert live_bytes(mod) == report(new).peak_before
    assert live_bytes(new) == report(new).peak
    x = every_value(NHWC)
    for found, wanted in zip(run(new, x), run(mod, x), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_an_order_that_is_the_best_already_stays():
    mod = module(expected, NHWC)
    new = scheduled(mod)
    tvm.ir.assert_structural_equal(plain(new), plain(mod))
    assert report(new) == OrderReport(1296, 1296, 1296)


@pytest.mark.parametrize("seed", [7, 12])
def test_random_models_give_the_same_bytes_in_a_better_order(seed):
    data = random_tflite.random_model(seed, max_ops=14)
    mod = prepared(from_tflite(data))
    new = scheduled(mod)
    assert report(new).lower_bound == report(new).peak < report(new).peak_before
    inputs = [every_value(tuple(map(int, p.ty.shape))) for p in mod["main"].params]
    for found, wanted in zip(run(new, *inputs), run(mod, *inputs), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", EDGE_MODELS)
def test_odd_models_stay_well_formed_and_keep_all_bindings(name):
    lower = tvm.transform.Sequential([FoldEdges(), LowerQDQ(), MaterializeOutputs()])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mod = lower(EDGE_MODELS[name]())
    found = report(scheduled(mod))
    assert found.lower_bound <= found.peak <= found.peak_before


def test_inputs_and_outputs_of_the_caller_cost_nothing():
    found = report(scheduled(module(given, NHWC), io_in_arena=False))
    assert found == OrderReport(512 + 1024 + 128, 1024 + 16, 1024 + 16)


def test_what_may_lie_over_a_dying_input_counts():
    """Only `wide`, which dies at its pool, may be overlaid; x does not die at its first reader."""

    def overlap(call):
        return {0: 100_000} if call.op.name == "tvm_tiny.qmax_pool2d" else {}

    pools = module(lambda emit, x: emit(pool(emit(pool(x, 2)), 2)), NHWC)
    assert report(scheduled(pools)).peak == 256 + 64
    assert report(scheduled(pools, overlap=overlap)).peak == 256
    assert report(scheduled(module(given, NHWC), overlap=overlap)).peak == 1280


def test_arguments_that_are_one_tensor_overlap_as_far_as_all_of_them_may():
    mod = module(lambda emit, x: emit(repeat(x, 2)), NHWC)
    assert report(scheduled(mod, overlap=lambda call: {0: 64})).peak == 256 + 512
    assert report(scheduled(mod, overlap=lambda call: {0: 64, 1: 32})).peak == 256 + 512 - 32


def test_a_limit_on_the_search_leaves_a_proven_bound():
    found = report(scheduled(module(given, NHWC), max_states=0))
    assert found.lower_bound <= 1296 <= found.peak <= found.peak_before
    assert report(scheduled(module(given, NHWC), seconds=0.0)) == OrderReport(1792, 1792, 1280)


def test_the_report_survives_its_text():
    found = OrderReport(30, 20, 15)
    assert OrderReport.from_json(found.to_json()) == found
    assert found.gap == 5


def test_a_size_that_is_not_known_is_refused():
    rows = tvm.tirx.Var("rows", "int64")
    x = relax.Var("x", relax.TensorType((1, rows), "int8"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        builder.emit_func_output(x)
    with pytest.raises(UnsupportedError, match=r"size of tensor 'x' is not known.*constants"):
        MemoryAwareSchedule()(builder.get())


def test_a_function_with_side_effects_is_refused():
    main = module(given, NHWC)["main"]
    impure = relax.Function(main.params, main.body, main.ret_ty, False, main.attrs)
    with pytest.raises(UnsupportedError, match="main is not pure"):
        MemoryAwareSchedule()(tvm.IRModule({"main": impure}))


def test_a_match_cast_is_refused():
    x = relax.Var("x", relax.TensorType(NHWC, "int8"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            y = builder.emit_output(builder.match_cast(x, relax.TensorType(NHWC, "int8")))
        builder.emit_func_output(y)
    with pytest.raises(UnsupportedError, match="branch or a match_cast"):
        MemoryAwareSchedule()(builder.get())


@pytest.mark.models
@pytest.mark.parametrize("name", REAL)
def test_real_models_are_in_the_best_order_already(name, model_path):
    mod = prepared(tvm_tiny.from_file(model_path(name)))
    new = scheduled(mod)
    tvm.ir.assert_structural_equal(plain(new), plain(mod))
    assert report(new).gap == 0
