"""SelectKernels: operators with packed constants give the same bytes, whatever the tiles are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import tvm
from int8_graphs import ADD, CONVOLUTION, add, conv
from islands import Machine, calls, module, names
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.passes.select_kernels import workload
from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.depthwise import scratch
from tvm_tiny.schedules.packed.isa import ISAS
from tvm_tiny.schedules.shapes import shape_of, spec
from tvm_tiny.transform import SelectKernels, StreamStages

SHAPE = (1, 7, 5, 6)


def same_bytes(mod, selected, shape=SHAPE):
    assert tvm.relax.analysis.check_well_formed(selected)
    rng = np.random.default_rng(0)
    extremes = [np.full(shape, v, "int8") for v in (-128, 127)]
    before, after = Machine(mod), Machine(selected)
    for x in (*extremes, *(rng.integers(-128, 128, shape, "int8") for _ in range(3))):
        np.testing.assert_array_equal(after(x)[0], before(x)[0])


def dense(x, outputs=7):
    rng = np.random.default_rng(3)
    arrays = (
        rng.integers(-128, 128, (outputs, shape_of(x)[-1]), "int8"),
        rng.integers(-500, 500, outputs).astype("int32"),
        rng.integers(1 << 30, 1 << 31, outputs).astype("int32"),
        np.full(1, -9, "int32"),
    )
    return ops.call("qdense", [x, *map(relax.const, arrays)], **CONVOLUTION)


SUM = {**ADD, "a_shift": -1, "b_shift": 0, "y_shift": -19}
PRODUCTS = {
    "3x3": lambda x: conv(x, 5),
    "3x3, strided": lambda x: conv(x, 4, stride=2),
    "1x1": lambda x: conv(x, 9, kernel=1),
    "1x1, strided": lambda x: conv(x, 8, kernel=1, stride=2),
    "depthwise": lambda x: conv(x, 6, groups=6),
    "depthwise 5x5, strided": lambda x: conv(x, 6, kernel=5, stride=2, groups=6),
    "dense": dense,
}
PACKED = {"depthwise": "packed.qdepthwise", "dense": "packed.qdense"}


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_packed(name, isa):
    mod = module(lambda emit, x: emit(PRODUCTS[name](x), name_hint="y"), SHAPE)
    selected = SelectKernels(isa)(mod)
    assert names(selected) == [PACKED.get(name.split()[0], "packed.qconv2d")]
    same_bytes(mod, selected)


def in_float32(call, multiplier=None):
    """The same operator, rounding as ONNX does; multipliers of few bits give many ties."""
    count = len(call.args[2].value.numpy())
    if multiplier is None:
        multiplier = np.random.default_rng(4).integers(1, 1 << 5, count) / (1 << 12)
    factors = relax.const(np.broadcast_to(multiplier, count).astype("float32"))
    attrs = dict(call.attrs) | {"rounding": "float32"}
    arrays = [*call.args[1:3], factors, call.args[4]]
    return ops.call(call.op.name.removeprefix("tvm_tiny."), [call.args[0], *arrays], **attrs)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_in_float32_are_packed(name, isa):
    mod = module(lambda emit, x: emit(in_float32(PRODUCTS[name](x)), name_hint="y"), SHAPE)
    selected = SelectKernels(isa)(mod)
    assert names(selected) == [PACKED.get(name.split()[0], "packed.qconv2d")]
    same_bytes(mod, selected)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", PRODUCTS)
def test_minimal_scratch_products_give_the_same_bytes(name, isa):
    mod = module(lambda emit, x: emit(PRODUCTS[name](x), name_hint="y"), SHAPE)
    selected = SelectKernels(isa, scratch_levels={"y": 1})(mod)
    assert names(selected) == names(SelectKernels(isa)(mod))
    same_bytes(mod, selected)


@pytest.mark.parametrize("isa", ["dsp", "mve"])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_minimal_scratch_depthwise_takes_no_scratch(kernel, isa):
    shape = (1, 6, 14, 6)
    mod = module(lambda emit, x: emit(conv(x, 6, kernel=kernel, groups=6), name_hint="y"), shape)
    fast, minimal = (SelectKernels(isa, scratch_levels=f)(mod) for f in ({}, {"y": 1}))
    assert scratch(calls(fast)[0]) is not None
    assert scratch(calls(minimal)[0]) is None
    same_bytes(mod, minimal, shape)


@pytest.mark.parametrize(("width", "in_place"), [(8, True), (9, False)])
def test_short_rows_of_depthwise_convolutions_are_not_gathered(width, in_place):
    """What it takes to gather them is more than it saves."""
    shape = (1, 4, width, 5)
    mod = module(lambda emit, x: emit(conv(x, 5, groups=5), name_hint="y"), shape)
    assert (scratch(calls(SelectKernels("dsp")(mod))[0]) is None) == in_place


@pytest.mark.parametrize("isa", ISAS)
def test_sums_are_packed(isa):
    mod = module(lambda emit, x: emit(ops.call("qadd", [x, x], **SUM), name_hint="y"), SHAPE)
    selected = SelectKernels(isa)(mod)
    assert names(selected) == ["packed.qadd"]
    same_bytes(mod, selected)


def choices():
    for isa in ISAS.values():
        for (pixels, filters), chunk in itertools.product(isa.tiles, (1, 2, 3)):
            if chunk == 1 or (pixels, filters) == isa.widens:
                yield isa.name, Choice(pixels, filters, chunk)


@pytest.mark.parametrize("name", ["3x3", "1x1"])
@pytest.mark.parametrize(("isa", "choice"), list(choices()), ids=str)
def test_every_choice_gives_the_same_bytes(isa, choice, name):
    """Seven rows of five columns, nine filters: all tiles have something left over."""
    mod = module(lambda emit, x: emit(PRODUCTS[name](x), name_hint="y"), SHAPE)
    selected = SelectKernels(isa, {workload(isa, calls(mod)[0]): choice})(mod)
    attrs = calls(selected)[0].attrs
    assert [int(attrs[k]) for k in ("pixels", "filters", "chunk")] == list(
        choice.to_attrs().values()
    )
    same_bytes(mod, selected)


@pytest.mark.parametrize("isa", ISAS)
def test_what_does_not_fit_stays(isa):
    def grouped(x):
        return conv(x, 6, groups=3)

    def to_the_left(x):
        call = conv(x, 4)
        constants = [*call.args[1:4], relax.const(np.full(4, 1, "int32"))]
        return ops.call("qconv2d", [x, *constants], **dict(call.attrs) | {"shifts_left": 1})

    def enlarged(x):
        return in_float32(conv(x, 4), 0.75)

    for build in (grouped, to_the_left, enlarged, lambda x: add(x, x)):
        mod = module(lambda emit, x, build=build: emit(build(x), name_hint="y"), SHAPE)
        assert names(SelectKernels(isa)(mod)) == names(mod)


@pytest.mark.parametrize("levels", [{}, dict.fromkeys("abc", 1)], ids=["fast", "minimal"])
@pytest.mark.parametrize("isa", ISAS)
def test_they_run_in_stages(isa, levels):
    def build(emit, x):
        a = emit(conv(x, 6, kernel=1), name_hint="a")
        b = emit(conv(a, 6, groups=6, seed=1), name_hint="b")
        c = emit(conv(b, 6, seed=2), name_hint="c")
        return emit(ops.call("qadd", [c, x], **SUM), name_hint="y")

    mod = module(build, SHAPE)
    staged = StreamStages([("a", "y")])(SelectKernels(isa, scratch_levels=levels)(mod))
    same_bytes(mod, staged)


def test_portable_selects_nothing():
    mod = module(lambda emit, x: emit(conv(x, 5), name_hint="y"), SHAPE)
    assert SelectKernels()(mod).same_as(mod)


def paired(weights: np.ndarray) -> bool:
    """Whether these filters [O, C] of a 1x1 convolution lie two by two in words of 16 bits."""
    count, inputs = weights.shape

    def build(emit, x):
        call = conv(x, count, kernel=1)
        filters = relax.const(weights.reshape(count, 1, 1, inputs))
        arrays = [filters, *call.args[2:]]
        return emit(ops.call("qconv2d", [x, *arrays], **dict(call.attrs)), name_hint="y")

    shape = (1, 2, 3, inputs)
    mod = module(build, shape)
    selected = SelectKernels("dsp")(mod)
    same_bytes(mod, selected, shape)
    return spec(calls(selected)[0].args[1])[1] == "int16"


def test_filters_are_paired_where_both_fit_a_word():
    weights = np.random.default_rng(4).integers(-127, 128, (5, 22), "int8")
    assert paired(weights)
    weights[1, 3], weights[0, 3] = -128, 0
    assert paired(weights)
    weights[0, 3] = -1  # -128 * 256 - 1 does not
    assert not paired(weights)


def test_filters_are_paired_where_the_sums_of_the_second_have_24_bits():
    limit = (1 << 23) // 255  # of its absolute weights
    weights = np.full((2, -(-limit // 127)), 127, "int8")
    assert not paired(weights)
    assert paired(weights[:, :-1])
