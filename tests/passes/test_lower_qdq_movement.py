"""LowerQDQ on operators that move values: they move the integers."""

from __future__ import annotations

import numpy as np
import pytest
from islands import calls, every_value, ints, island, lower, module, names, quantized, real, run
from islands import weights as constant
from tvm import relax


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
