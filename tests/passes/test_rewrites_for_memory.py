"""CopyTensors, InplaceDepthwise, SubsampleShortcuts: what they change and leave; the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
from islands import run
from tvm import relax
from tvm.ir import IRModule

from tvm_tiny import ops
from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.lowering.memory_plan import MemoryPlan
from tvm_tiny.passes.copy_tensors import copied
from tvm_tiny.planning.memory import plan
from tvm_tiny.planning.network import read_network
from tvm_tiny.planning.partition import Partition
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.schedules.stages.stage import BufferPolicy
from tvm_tiny.transform import CopyTensors, InplaceDepthwise, LowerToRowKernels, SubsampleShortcuts

RNG = np.random.default_rng(7)


def conv(x, out, kernel=1, stride=1, groups=1, pad=0):
    channels = int(x.ty.shape[3])
    shape = (out, kernel, kernel, channels // groups)
    weights = relax.const(RNG.integers(-127, 128, shape).astype("int8"))
    bias = relax.const(RNG.integers(-999, 999, out).astype("int32"))
    multiplier = relax.const(RNG.integers(1 << 30, (1 << 31) - 1, out).astype("int32"))
    shift = relax.const(np.full(out, -7, "int32"))
    return ops.call(
        "qconv2d",
        [x, weights, bias, multiplier, shift],
        strides=[stride, stride],
        dilation=[1, 1],
        padding=[pad] * 4,
        groups=groups,
        x_zp=3,
        y_zp=-5,
        act_min=-128,
        act_max=127,
        shifts_left=False,
        rounding="tflite",
    )


def depthwise(x, stride=1):
    channels = int(x.ty.shape[3])
    return conv(x, channels, kernel=3, stride=stride, groups=channels, pad=1)


def module(shape, body) -> IRModule:
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType(list(shape), "int8"))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(body(builder.emit, x))
        builder.emit_func_output(result)
    return builder.get()


def operators(mod: IRModule) -> list[str]:
    names = (getattr(getattr(b.value, "op", None), "name", "") for b in bindings_of(mod["main"]))
    return [name.removeprefix("tvm_tiny.") for name in names if name]


def same_bytes(before: IRModule, after: IRModule, shape) -> None:
    x = RNG.integers(-128, 128, shape).astype("int8")
    (expected,), (found,) = run(LowerToRowKernels()(before), x), run(LowerToRowKernels()(after), x)
    np.testing.assert_array_equal(found, expected)


def deep(emit, x):
    """A small and deep image: a plane of 25 bytes against a row of 320."""
    return emit(conv(emit(depthwise(emit(conv(x, 64)))), 8))


def test_a_deep_depthwise_writes_over_its_input_with_one_plane_of_scratch():
    before = module((1, 5, 5, 16), deep)
    after = InplaceDepthwise()(before)
    assert operators(before) == ["qconv2d", "qconv2d", "qconv2d"]
    assert operators(after) == ["qconv2d", "qdepthwise_planes", "qconv2d"]
    step = read_graph(LowerToRowKernels()(after)).steps[1]
    assert step.outputs[0] == step.inputs[0]
    same_bytes(before, after, (1, 5, 5, 16))


def test_planes_take_less_memory_where_the_pass_chooses_them():
    before = module((1, 5, 5, 16), deep)
    sizes = [
        plan(read_graph(LowerToRowKernels()(mod))).workspace_bytes
        for mod in (before, InplaceDepthwise()(before))
    ]
    assert sizes[1] < sizes[0]


def wide(emit, x):
    return emit(depthwise(emit(conv(x, 4))))


def shared(emit, x):
    y = emit(conv(x, 64))
    return emit(ops.call("concat", [y, emit(depthwise(y))], axis=3))


def strided(emit, x):
    return emit(depthwise(emit(conv(x, 64)), stride=2))


def of_the_input(emit, x):
    return emit(depthwise(x))


@pytest.mark.parametrize("body", [wide, shared, strided, of_the_input])
def test_depthwise_stays_a_row_kernel_where_planes_do_not_help_or_cannot_be(body):
    mod = module((1, 16, 16, 16), body)
    assert InplaceDepthwise()(mod).same_as(mod)


def test_always_means_wherever_it_can_be():
    mod = module((1, 16, 16, 16), wide)
    assert "qdepthwise_planes" in operators(InplaceDepthwise(always=True)(mod))


def residual(emit, x):
    y = emit(conv(x, 16))
    deep_branch = emit(conv(y, 32, kernel=3, stride=2, pad=1))
    shortcut = emit(conv(y, 32, stride=2))
    return emit(ops.call("concat", [deep_branch, shortcut], axis=3))


def test_a_strided_shortcut_becomes_pick_and_product():
    before = module((1, 8, 8, 4), residual)
    after = SubsampleShortcuts()(before)
    assert operators(after) == ["qconv2d", "qconv2d", "strided_slice", "qconv2d", "concat"]
    same_bytes(before, after, (1, 8, 8, 4))


def test_a_strided_convolution_that_alone_reads_its_input_stays():
    mod = module((1, 8, 8, 4), lambda emit, x: emit(conv(emit(conv(x, 16)), 32, stride=2)))
    assert SubsampleShortcuts()(mod).same_as(mod)


def named(emit, x):
    y = emit(conv(x, 16), name_hint="y")
    return emit(ops.call("concat", [y, emit(depthwise(y), name_hint="z")], axis=3), name_hint="w")


def test_all_readers_of_a_copied_tensor_read_the_copy():
    before = module((1, 8, 8, 4), named)
    after = CopyTensors(["y"])(before)
    assert operators(after) == ["qconv2d", "copy", "qconv2d", "concat"]
    made = {b.var.name: b.value for b in bindings_of(after["main"])}
    assert [made[name].args[0].name for name in "zw"] == ["y_copy", "y_copy"]
    same_bytes(before, after, (1, 8, 8, 4))


def test_nothing_is_copied_that_is_not_made():
    mod = module((1, 8, 8, 4), named)
    assert CopyTensors(["x", "nothing"])(mod).same_as(mod)


def test_what_alone_is_there_between_two_steps_can_be_copied():
    network = read_network(module((1, 8, 8, 4), named))
    steps = Partition(((0, 0), (1, 1), (2, 2)), MemoryPlan(0, {}))
    (copy,) = copied(network, steps)
    # Between the last two steps there are y and z.
    assert copy[0] == "y"
    assert copy[1].ranges == ((0, 0), (1, 1), (2, 2), (3, 3))


def test_stages_keep_their_form_where_a_tensor_is_copied_before_them():
    def body(emit, x):
        for name in "abcd":
            x = emit(conv(x, 4), name_hint=name)
        return x

    network = read_network(module((1, 8, 8, 4), body))
    steps = Partition(((0, 1), (2, 3)), MemoryPlan(0, {}), {(2, 3): BufferPolicy(shifts=True)})
    ((name, found),) = copied(network, steps)
    assert name == "b"
    assert found.ranges == ((0, 1), (2, 2), (3, 4))
    assert found.policies == {(3, 4): BufferPolicy(shifts=True)}
