"""Which columns a kernel reads, against what it touches when it computes one column."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from kernel_machine import Machine
from row_calls import EXACT, call, channel_operands, const, tensor
from tvm.ir import Call, GenericConst

from tvm_tiny.lowering.row_kernels import describe_columns
from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules.shapes import row_split, shape_of

# Most tensors of some families have too few axes to have columns.
SETTINGS = settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much],
)
DENSE = {"x_zp": 5, "y_zp": -2, "shifts_left": 0, "rounding": "tflite"}
LIMITS = {"act_min": -128, "act_max": 127}
FAMILIES = [
    *("convolution", "transposed convolution", "pooling"),
    *("elementwise", "movement", "resizing"),
]


def tile_machine(found: Call, column: int) -> tuple[Machine, int]:
    """The kernel told to compute one column, in tensors that are whole; how often it runs."""
    factory = kernels.lookup(found)
    addressing = factory.addressing(found, pitches={})
    kernel = factory.build(found, addressing)
    (integers,) = factory.integers(found, factory.whole(found), [[column, 1]])
    constants = {
        k: a.value.numpy() for k, a in enumerate(found.args) if isinstance(a, GenericConst)
    }
    constants[len(found.args)] = integers[0]
    rng = np.random.default_rng(0)
    arrays = [
        constants.get(k, rng.integers(-128, 128, [int(d) for d in p.shape]))
        for k, p in enumerate(kernel.func.params[:-1])
    ]
    return Machine(kernel.func, arrays), kernel.rows


def columns(touches, mode: str, which: int, shape) -> set[int]:
    """The columns among the elements touched of a tensor."""
    _, (width, *inner) = row_split(shape)
    size = int(np.prod(inner))
    return {at // size % width for m, w, at in touches if (m, w) == (mode, which)}


def check(found: Call) -> None:
    described = describe_columns(found, range(len(found.args)))
    assert described.count == shape_of(found)[-2]
    for column in range(described.count):
        machine, rows = tile_machine(found, column)
        touches = [touch for row in range(rows) for touch in machine.run(row)]
        assert columns(touches, "w", len(found.args) + 1, shape_of(found)) == {column}
        for k, arg in enumerate(found.args):
            if isinstance(arg, GenericConst):
                assert described.reads[k] is None
                continue
            seen = columns(touches, "r", k, shape_of(arg))
            span = described.reads[k]
            first, end = (span.first[column], span.end[column]) if span else (0, 0)
            assert (first, end) == ((min(seen), max(seen) + 1) if seen else (0, 0))


@pytest.mark.parametrize("family", FAMILIES)
def test_columns_are_those_that_the_kernel_touches(family):
    @SETTINGS
    @given(EXACT[family])
    def property_of(found):
        assume(kernels.lookup(found) is not None and kernels.lookup(found).tiled(found))
        check(found)

    property_of()


def test_operators_of_whole_rows_have_no_columns():
    dense = call("qdense", tensor(3, 4), const((2, 4)), *channel_operands(2), **DENSE, **LIMITS)
    sums = call("row_sums", tensor(1, 4, 5, 3))
    vectors = call("lut", tensor(7, 5), const(256))
    batch = call("lut", tensor(2, 4, 5, 3), const(256))
    assert [kernels.lookup(c).tiled(c) for c in (dense, sums, vectors, batch)] == [()] * 4
