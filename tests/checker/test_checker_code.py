"""Kernels that choose by data what they touch: followed as far as it is safe, refused beyond."""

import numpy as np
import pytest
from tvm.script import tirx as T

from tvm_tiny.checker.kernels import address, build, instrument
from tvm_tiny.checker.numbers import UnfollowableError
from tvm_tiny.checker.shadow import COUNTS, REPORT, STALE
from tvm_tiny.lowering.lower_tir import lower_prim_func, to_pointer_abi

N = 6
TENSORS = frozenset({0, 1})


@T.prim_func(private=True, s_tir=True)
def gather(x: T.Buffer((N,), "int8"), out: T.Buffer((N,), "int8"), y: T.int32):
    out[y] = x[T.Cast("int32", x[y])]


@T.prim_func(private=True, s_tir=True)
def largest_of_three(x: T.Buffer((N,), "int8"), out: T.Buffer((N,), "int8"), y: T.int32):
    with T.sblock("row"):
        best = T.sblock_alloc_buffer((1,), "int32")
        best[0] = 1
        for k in range(2, 4):
            if x[k] > x[best[0]]:
                best[0] = k
        out[y] = x[best[0]]


@T.prim_func(private=True, s_tir=True)
def later_of_two(x: T.Buffer((N,), "int8"), out: T.Buffer((N,), "int8"), y: T.int32):
    if y > 2:
        out[y] = x[0]
    else:
        out[y] = x[1]


@T.prim_func(private=True, s_tir=True)
def scatter(x: T.Buffer((N,), "int8"), out: T.Buffer((N,), "int8"), y: T.int32):
    out[T.Cast("int32", x[y])] = x[y]


@T.prim_func(private=True, s_tir=True)
def perhaps(x: T.Buffer((N,), "int8"), out: T.Buffer((N,), "int8"), y: T.int32):
    if x[y] > 0:
        out[y] = x[y]


@T.prim_func(private=True, s_tir=True)
def as_long_as(x: T.Buffer((N,), "int8"), out: T.Buffer((N,), "int8"), y: T.int32):
    for k in range(T.Cast("int32", x[y])):
        out[k] = x[0]


@T.prim_func(private=True, s_tir=True)
def overwriting(x: T.Buffer((N,), "int8"), out: T.Buffer((N,), "int8"), y: T.int32):
    x[y] = out[y]


def checking(func):
    return instrument(to_pointer_abi(lower_prim_func(func)), TENSORS)


def needed(func, event: int) -> set[int]:
    """Elements of x of which the checking kernel notices that they are not there."""
    kernel = checking(func)
    build([kernel])
    places = np.array([[0, 0, N, N, 0, 0], [N, 0, N, N, N, N]], dtype=np.int32)
    found = set()
    for element in range(N):
        shadow = np.arange(2 * N, dtype=np.int32)
        shadow[element] = -1
        report, counts = np.zeros(REPORT, np.int32), np.zeros(COUNTS, np.int64)
        kernel.run(*map(address, [shadow, places, report, counts]), event)
        if report[0]:
            assert list(report) == [STALE, 0, element, element, 0]
            found.add(element)
    return found


def test_an_element_of_unknown_number_is_any_of_the_tensor():
    assert checking(gather).whole
    assert needed(gather, 0) == set(range(N))


def test_an_element_whose_number_has_bounds_is_any_within_them():
    assert not checking(largest_of_three).whole
    assert needed(largest_of_three, 0) == {1, 2, 3}


def test_a_known_condition_chooses():
    assert [needed(later_of_two, event) for event in (2, 3)] == [{1}, {0}]


@pytest.mark.parametrize(
    ("func", "reason"),
    [
        (scatter, "a write whose place depends on its data"),
        (perhaps, "a write, or a choice of reads, that depends on its data"),
        (as_long_as, "a loop that depends on its data"),
        (overwriting, "a write to what is not its output"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_followed_is_refused(func, reason):
    with pytest.raises(UnfollowableError, match=reason):
        checking(func)
