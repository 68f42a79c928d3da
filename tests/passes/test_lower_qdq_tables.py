"""LowerQDQ: every expression of one int8 tensor is one table."""

from __future__ import annotations

import numpy as np
import pytest
from islands import calls, every_value, island, lower, module, names, quantized, real, run
from tvm import relax

from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ
from tvm_tiny.reference import Quant, activation, elementwise

op = relax.op
ALL = every_value((1, 256))


def number(value):
    return relax.const(value, "float32")


def stored(value=100, scale=0.03):
    """A quantized constant of one element."""
    return real(relax.const(np.full((1, 1), value, "int8")), scale, 0)


def rounded(mod, rounding="float32"):
    """`mod` with its rounding set."""
    main = mod["main"].with_attr("tvm_tiny.rounding", rounding)
    return type(mod)({mod.get_global_var("main"): main})


def expect(values, scale=0.5, zero_point=3):
    return np.clip(np.rint(np.float32(values) / np.float32(scale)) + zero_point, -128, 127)


REAL = (ALL.astype("float32") - 3) * np.float32(0.5)
EXPRESSIONS = {
    "silu": (lambda x: op.multiply(x, op.sigmoid(x)), lambda x: x / (1 + np.exp(-x))),
    "gelu": (
        lambda x: op.multiply(x, op.multiply(op.add(op.erf(op.divide(x, number(2**0.5))),
                                                     number(1.0)), number(0.5))),
        None,
    ),
    "elu": (
        lambda x: op.where(op.less(x, number(0.0)), op.subtract(op.exp(x), number(1.0)), x),
        lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)) - 1, x),
    ),
    "number first": (lambda x: op.divide(number(9.0), x), lambda x: np.float32(9) / x),
    "power": (lambda x: op.power(x, number(2.0)), lambda x: x * x),
    "quantized number": (
        lambda x: op.minimum(op.subtract(x, stored()), stored(50)),
        lambda x: np.minimum(x - 3, 1.5),
    ),
    "clip inside": (
        lambda x: op.negative(op.clip(op.multiply(x, number(0.1)), 0, 6)),
        lambda x: -np.clip(x * np.float32(0.1), 0, 6),
    ),
    "leaky": (lambda x: op.sqrt(op.abs(op.nn.leakyrelu(x, 0.25))),
              lambda x: np.sqrt(np.abs(np.where(x < 0, x * 0.25, x)))),
}  # fmt: skip


@pytest.mark.parametrize("rounding", ["tflite", "float32"])
@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_of_one_tensor_are_one_table(name, rounding):
    build, function = EXPRESSIONS[name]
    lowered = lower(rounded(island(build, (1, 256)), rounding))
    assert names(lowered) == ["lut"]
    if function is not None:
        with np.errstate(all="ignore"):
            ideal = function(REAL) / np.float32(0.5) + 3
        found = run(lowered, ALL)[0]
        assert np.abs(found - np.clip(ideal, -128, 127)).max() <= 0.5 + 1e-4


def test_a_long_chain_that_uses_each_value_twice_is_read_once():
    def bound(emit, x):
        value = emit(real(x))
        for _ in range(60):
            value = emit(op.multiply(value, emit(op.sigmoid(value))))
        return quantized(value)

    assert names(lower(module(bound, (2, 3)))) == ["lut"]


def test_moves_happen_once_on_the_integers():
    def build(x):
        moved = op.permute_dims(op.reshape(op.exp(x), (3, 2)), [1, 0])
        return op.multiply(moved, op.permute_dims(op.reshape(x, (3, 2)), [1, 0]))

    lowered = lower(island(build, (2, 3)))
    assert names(lowered) == ["relax.reshape", "transpose", "lut"]
    x = every_value((2, 3)) + np.int8(127)
    values = (x.astype("float32") - 3) * np.float32(0.5)
    moved = values.reshape(3, 2).T
    np.testing.assert_array_equal(run(lowered, x)[0], expect(np.exp(moved) * moved))


def test_a_tensor_moved_in_two_ways_is_no_table():
    def build(x):
        return op.multiply(op.sigmoid(x), op.permute_dims(op.tanh(x), [1, 0]))

    with pytest.warns(FloatFallbackWarning):
        assert "lut" not in names(LowerQDQ()(island(build, (3, 3))))


def test_a_number_of_higher_rank_adds_axes():
    one = relax.const(np.ones((1, 1, 1), "float32"))
    lowered = lower(rounded(island(lambda x: op.add(x, one), (2, 3))))
    assert names(lowered) == ["lut", "relax.reshape"]
    assert run(lowered, every_value((2, 3)))[0].shape == (1, 2, 3)


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum", "minimum"])
def test_binary_operators_of_tflite_keep_their_arithmetic(name):
    """With a number, with the tensor itself, and with what a table made of it."""
    kernel = getattr(elementwise, {"subtract": "sub", "multiply": "mul"}.get(name, name))
    operator, x, y = getattr(op, name), Quant(0.5, 3), Quant(0.37, -5)

    def build(emit, tensor):
        gate = emit(quantized(op.sigmoid(real(tensor)), 1 / 256, -128))
        return [
            quantized(operator(real(tensor), stored()), *y),
            quantized(operator(real(tensor), real(tensor)), *y),
            quantized(operator(real(gate, 1 / 256, -128), real(tensor)), *y),
        ]

    lowered = lower(module(build, (1, 256)))
    assert set(names(lowered)) == {"lut"}
    gate = activation.logistic(ALL, x)
    expected = [
        kernel(ALL, np.full((1, 1), 100, "int8"), x, Quant(0.03, 0), y),
        kernel(ALL, ALL, x, x, y),
        kernel(gate, ALL, activation.LOGISTIC_OUTPUT, x, y),
    ]
    for found, wanted in zip(run(lowered, ALL), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_two_tensors_are_no_table():
    lowered = lower(island(lambda a, b: op.multiply(a, b), (2, 3), (2, 3)))
    assert names(lowered) == ["qmultiply"]


def test_the_table_of_a_constant_is_applied_at_compile_time():
    def bound(emit, x):
        table = emit(quantized(op.exp(real(relax.const(every_value((2, 3)))))))
        return quantized(op.add(real(x), real(table)))

    lowered = lower(module(bound, (2, 3)))
    assert names(lowered) == ["qadd"]
    assert calls(lowered)[0].args[1].value.numpy().shape == (2, 3)
