"""LowerQDQ: which integer operator each island becomes, and with which attributes."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from islands import calls, every_value, ints, island, lower, module, names, quantized, real, run
from islands import weights as constant
from tvm import relax

from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ
from tvm_tiny.reference.comparison import RELATIONS, compare
from tvm_tiny.reference.log_softmax import log_softmax
from tvm_tiny.reference.quantization import Quant, Rounding

NHWC = (1, 5, 6, 4)


def conv(x, groups=1, bias=True, layout="NHWC"):
    kernel = constant((8, 3, 3, 4 // groups))
    value = relax.op.nn.conv2d(
        x, kernel, (2, 1), (1, 0, 1, 2), (1, 1), groups, layout, "OHWI", layout
    )
    return relax.op.add(value, constant((8,), dtype="int32")) if bias else value


def real_number(value):
    """A dequantized constant of one element."""
    return real(relax.const(np.full((1,), value, "int8")))


def taken(x, indices):
    """Elements of the last axis at constant indices."""
    return relax.op.take(x, relax.const(np.array(indices, "int64")), 1, "clip")


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_convolution_takes_bias_window_and_groups(groups, bias):
    call = calls(lower(island(lambda x: conv(x, groups, bias), NHWC)))[-1]
    assert call.op.name == "tvm_tiny.qconv2d"
    assert ints(call.attrs["strides"]) == [2, 1]
    assert ints(call.attrs["padding"]) == [1, 0, 1, 2]
    assert int(call.attrs["groups"]) == groups
    assert int(call.attrs["x_zp"]) == int(call.attrs["y_zp"]) == 3
    assert bool(call.args[2].value.numpy().any()) is bias


def test_a_bias_in_float_is_rounded_to_steps_of_the_accumulator():
    real_bias = np.linspace(-2, 2, 8, dtype="float32")

    def build(x):
        return relax.op.add(conv(x, bias=False), relax.const(real_bias.reshape(1, 1, 1, 8)))

    mod = island(build, NHWC)
    call = calls(lower(mod))[-1]
    assert call.op.name == "tvm_tiny.qconv2d"
    x_scale, w_scale = (call.args[1].value.numpy() for call in calls(mod)[:2])
    steps = real_bias / (x_scale * w_scale).astype("float64")
    np.testing.assert_array_equal(call.args[2].value.numpy(), np.rint(steps))


def test_an_int32_bias_of_another_scale_is_rounded_to_steps_of_the_accumulator():
    values, own = np.array([-30, 7, 500], "int32"), np.float32(0.013)

    def build(a, b):
        bias = relax.op.dequantize(
            relax.const(values), relax.const(own), relax.const(0, "int32"), axis=-1
        )
        return relax.op.add(relax.op.matmul(a, b), bias)

    (call,) = calls(lower(island(build, (2, 4), (4, 3))))
    assert call.op.name == "tvm_tiny.qbatch_matmul"
    steps = np.rint(values * np.float64(own) / 0.25)
    np.testing.assert_array_equal(call.args[2].value.numpy(), steps)


@pytest.mark.parametrize("constant_weights", [True, False])
def test_what_is_added_along_another_axis_is_no_bias(constant_weights):
    column = relax.const(np.linspace(-1, 1, 3, dtype="float32").reshape(3, 1))

    def build(a, b):
        product = relax.op.matmul(a, constant((4, 3), 1) if constant_weights else b)
        return relax.op.add(product, column)

    with pytest.warns(FloatFallbackWarning, match="no constant along the output channels"):
        LowerQDQ()(island(build, (3, 4), (4, 3)))


def kernel_with_zero_point(low, high, zero_points):
    """Weights [2, 1, 1, 4] from low to high, and what they stand for in steps of their scale."""
    values = np.linspace(low, high, 8).astype("int8").reshape(2, 1, 1, 4)
    zeros = np.array(zero_points, "int8")
    scales = relax.const(np.full(2, 0.01, "float32"))
    kernel = relax.op.dequantize(relax.const(values), scales, relax.const(zeros), axis=0)
    return kernel, values.astype(int) - zeros.reshape(-1, 1, 1, 1)


@pytest.mark.parametrize(
    ("bounds", "zero_points", "dtype"),
    [
        ((-100, 100), (0, 0), "int8"),
        ((-100, 100), (20, -20), "int8"),
        ((-128, 127), (1, 0), "int16"),
        ((-128, 127), (127, -128), "int16"),
    ],
)
def test_weights_are_stored_less_their_zero_points(bounds, zero_points, dtype):
    kernel, expected = kernel_with_zero_point(*bounds, zero_points)
    layouts = {"data_layout": "NHWC", "kernel_layout": "OHWI"}
    mod = island(lambda x: relax.op.nn.conv2d(x, kernel, **layouts), NHWC)
    call = calls(lower(mod))[-1]
    assert str(call.args[1].ty.dtype) == dtype
    np.testing.assert_array_equal(call.args[1].value.numpy(), expected)
    (expected,), (found,) = (run(m, every_value(NHWC)) for m in (mod, lower(mod)))
    assert np.abs(expected.astype(int) - found).max() <= 1


def test_multipliers_are_the_product_of_input_and_weight_scale_over_the_output_scale():
    mod = island(conv, NHWC, scale=0.25)
    call = calls(lower(mod))[-1]
    scales = calls(mod)[1].args[1].value.numpy().astype("float64")
    multiplier, shift = (arg.value.numpy().astype("float64") for arg in call.args[3:5])
    np.testing.assert_allclose(multiplier * 2.0 ** (shift - 31), 0.5 * scales / 0.25, rtol=1e-9)


@pytest.mark.parametrize(
    ("activation", "limits"),
    [
        (relax.op.nn.relu, (3, 127)),
        (lambda e: relax.op.clip(e, 0, 6), (3, 15)),
        (lambda e: relax.op.clip(e, -1, 1), (1, 5)),
        (lambda e: e, (-128, 127)),
    ],
)
@pytest.mark.parametrize("operator", ["conv", "add", "max_pool2d"])
def test_fused_activations_become_limits(operator, activation, limits):
    def build(x):
        value = {
            "conv": lambda: conv(x),
            "add": lambda: relax.op.add(x, real(relax.const(every_value(NHWC)))),
            "max_pool2d": lambda: relax.op.nn.max_pool2d(x, (2, 2), layout="NHWC"),
        }[operator]()
        return activation(value)

    call = calls(lower(island(build, NHWC)))[-1]
    assert (int(call.attrs["act_min"]), int(call.attrs["act_max"])) == limits


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


def test_a_condition_as_numbers_is_quantized_and_limited():
    def build(a, b):
        return relax.op.clip(relax.op.astype(relax.op.less(a, b), "float32"), 0.2, 0.8)

    a, b = every_value((256,)), np.zeros(256, "int8")
    (found,) = run(lower(island(build, (256,), (256,), scale=0.1)), a, b)
    np.testing.assert_array_equal(found, np.where(a < b, 3 + 8, 3 + 2))


def test_conditions_as_numbers_are_added_as_numbers():
    def build(x):
        conditions = (relax.op.less(x, relax.const(limit, "float32")) for limit in (2.0, 3.0))
        return relax.op.add(*(relax.op.astype(each, "float32") for each in conditions))

    lowered, x = lower(island(build, (256,))), every_value((256,))
    assert names(lowered) == ["lut"]
    value = (x.astype("float32") - 3) / 2
    expected = 3 + 2 * ((value < 2).astype(int) + (value < 3))
    np.testing.assert_array_equal(run(lowered, x)[0], expected)


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


def test_moves_before_an_operator_happen_on_the_integers():
    def build(x):
        flat = relax.op.reshape(relax.op.strided_slice(x, [1], [4], [0], [-2]), (1, 4))
        return relax.op.matmul(flat, relax.op.permute_dims(constant((5, 4))))

    assert names(lower(island(build, (2, 5)))) == ["strided_slice", "relax.reshape", "qdense"]


def test_moved_constants_are_moved_at_compile_time():
    def build(x):
        other = real(relax.const(every_value((2, 3))))
        return relax.op.add(x, relax.op.permute_dims(other, [1, 0]))

    call = calls(lower(island(build, (3, 2))))
    assert [c.op.name for c in call] == ["tvm_tiny.qadd"]
    np.testing.assert_array_equal(call[0].args[1].value.numpy(), every_value((2, 3)).T)


def test_parts_of_a_split_are_slices():
    def build(emit, x):
        parts = emit(relax.op.split(real(x), 2, axis=1))
        return [quantized(relax.TupleGetItem(parts, k)) for k in (0, 1)]

    lowered = lower(module(build, (2, 4)))
    found = calls(lowered)
    assert [c.op.name for c in found] == ["tvm_tiny.strided_slice"] * 2
    assert [ints(c.attrs["begin"]) for c in found] == [[0, 0], [0, 2]]
    x = every_value((2, 4))
    np.testing.assert_array_equal(run(lowered, x)[1], x[:, 2:])


def test_a_float_table_is_quantized_as_the_rows_that_are_taken_from_it():
    table = np.linspace(-3, 3, 20, dtype="float32").reshape(5, 4)

    def build(emit, ids):
        below = emit(relax.op.less(ids, relax.const(0, "int32")))
        counted = emit(relax.op.add(ids, relax.const(5, "int32")))
        rows = relax.op.take(relax.const(table), relax.op.where(below, counted, ids), 0, "clip")
        return quantized(emit(rows), 0.05)

    lowered = lower(module(build, (7,), dtype="int32"))
    assert names(lowered) == ["gather"]
    rows = run(lowered, np.array([0, 4, -1, -5, -9, 5, 99], "int32"))[0]
    expected = np.rint(table[[0, 4, 4, 0, 0, 4, 4]] / 0.05) + 3
    np.testing.assert_array_equal(rows, expected)


def test_indices_are_counted_from_the_end_only_by_the_size_of_the_axis():
    table = np.linspace(-3, 3, 5, dtype="float32")

    def build(emit, ids):
        below = emit(relax.op.less(ids, relax.const(0, "int32")))
        counted = emit(relax.op.add(ids, relax.const(2, "int32")))
        chosen = emit(relax.op.where(below, counted, ids))
        return quantized(emit(relax.op.take(relax.const(table), chosen, 0, "clip")), 0.05)

    lowered = lower(module(build, (4,), dtype="int32"))
    (found,) = run(lowered, np.array([0, 4, -1, -2], "int32"))
    np.testing.assert_array_equal(found, np.rint(table[[0, 4, 1, 0]] / 0.05) + 3)


@pytest.mark.parametrize("rounding", ["tflite", "float32"])
@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.5, 0.3), (0.001, 0.002)])
def test_comparisons_are_those_of_the_reference(relation, scales, rounding):
    def build(emit, a, b):
        compare = getattr(relax.op, relation)
        return emit(compare(real(a, scales[0]), real(b, scales[1], -7)))

    mod = module(build, (256, 1), (256,))
    mod["main"] = mod["main"].with_attr("tvm_tiny.rounding", rounding)
    x = every_value((256,))
    left, right = (float(np.float32(scale)) for scale in scales)
    quants = Quant(left, 3), Quant(right, -7)
    expected = compare(relation, x[:, None], x, *quants, Rounding(rounding))
    np.testing.assert_array_equal(run(lower(mod), x[:, None], x)[0], expected)


CONDITIONS = {
    "a function of the tensor": lambda x: relax.op.less(relax.op.exp(x), real_number(2)),
    "a number on the left": lambda x: relax.op.greater_equal(real_number(0.7), x),
    "logic": lambda x: relax.op.logical_not(
        relax.op.logical_and(
            relax.op.greater(x, real_number(-1)), relax.op.less_equal(x, real_number(2))
        )
    ),
    "a cast to bool": lambda x: relax.op.logical_not(relax.op.astype(x, "bool")),
    "exclusive or": lambda x: relax.op.logical_xor(
        relax.op.isnan(x), relax.op.equal(x, real_number(1.5))
    ),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_on_one_tensor_are_a_table(condition):
    mod = module(lambda emit, x: emit(CONDITIONS[condition](real(x))), (256,))
    x = every_value((256,))
    lowered = lower(mod)
    assert names(lowered) == ["lut"]
    np.testing.assert_array_equal(run(lowered, x)[0], run(mod, x)[0])


def thresholds(count, rounding="float32"):
    """A comparison of a tensor with so many different floats, one a row."""
    limits = np.linspace(-70, 70, count, dtype="float32").reshape(-1, 1)
    limits[0] = np.inf
    mod = module(lambda emit, x: emit(relax.op.greater(real(x), relax.const(limits))), (256,))
    return mod["main"].with_attr("tvm_tiny.rounding", rounding), limits


@pytest.mark.parametrize("rounding", ["tflite", "float32"])
def test_a_tensor_is_compared_with_a_constant_tensor_of_floats(rounding):
    main, limits = thresholds(256, rounding)
    lowered = lower(tvm.IRModule({"main": main}))
    assert names(lowered) == ["compare"]
    x = every_value((256,))
    expected = (x.astype("float32") - 3) * np.float32(0.5) > limits
    np.testing.assert_array_equal(run(lowered, x)[0], expected)


def test_a_constant_tensor_of_more_floats_than_int8_has_values_stays_in_float():
    main, _ = thresholds(count=257)
    with pytest.warns(FloatFallbackWarning, match="greater.*more than 256 different numbers"):
        LowerQDQ()(tvm.IRModule({"main": main}))


def test_comparisons_of_floats_are_named_as_float():
    def build(emit, a, b):
        return emit(relax.op.less(emit(relax.op.exp(real(a))), real(b)))

    with pytest.warns(FloatFallbackWarning, match="less"):
        LowerQDQ()(module(build, (3,), (3,)))


def test_the_comparison_of_a_float_input_says_why_it_is_float():
    mod = module(lambda emit, x: emit(relax.op.less(x, real_number(1))), (3,), dtype="float32")
    with pytest.warns(FloatFallbackWarning, match="its input 'x0' is not quantized"):
        LowerQDQ()(mod)


def test_a_change_of_scale_around_a_move_is_a_table():
    mod = island(lambda x: relax.op.reshape(x, (6,)), (2, 3), scale=0.25)
    assert names(lower(mod)) == ["relax.reshape", "lut"]


def test_concat_of_a_constant_of_another_scale_is_requantized_at_compile_time():
    def build(x):
        return relax.op.concat([x, real(relax.const(every_value((1, 3))), 0.25)], 0)

    lowered = lower(island(build, (2, 3)))
    assert names(lowered) == ["concat"]
    constant_part = run(lowered, np.zeros((2, 3), "int8"))[0][2]
    # (q - 3) * 0.25 / 0.5 + 3; the doubling high multiply rounds halves up.
    np.testing.assert_array_equal(constant_part, [-62, -62, -61])


@pytest.mark.parametrize(("dtype", "end"), [("int64", None), ("int32", "int32")])
def test_argmax_reads_the_integers(dtype, end):
    def build(emit, x):
        index = relax.op.argmax(real(x), axis=1)
        return index if end is None else relax.op.astype(emit(index), end)

    lowered = lower(module(build, (2, 3)))
    assert names(lowered) == ["argmax"]
    found = run(lowered, np.array([[1, 5, 5], [-3, -4, -5]], "int8"))[0]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [1, 0])


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
    mod = island(conv, NHWC)
    before = tvm.ir.load_json(tvm.ir.save_json(mod))
    LowerQDQ()(mod)
    tvm.ir.assert_structural_equal(mod, before)


def test_the_tensor_keeps_its_name():
    def build(emit, x):
        return emit(quantized(conv(real(x))), name_hint="model/conv:0")

    lowered = lower(module(build, NHWC))
    bindings = [b for block in lowered["main"].body.blocks for b in block.bindings]
    assert "model/conv:0" in [b.var.name for b in bindings]


@pytest.mark.parametrize("wide", ["int32", "float32"])
def test_a_cast_there_and_back_is_nothing(wide):
    def build(emit, x):
        back = emit(relax.op.astype(emit(relax.op.astype(x, wide)), "int8"))
        return quantized(emit(relax.op.nn.relu(real(back))))

    assert "astype" not in lower(module(build, (3,))).script()
