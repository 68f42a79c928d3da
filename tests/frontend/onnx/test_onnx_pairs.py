"""QuantizeLinear and DequantizeLinear that differ in scale, zero point or type: as onnxruntime."""

from __future__ import annotations

from pathlib import Path

import pytest
from agreement import Build, Net, disagreements, models
from tools import require_package

require_package("onnxruntime")

FLAT = ([1, -1], "int64")


def output_scale(n: Net) -> list[str]:
    q = n.q(n("Relu", n.conv(n.dq(n.q(n.input())))), 0.1, -5)
    return [n.dq(q, 0.02, -5)]


def output_zero_point(n: Net) -> list[str]:
    return [n.dq(n.q(n.input(), 0.05, 3), 0.05, -9)]


def several_readers_of_one(n: Net) -> list[str]:
    q = n.q(n.conv(n.dq(n.q(n.input()))), 0.1, -5)
    return [n.dq(q, 0.1, -5), n.dq(q, 0.2, 7), n.dq(n.q(n.dq(q, 0.03, 1), 0.2, 0), 0.2, 0)]


def integers_and_reals(n: Net) -> list[str]:
    q = n.q(n.conv(n.dq(n.q(n.input()))), 0.1, -5)
    return [q, n.dq(q, 0.02, 7)]


def unsigned_integers_and_reals(n: Net) -> list[str]:
    q = n.q(n.conv(n.dq(n.q(n.input()))), 0.1, 100, "uint8")
    return [q, n.dq(q, 0.02, 70, "uint8")]


def int8_input_read_in_two_ways(n: Net) -> list[str]:
    x = n.input(dtype="int8")
    a, b = n.dq(x, 0.05, 3), n.dq(x, 0.01, -20)
    return [n.dq(n.q(n("Max", a, b), 0.1, 0), 0.1, 0)]


def uint8_input_read_in_two_ways(n: Net) -> list[str]:
    x = n.input(dtype="uint8")
    a, b = n.dq(x, 0.05, 3, "uint8"), n.dq(x, 0.01, 200, "uint8")
    return [n.dq(n.q(n("Min", a, b), 0.1, 0), 0.1, 0)]


def float_input_quantized_in_two_ways(n: Net) -> list[str]:
    x = n.input()
    a, b = n.dq(n.q(x, 0.05, 3), 0.05, 3), n.dq(n.q(x, 0.01, -20), 0.01, -20)
    return [n.dq(n.q(n("Max", a, b), 0.1, 0), 0.1, 0)]


def integers_moved_in_between(n: Net) -> list[str]:
    moved = n("Transpose", n.q(n.input(), 0.05, 3), perm=[0, 2, 3, 1])
    return [n.dq(moved, 0.02, -4)]


def reals_moved_in_between(n: Net) -> list[str]:
    moved = n("Reshape", n.dq(n.q(n.input(), 0.05, 3), 0.02, -4), n.const(*FLAT))
    return [n.dq(n.q(moved, 0.07, 9), 0.01, 1)]


def reshaped_behind_the_last(n: Net) -> list[str]:
    return [n("Reshape", n.dq(n.q(n.input(), 0.05, 3), 0.02, -4), n.const(*FLAT))]


def reshaped_before_the_first(n: Net) -> list[str]:
    return [n.dq(n.q(n("Reshape", n.input(), n.const(*FLAT)), 0.05, 3), 0.02, -4)]


def two_outputs_of_one(n: Net) -> list[str]:
    q = n.q(n.input())
    return [n.dq(q, 0.05, 3), n.dq(q, 0.025, 3)]


def uint8_to_uint8(n: Net) -> list[str]:
    return [n.q(n.dq(n.input(dtype="uint8"), 0.05, 100, "uint8"), 0.03, 90, "uint8")]


def int8_to_uint8(n: Net) -> list[str]:
    return [n.q(n.dq(n.input(dtype="int8"), 0.05, 10), 0.03, 90, "uint8")]


def uint8_to_int8(n: Net) -> list[str]:
    return [n.q(n.dq(n.input(dtype="uint8"), 0.05, 100, "uint8"), 0.03, -9)]


def types_that_change_inside(n: Net) -> list[str]:
    first = n.dq(n.q(n.input(), 0.05, 100, "uint8"), 0.05, 100, "uint8")
    second = n.dq(n.q(first, 0.04, -7), 0.02, -6)
    return [n.dq(n.q(second, 0.09, 130, "uint8"), 0.08, 120, "uint8")]


def scales_of_twice_each_other(n: Net) -> list[str]:
    """Half of all values lie between two steps of the result: to the even one."""
    return [n.dq(n.q(n("Relu", n.dq(n.q(n.input()))), 0.1, -128), 0.1, -128)]


def clip_between_two_steps(n: Net) -> list[str]:
    clipped = n("Clip", n.dq(n.q(n.input())), n.const(-0.75), n.const(1.25))
    return [n.dq(n.q(clipped, 0.5, -12), 0.5, -12)]


def pooled(n: Net) -> list[str]:
    x = n.dq(n.q(n.input(), 0.05, 3), 0.02, 5)
    return [n.dq(n.q(n("MaxPool", x, kernel_shape=[2, 2]), 0.03, 0), 0.04, 1)]


def joined(n: Net) -> list[str]:
    x = n.input()
    a, b = n.dq(n.q(x, 0.05, 3), 0.02, 5), n.dq(n.q(x, 0.01, 3), 0.03, -5)
    return [n.dq(n.q(n("Concat", a, b, axis=1), 0.03, 0), 0.04, 1)]


def padded_by_a_value_off_the_grid(n: Net) -> list[str]:
    widths = n.const([0, 0, 1, 1, 0, 0, 1, 1], "int64")
    return [n.dq(n.q(n("Pad", n.dq(n.q(n.input())), widths, n.const(0.37)), 0.02, 0), 0.02, 0)]


KINDS: dict[str, Build] = {
    build.__name__: build
    for build in (
        output_scale,
        output_zero_point,
        several_readers_of_one,
        integers_and_reals,
        unsigned_integers_and_reals,
        int8_input_read_in_two_ways,
        uint8_input_read_in_two_ways,
        float_input_quantized_in_two_ways,
        integers_moved_in_between,
        reals_moved_in_between,
        reshaped_behind_the_last,
        reshaped_before_the_first,
        two_outputs_of_one,
        uint8_to_uint8,
        int8_to_uint8,
        uint8_to_int8,
        types_that_change_inside,
        scales_of_twice_each_other,
        clip_between_two_steps,
        pooled,
        joined,
        padded_by_a_value_off_the_grid,
    )
}


@pytest.mark.parametrize("fold_edges", [True, False])
def test_pairs_that_differ_give_what_onnxruntime_gives(tmp_path: Path, fold_edges: bool) -> None:
    assert disagreements(models(KINDS), tmp_path, fold_edges=fold_edges) == []
