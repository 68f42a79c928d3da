"""LowerQDQ: which integer operator each island becomes, and with which attributes."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from islands import (
    convolved,
    every_value,
    island,
    lower,
    module,
    names,
    quantized,
    real,
    real_number,
    run,
)
from islands import weights as constant
from tvm import relax

from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ
from tvm_tiny.reference.log_softmax import log_softmax
from tvm_tiny.reference.quantization import Quant

NHWC = (1, 5, 6, 4)


def taken(x, indices):
    """Elements of the last axis at constant indices."""
    return relax.op.take(x, relax.const(np.array(indices, "int64")), 1, "clip")


@pytest.mark.parametrize(
    ("build", "shapes", "expected"),
    [
        (lambda a, b: relax.op.add(a, b), [(2, 3), (3,)], ["qadd"]),
        (lambda a, b: relax.op.subtract(a, b), [(3,), (2, 3)], ["qsubtract"]),
        (lambda a, b: relax.op.multiply(a, b), [(2, 1), (1, 3)], ["qmultiply"]),
        (lambda a, b: relax.op.maximum(a, b), [(2, 3), (2, 3)], ["qmaximum"]),
        (lambda a, b: relax.op.minimum(a, b), [(2, 3), (2, 3)], ["qminimum"]),
        (lambda x: relax.op.sigmoid(x), [(2, 3)], ["lut"]),
        (lambda x: relax.op.nn.leakyrelu(x, 0.1), [(2, 3)], ["lut"]),
        (lambda x: relax.op.nn.relu(x), [(2, 3)], ["lut"]),
        (lambda x: relax.op.reshape(x, (6,)), [(2, 3)], ["relax.reshape"]),
        (lambda x: relax.op.permute_dims(x, [1, 0]), [(2, 3)], ["transpose"]),
        (lambda x: relax.op.permute_dims(x, [1, 0]), [(1, 3)], ["relax.reshape"]),
        (
            lambda a, b: relax.op.where(relax.op.less(a, b), a, b),
            [(2, 3), (2, 3)],
            ["compare", "select"],
        ),
        (
            lambda x: relax.op.where(relax.op.equal(x, real_number(1)), x, real_number(-9)),
            [(2, 3)],
            ["lut"],
        ),
        (
            lambda x: relax.op.where(relax.op.less(x, real_number(1)), relax.op.exp(x), x),
            [(2, 3)],
            ["lut"],
        ),
        (
            lambda a, b: relax.op.astype(relax.op.less(a, b), "float32"),
            [(2, 3), (2, 3)],
            ["compare", "select"],
        ),
        (lambda x: taken(x, [3, 1, 4]), [(2, 5)], ["gather_fixed"]),
        (lambda x: taken(x, [4, 2, 0]), [(2, 5)], ["strided_slice"]),
        (lambda x: taken(x, [[1, 2], [3, 4]]), [(2, 5)], ["strided_slice", "relax.reshape"]),
        (lambda x: taken(x, 3), [(2, 5)], ["strided_slice", "relax.reshape"]),
        (lambda x: relax.op.broadcast_to(x, (4, 2, 3)), [(2, 1)], ["broadcast_to"]),
        (lambda x: relax.op.broadcast_to(x, (1, 2, 3)), [(2, 3)], ["relax.reshape"]),
        (
            lambda x: relax.op.tile(x, (2, 1, 3)),
            [(2, 3, 4)],
            ["relax.reshape", "broadcast_to", "relax.reshape"],
        ),
        (
            lambda x: relax.op.permute_dims(x, [0, 3, 1, 4, 2]),
            [(2, 3, 4, 5, 6)],
            ["transpose"],
        ),
        (
            lambda x: relax.op.permute_dims(x, [0, 1, 4, 2, 3]),
            [(2, 3, 4, 5, 6)],
            ["relax.reshape", "transpose", "relax.reshape"],
        ),
        (lambda x: relax.op.nn.pad(x, (0, 0, 1, 2)), [(2, 3)], ["pad"]),
        (
            lambda x: relax.op.nn.pad(x, (1, 0, 1, 2), "reflect"),
            [(2, 3)],
            ["gather_fixed", "gather_fixed"],
        ),
        (
            lambda x: relax.op.reshape(relax.op.mean(x, [0]), (3, 1)),
            [(2, 3)],
            ["qmean", "relax.reshape"],
        ),
        (lambda a, b: relax.op.concat([a, b], 0), [(2, 3), (1, 3)], ["concat"]),
        (lambda x: relax.op.mean(x, [0]), [(2, 3)], ["qmean"]),
        (lambda x: relax.op.mean(x, [0, 2]), [(2, 3, 4)], ["transpose", "qmean"]),
        (lambda x: relax.op.matmul(x, constant((3, 4), 1)), [(2, 3)], ["qdense"]),
        (lambda a, b: relax.op.matmul(a, b), [(2, 3), (3, 2)], ["qbatch_matmul"]),
        (
            lambda a, b: relax.op.add(relax.op.matmul(a, b), constant((2,), dtype="int32")),
            [(2, 3), (3, 2)],
            ["qbatch_matmul"],
        ),
        (
            lambda a, b: relax.op.matmul(a, relax.op.permute_dims(b, [1, 0])),
            [(2, 3), (4, 3)],
            ["transpose", "qbatch_matmul"],
        ),
    ],
)
def test_islands_of_one_operator(build, shapes, expected):
    assert names(lower(island(build, *shapes))) == expected


def l2_norm(x, other=None, axis=-1, least=1e-6):
    squares = relax.op.multiply(x, x if other is None else other)
    total = relax.op.maximum(
        relax.op.sum(squares, axis, keepdims=True), relax.const(least, "float32")
    )
    return relax.op.divide(x, relax.op.sqrt(total))


def test_only_the_l2_norm_of_tflite_is_taken_for_it():
    own = island(l2_norm, (4, 4), scale=1 / 128, zero_point=0)
    assert names(lower(own)) == ["ql2_normalize"]
    for other in (
        island(lambda x: l2_norm(x, axis=0), (4, 4)),
        island(lambda x: l2_norm(x, least=0.25), (4, 4)),
        island(lambda x, y: l2_norm(x, y), (4, 4), (4, 4)),
    ):
        with pytest.warns(FloatFallbackWarning):
            assert "ql2_normalize" not in names(LowerQDQ()(other))


def test_log_softmax_of_tflite_goes_along_any_axis():
    mod = island(lambda x: relax.op.nn.log_softmax(x, 0), (6, 4), scale=1 / 16, zero_point=127)
    x = every_value((6, 4))
    expected = log_softmax(x.T, Quant(0.5, 3)).T
    np.testing.assert_array_equal(run(lower(mod), x)[0], expected)


def test_softmax_at_its_own_quantization_needs_no_second_table():
    own = island(relax.op.nn.softmax, (2, 3), scale=1 / 256, zero_point=-128)
    other = island(relax.op.nn.softmax, (2, 3))
    assert names(lower(own)) == ["qsoftmax"]
    assert names(lower(other)) == ["qsoftmax", "lut"]


def test_hard_swish_in_either_order_is_one_table():
    three, six = relax.const(3.0), relax.const(6.0)

    def gate(x):
        return relax.op.divide(relax.op.clip(relax.op.add(x, three), 0, 6), six)

    def left(emit, x):
        return quantized(relax.op.multiply(real(x), gate(real(x))))

    def right(emit, x):
        return quantized(relax.op.multiply(gate(real(x)), real(x)))

    assert names(lower(module(left, (2, 3)))) == ["lut"]
    assert names(lower(module(right, (2, 3)))) == ["lut"]


def test_prelu_in_both_forms():
    slope = relax.const(np.array([10, -20, 30], "int8"))

    def operator(emit, x):
        return quantized(relax.op.nn.prelu(real(x), real(slope, 0.01), 1))

    def parts(emit, x):
        below = relax.op.minimum(real(x), relax.const(0.0))
        scaled = relax.op.multiply(real(slope, 0.01), below)
        return quantized(relax.op.add(relax.op.nn.relu(real(x)), scaled))

    first, second = lower(module(operator, (2, 3))), lower(module(parts, (2, 3)))
    assert names(first) == names(second) == ["qprelu"]
    x = every_value((2, 3))
    np.testing.assert_array_equal(run(first, x)[0], run(second, x)[0])


def test_prelu_of_one_slope_is_a_table():
    slope = relax.const(np.array([20, 20, 20], "int8"))
    lowered = lower(island(lambda x: relax.op.nn.prelu(x, real(slope, 0.01), 1), (1, 3)))
    assert names(lowered) == ["lut"]
    # 2 * 0.01 * 17 = 0.34 of every step below the zero point.
    np.testing.assert_array_equal(run(lowered, np.array([[13, 3, -97]], "int8"))[0], [[13, 3, -14]])


def test_an_activation_behind_prelu_limits_it():
    slope = relax.const(np.array([10, -20, 30], "int8"))

    def build(emit, x):
        return quantized(relax.op.clip(relax.op.nn.prelu(real(x), real(slope, 0.01), 1), 0, 6))

    found = run(lower(module(build, (2, 3))), every_value((2, 3)))[0]
    assert found.min() >= 3
    assert found.max() <= 15


def test_a_module_without_quantization_stays_as_it_is():
    mod = module(lambda emit, x: relax.op.reshape(x, (6,)), (2, 3))
    tvm.ir.assert_structural_equal(LowerQDQ()(mod), mod)


def test_the_module_given_is_not_changed():
    mod = island(convolved, NHWC)
    before = tvm.ir.load_json(tvm.ir.save_json(mod))
    LowerQDQ()(mod)
    tvm.ir.assert_structural_equal(mod, before)


def test_the_tensor_keeps_its_name():
    def build(emit, x):
        return emit(quantized(convolved(real(x))), name_hint="model/conv:0")

    lowered = lower(module(build, NHWC))
    bindings = [b for block in lowered["main"].body.blocks for b in block.bindings]
    assert "model/conv:0" in [b.var.name for b in bindings]
