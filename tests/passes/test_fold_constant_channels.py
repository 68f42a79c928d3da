"""FoldConstantChannels: what has one value for every input is not computed; the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from int8_graphs import CONVOLUTION, LIMITS, add
from islands import Machine, calls, module, names
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.lowering.channel_ranges import channel_ranges
from tvm_tiny.passes.fold_constant_channels import folded_channels
from tvm_tiny.schedules.shapes import shape_of
from tvm_tiny.transform import FoldConstantChannels

SHAPE = (1, 6, 5, 4)
X_ZP, Y_ZP = CONVOLUTION["x_zp"], CONVOLUTION["y_zp"]
DEAD = range(5, 13)


def window(pad, groups=1, stride=1):
    return {
        "strides": [stride] * 2,
        "padding": [pad] * 4,
        "dilation": [1, 1],
        "groups": groups,
        **CONVOLUTION,
        # Of the tensor that the next one reads: 0 is 0 there.
        "y_zp": X_ZP,
    }


def product(x, outputs, *, kernel=1, pad=0, dead=(), bias=300, groups=1, seed=0):
    """A convolution whose `dead` channels have no weights, so that each has one value."""
    rng, inputs = np.random.default_rng(seed), shape_of(x)[3] // groups
    weights = rng.integers(-128, 128, (outputs, kernel, kernel, inputs), "int8")
    biases = rng.integers(-500, 500, outputs).astype("int32")
    weights[list(dead)] = 0
    biases[list(dead)] = bias
    arrays = weights, biases, rng.integers(1 << 30, 1 << 31, outputs), np.full(outputs, -7)
    constants = [relax.const(a.astype("int8" if a is weights else "int32")) for a in arrays]
    return ops.call("qconv2d", [x, *constants], **window(pad, groups))


def dense(x, outputs):
    rng = np.random.default_rng(9)
    arrays = (
        rng.integers(-128, 128, (outputs, shape_of(x)[-1]), "int8"),
        rng.integers(-500, 500, outputs).astype("int32"),
        rng.integers(1 << 30, 1 << 31, outputs).astype("int32"),
        np.full(1, -9, "int32"),
    )
    return ops.call("qdense", [x, *map(relax.const, arrays)], **CONVOLUTION)


def average(x):
    size = list(shape_of(x)[1:3])
    attrs = {"pool_size": size, "strides": size, "padding": [0] * 4, **LIMITS}
    return ops.call("qavg_pool2d", [x], **attrs)


def folded(build):
    """The module, after the pass; their results are equal on random and extreme inputs."""
    mod = module(build, SHAPE)
    result = FoldConstantChannels()(mod)
    assert tvm.relax.analysis.check_well_formed(result)
    rng = np.random.default_rng(1)
    inputs = [np.full(SHAPE, v, "int8") for v in (-128, 127)]
    before, after = Machine(mod), Machine(result)
    for x in (*inputs, *(rng.integers(-128, 128, SHAPE, "int8") for _ in range(3))):
        np.testing.assert_array_equal(after(x)[0], before(x)[0])
    return result


def channels(mod):
    return [shape_of(call)[-1] for call in calls(mod)]


def test_constants_between_two_products_go():
    def build(emit, x):
        hidden = emit(product(x, 16, dead=DEAD), name_hint="hidden")
        return emit(product(hidden, 8, seed=1), name_hint="y")

    mod = folded(build)
    assert channels(mod) == [8, 8]
    assert folded_channels(mod) == {"hidden": [0, 1, 2, 3, 4, 13, 14, 15]}


def test_they_go_through_depthwise_convolution_pooling_and_reshape():
    def build(emit, x):
        hidden = emit(product(x, 16, dead=DEAD, bias=0), name_hint="hidden")
        each = emit(product(hidden, 16, kernel=3, pad=1, groups=16, seed=2), name_hint="each")
        pooled = emit(average(each), name_hint="pooled")
        flat = emit(relax.op.reshape(pooled, [1, 16]), name_hint="flat")
        return emit(dense(flat, 3), name_hint="y")

    mod = folded(build)
    assert names(mod) == ["qconv2d", "qconv2d", "qavg_pool2d", "relax.reshape", "qdense"]
    assert channels(mod) == [8, 8, 8, 8, 3]
    assert int(calls(mod)[1].attrs["groups"]) == 8


def test_what_is_not_zero_stays_before_padding():
    """At the border a window holds less of it than inside."""

    def build(emit, x):
        hidden = emit(product(x, 16, dead=DEAD), name_hint="hidden")
        return emit(product(hidden, 8, kernel=3, pad=1, seed=1), name_hint="y")

    assert channels(folded(build)) == [16, 8]


def test_zeros_go_before_padding():
    def build(emit, x):
        hidden = emit(product(x, 16, dead=DEAD, bias=0), name_hint="hidden")
        return emit(product(hidden, 8, kernel=3, pad=1, seed=1), name_hint="y")

    assert channels(folded(build)) == [8, 8]


@pytest.mark.parametrize("reader", ["result", "sum"])
def test_what_others_read_stays(reader):
    def build(emit, x):
        hidden = emit(product(x, 16, dead=DEAD), name_hint="hidden")
        y = emit(product(hidden, 16, seed=1), name_hint="y")
        return emit(add(hidden, y)) if reader == "sum" else emit(relax.Tuple([y, hidden]))

    mod = module(build, SHAPE)
    assert FoldConstantChannels()(mod).same_as(mod)


def test_all_channels_may_be_constant():
    def build(emit, x):
        hidden = emit(product(x, 16, dead=range(16)), name_hint="hidden")
        return emit(product(hidden, 8, seed=1), name_hint="y")

    assert channels(folded(build)) == [4, 8]


@pytest.mark.parametrize("rounding", ["tflite", "float32"])
@pytest.mark.parametrize("seed", range(6))
def test_no_value_is_outside_of_its_channel_s_range(seed, rounding):
    rng = np.random.default_rng(seed)
    outputs, pad = 12, int(rng.integers(0, 2))
    weights = rng.integers(-128, 128, (outputs, 3, 3, 4), "int8") // rng.integers(1, 128, 1)
    multiplier = rng.integers(1 << 30, 1 << 31, outputs).astype("int32")
    if rounding == "float32":
        multiplier = rng.uniform(0.0005, 0.05, outputs).astype("float32")
    arrays = (
        weights.astype("int8"),
        rng.integers(-2000, 2000, outputs).astype("int32"),
        multiplier,
        rng.integers(-9, -3, outputs).astype("int32"),
    )
    attrs = window(pad) | {"rounding": rounding}

    def build(emit, x):
        return emit(ops.call("qconv2d", [x, *map(relax.const, arrays)], **attrs), name_hint="y")

    mod = module(build, SHAPE)
    known = rng.integers(-128, 128, (4, 2))
    known.sort(axis=1)
    machine = Machine(mod)
    ranges = channel_ranges(calls(mod)[0], {mod["main"].params[0]: known})
    for _ in range(20):
        at_ends = np.where(rng.random((*SHAPE, 1)) < 0.5, known[:, :1], known[:, 1:])[..., 0]
        between = rng.integers(known[:, 0], known[:, 1] + 1, SHAPE)
        for x in (at_ends, between):
            (y,) = machine(x.astype("int8"))
            assert (y.min(axis=(0, 1, 2)) >= ranges[:, 0]).all()
            assert (y.max(axis=(0, 1, 2)) <= ranges[:, 1]).all()
