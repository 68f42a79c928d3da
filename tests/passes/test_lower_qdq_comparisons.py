"""LowerQDQ on comparisons, conditions and casts: tables, integer comparisons, or float."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from islands import every_value, island, lower, module, names, quantized, real, real_number, run
from tvm import relax

from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ
from tvm_tiny.reference.comparison import RELATIONS, compare
from tvm_tiny.reference.quantization import Quant, Rounding


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


@pytest.mark.parametrize("wide", ["int32", "float32"])
def test_a_cast_there_and_back_is_nothing(wide):
    def build(emit, x):
        back = emit(relax.op.astype(emit(relax.op.astype(x, wide)), "int8"))
        return quantized(emit(relax.op.nn.relu(real(back))))

    assert "astype" not in lower(module(build, (3,))).script()
