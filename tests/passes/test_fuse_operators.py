"""FuseOperators: each rule, what it must leave alone, and the same bytes afterwards."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from islands import calls, conv_call, every_value, ints, module, names, run
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.passes.fuse_operators import FuseOperators
from tvm_tiny.passes.lower_qdq import LowerQDQ

NHWC = (1, 5, 6, 4)
DOMAIN = np.arange(-128, 128)
ADD = {
    "a_zp": 0,
    "b_zp": 0,
    "y_zp": 0,
    "act_min": -100,
    "act_max": 90,
    "a_multiplier": 1 << 30,
    "a_shift": 0,
    "b_multiplier": 1 << 30,
    "b_shift": 0,
    "y_multiplier": 1 << 30,
    "y_shift": -18,
}


def pad(x, value=5, before=(0, 1, 0, 0), after=(0, 2, 1, 0)):
    shape = [a + int(d) + b for a, d, b in zip(before, x.ty.shape, after, strict=True)]
    return ops.call("pad", [x], before=list(before), value=value, shape=shape)


def max_pool(x, **attrs):
    plain = {
        "pool_size": [2, 2],
        "strides": [2, 2],
        "padding": [0, 0, 0, 1],
        "act_min": -128,
        "act_max": 127,
    }
    return ops.call("qmax_pool2d", [x], **plain | attrs)


def lut(x, table):
    return ops.call("lut", [x, relax.const(np.asarray(table).astype("int8"))])


def add(x):
    return ops.call("qadd", [x, x], **ADD)


def transpose(x, *axes):
    return ops.call("transpose", [x], axes=list(axes))


def check(build, shape, before, after):
    """The operators before and after, and the same results; gives the fused module's calls."""
    mod = module(build, shape)
    assert names(mod) == before
    fused = FuseOperators()(mod)
    assert names(fused) == after
    x = every_value(shape)
    for expected, found in zip(run(mod, x), run(fused, x), strict=True):
        np.testing.assert_array_equal(found, expected)
    return calls(fused)


def stays(build, shape):
    mod = module(build, shape)
    tvm.ir.assert_structural_equal(FuseOperators()(mod), mod)


def test_padding_with_the_zero_point_moves_into_the_convolution():
    found = check(
        lambda emit, x: conv_call(emit(pad(x)), padding=[1, 0, 0, 2]),
        NHWC,
        ["pad", "qconv2d"],
        ["qconv2d"],
    )
    assert ints(found[0].attrs["padding"]) == [2, 0, 2, 3]


def test_padding_with_the_lowest_value_moves_into_max_pooling():
    found = check(
        lambda emit, x: max_pool(emit(pad(x, -128))), NHWC, ["pad", "qmax_pool2d"], ["qmax_pool2d"]
    )
    assert ints(found[0].attrs["padding"]) == [1, 0, 2, 2]


def test_one_padding_moves_into_all_its_readers():
    def build(emit, x):
        padded = emit(pad(x))
        return [conv_call(padded), conv_call(padded, strides=[2, 2])]

    check(build, NHWC, ["pad", "qconv2d", "qconv2d"], ["qconv2d", "qconv2d"])


def test_paddings_of_paddings_all_move():
    check(
        lambda emit, x: conv_call(emit(pad(emit(pad(x))))),
        NHWC,
        ["pad", "pad", "qconv2d"],
        ["qconv2d"],
    )


def both_outputs(emit, x):
    padded = emit(pad(x))
    return [padded, conv_call(padded)]


def two_readers(emit, x):
    padded = emit(pad(x))
    return [conv_call(padded), emit(max_pool(padded))]


@pytest.mark.parametrize(
    "build",
    [
        lambda emit, x: conv_call(emit(pad(x, value=4))),
        lambda emit, x: max_pool(emit(pad(x, value=-127))),
        lambda emit, x: conv_call(emit(pad(x, before=(0, 1, 0, 1)))),
        lambda emit, x: pad(x),
        both_outputs,
        two_readers,
    ],
    ids=["other value", "not lowest", "channels", "no reader", "also a result", "another reader"],
)
def test_padding_stays(build):
    stays(build, NHWC)


def test_a_clamp_becomes_limits():
    found = check(
        lambda emit, x: lut(emit(add(x)), np.clip(DOMAIN, -20, 120)),
        (3, 5),
        ["qadd", "lut"],
        ["qadd"],
    )
    assert (int(found[0].attrs["act_min"]), int(found[0].attrs["act_max"])) == (-20, 90)


def test_a_clamp_beyond_the_limits_leaves_one_value():
    found = check(
        lambda emit, x: lut(emit(add(x)), np.clip(DOMAIN, 100, 120)),
        (3, 5),
        ["qadd", "lut"],
        ["qadd"],
    )
    assert (int(found[0].attrs["act_min"]), int(found[0].attrs["act_max"])) == (100, 100)


def test_the_fused_operator_takes_the_name_of_the_clamp():
    mod = module(
        lambda emit, x: emit(lut(emit(add(x)), np.clip(DOMAIN, 0, 127)), name_hint="relu"), (3, 5)
    )
    blocks = FuseOperators()(mod)["main"].body.blocks
    assert "relu" in [b.var.name for block in blocks for b in block.bindings]


def clamp_of_a_result(emit, x):
    total = emit(add(x))
    return [total, lut(total, np.clip(DOMAIN, 0, 127))]


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda emit, x: lut(emit(add(x)), np.clip(DOMAIN + 1, 0, 127)), (3, 5)),
        (lambda emit, x: lut(emit(transpose(x, 1, 0)), np.clip(DOMAIN, 0, 127)), (3, 5)),
        (lambda emit, x: lut(x, np.clip(DOMAIN, 0, 127)), (3, 5)),
        (clamp_of_a_result, (3, 5)),
        # Rounded twice, which one multiplier would not do.
        (lambda emit, x: lut(emit(conv_call(x)), DOMAIN // 2), NHWC),
    ],
    ids=["not a clamp", "no limits", "a parameter", "read elsewhere", "requantize"],
)
def test_table_stays(build, shape):
    stays(build, shape)


def test_tables_compose():
    check(
        lambda emit, x: lut(emit(lut(emit(lut(x, -DOMAIN - 1)), DOMAIN // 3)), DOMAIN[::-1]),
        (16, 16),
        ["lut", "lut", "lut"],
        ["lut"],
    )


@pytest.mark.parametrize(
    ("move", "name"),
    [
        (lambda x: relax.op.reshape(x, (4, 6, 1)), "relax.reshape"),
        (lambda x: transpose(x, 1, 2, 0), "transpose"),
        (lambda x: ops.call("copy", [x], dtype="int8"), "copy"),
    ],
)
def test_tables_compose_around_a_move(move, name):
    check(
        lambda emit, x: lut(emit(move(emit(lut(x, DOMAIN // 3)))), DOMAIN[::-1]),
        (2, 3, 4),
        ["lut", name, "lut"],
        [name, "lut"],
    )


def test_an_inner_table_read_elsewhere_stays():
    def build(emit, x):
        inner = emit(lut(x, DOMAIN // 2))
        return [inner, lut(inner, DOMAIN // 3)]

    stays(build, (4, 4))


def test_a_table_that_changes_nothing_vanishes():
    check(lambda emit, x: lut(emit(lut(x, DOMAIN)), DOMAIN // 2), (4, 4), ["lut", "lut"], ["lut"])


def test_a_table_from_uint8_stays():
    table = relax.const((DOMAIN + 128).astype("uint8"))
    mod = module(lambda emit, x: ops.call("lut", [x, table]), (4, 4), dtype="uint8")
    tvm.ir.assert_structural_equal(FuseOperators()(mod), mod)


def test_transposes_compose():
    found = check(
        lambda emit, x: transpose(emit(transpose(x, 1, 2, 0)), 0, 2, 1),
        (2, 3, 4),
        ["transpose", "transpose"],
        ["transpose"],
    )
    assert ints(found[0].attrs["axes"]) == [1, 0, 2]


def test_opposite_transposes_and_reshapes_vanish():
    def build(emit, x):
        moved = emit(transpose(emit(transpose(x, 1, 2, 0)), 2, 0, 1))
        flat = emit(relax.op.reshape(moved, (24,)))
        return lut(emit(relax.op.reshape(flat, (2, 3, 4))), DOMAIN // 2)

    before = ["transpose", "transpose", "relax.reshape", "relax.reshape", "lut"]
    check(build, (2, 3, 4), before, ["lut"])


def test_transposes_that_move_only_ones_become_a_reshape():
    check(
        lambda emit, x: transpose(emit(transpose(x, 2, 0, 1)), 0, 2, 1),
        (2, 1, 4),
        ["transpose", "transpose"],
        ["transpose"],
    )
    check(lambda emit, x: transpose(x, 1, 0, 2), (2, 1, 4), ["transpose"], ["relax.reshape"])


def test_reshapes_compose():
    check(
        lambda emit, x: relax.op.reshape(emit(relax.op.reshape(x, (24,))), (6, 4)),
        (2, 3, 4),
        ["relax.reshape", "relax.reshape"],
        ["relax.reshape"],
    )


def test_a_transpose_read_twice_stays():
    def build(emit, x):
        inner = emit(transpose(x, 1, 2, 0))
        return [inner, transpose(inner, 0, 2, 1)]

    stays(build, (2, 3, 4))


def test_the_module_given_is_not_changed():
    mod = module(lambda emit, x: conv_call(emit(pad(x))), NHWC)
    before = tvm.ir.load_json(tvm.ir.save_json(mod))
    FuseOperators()(mod)
    tvm.ir.assert_structural_equal(mod, before)


@pytest.mark.models
def test_mcunet_loses_its_paddings_and_keeps_its_results(model_path, golden):
    mod = FuseOperators()(LowerQDQ()(from_tflite(model_path("mcunet_vww1.tflite"))))
    assert "pad" not in names(mod)
    inputs, outputs = golden("mcunet_vww1")
    x = inputs[0].reshape([int(d) for d in mod["main"].params[0].ty.shape])
    np.testing.assert_array_equal(run(mod, x)[0].reshape(-1), outputs[0].reshape(-1))


def shuffle(emit, x, *, groups):
    """Channels of NHWC data in another order, as models in NCHW write it."""
    batch, height, width, channels = (int(d) for d in x.ty.shape)
    planes = emit(transpose(x, 0, 3, 1, 2))
    parts = (batch, groups, channels // groups, height, width)
    swapped = emit(transpose(emit(relax.op.reshape(planes, parts)), 0, 2, 1, 3, 4))
    joined = emit(relax.op.reshape(swapped, (batch, channels, height, width)))
    return transpose(joined, 0, 2, 3, 1)


BEFORE = ["transpose", "relax.reshape", "transpose", "relax.reshape", "transpose"]


def test_a_channel_shuffle_is_one_transpose():
    after = ["relax.reshape", "transpose", "relax.reshape"]
    found = check(lambda emit, x: shuffle(emit, x, groups=2), (1, 3, 5, 6), BEFORE, after)
    assert ints(found[0].ty.shape) == [15, 2, 3]
    assert ints(found[1].attrs["axes"]) == [0, 2, 1]


def test_a_shuffle_and_its_opposite_vanish():
    def build(emit, x):
        once = emit(shuffle(emit, x, groups=2))
        return lut(emit(shuffle(emit, once, groups=3)), DOMAIN // 2)

    check(build, (1, 3, 5, 6), [*BEFORE, *BEFORE, "lut"], ["lut"])


def test_transposes_around_a_reshape_that_mixes_axes_stay():
    def build(emit, x):
        mixed = emit(relax.op.reshape(emit(transpose(x, 1, 0)), (2, 3)))
        return transpose(mixed, 1, 0)

    stays(build, (2, 3))


def test_a_chain_stays_where_its_middle_is_read_elsewhere():
    def build(emit, x):
        middle = emit(transpose(x, 1, 2, 0))
        flat = emit(relax.op.reshape(middle, (12, 2)))
        return [middle, transpose(flat, 1, 0)]

    stays(build, (2, 3, 4))
