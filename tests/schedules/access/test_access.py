"""What `analyze` says of row kernels, against what they touch when run element by element."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from kernel_machine import Machine
from row_calls import DATA_DEPENDENT, EXACT
from tvm.ir import Call, GenericConst

from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules import portable  # noqa: F401  registers the kernels
from tvm_tiny.schedules.access.analysis import NEVER, Span, analyze

SETTINGS = settings(max_examples=20, deadline=None, database=None, derandomize=True)


def kernel_of(call: Call):
    """(func, events, constants by parameter) of an operator's row kernel."""
    factory = kernels.lookup(call)
    kernel = factory.build(call, factory.addressing(call, logical=True))
    constants = {k: a.value.numpy() for k, a in enumerate(call.args) if isinstance(a, GenericConst)}
    integers = factory.integers(call, factory.whole(call))
    constants |= {len(call.args) + k: array for k, array in enumerate(integers)}
    return kernel.func, kernel.rows, constants


def observed(func, events: int, constants):
    """Touches of each event, with random tensors."""
    rng = np.random.default_rng(0)
    arrays = [
        constants.get(k, rng.integers(-128, 128, [int(d) for d in p.shape]))
        for k, p in enumerate(func.params[:-1])
    ]
    machine = Machine(func, arrays)
    return [machine.run(row) for row in range(events)]


def span(touches, mode: str, which: int):
    """(first, end) of one event; (0, 0) where nothing is touched."""
    at = [a for m, w, a in touches if (m, w) == (mode, which)]
    return (min(at), max(at) + 1) if at else (0, 0)


def latest(touches, which: int, size: int, out: int, out_size: int) -> int:
    """The largest end of a write minus start of a later read, in bytes."""
    end, gap = NEVER, NEVER
    for mode, where, at in touches:
        if mode == "w" and where == out:
            end = max(end, (at + 1) * out_size)
        elif (mode, where) == ("r", which) and end != NEVER:
            gap = max(gap, end - at * size)
    return gap


def itemsize(buffer) -> int:
    return np.dtype(str(buffer.dtype)).itemsize


def pairs(found: Span) -> list[tuple[int, int]]:
    """Spans as (first, end), empty ones as (0, 0)."""
    return [(a, b) if a < b else (0, 0) for a, b in zip(found.first, found.end, strict=True)]


def check_exact(func, events, constants) -> None:
    runs = observed(func, events, constants)
    found = analyze(func, events, constants)
    *inputs, out = func.params[:-1]
    last = len(inputs)
    assert found.events == events
    assert pairs(found.writes) == [span(run, "w", last) for run in runs]
    assert found.own == any(("r", last) == touch[:2] for run in runs for touch in run)
    for k, buffer in enumerate(inputs):
        expected = [span(run, "r", k) for run in runs]
        if k in constants or not any(map(any, expected)):
            assert found.reads[k] is None
            assert found.within[k] is None
            continue
        assert pairs(found.reads[k]) == expected
        gaps = [latest(run, k, itemsize(buffer), last, itemsize(out)) for run in runs]
        assert list(found.within[k]) == gaps


@pytest.mark.parametrize("operators", EXACT.values(), ids=list(EXACT))
def test_spans_and_order_are_those_of_a_run(operators):
    @SETTINGS
    @given(operators)
    def check(call):
        check_exact(*kernel_of(call))

    check()


@SETTINGS
@given(DATA_DEPENDENT)
def test_what_depends_on_data_is_covered(call):
    func, events, constants = kernel_of(call)
    found = analyze(func, events, constants)
    *inputs, out = func.params[:-1]
    for event, run in enumerate(observed(func, events, constants)):
        assert pairs(found.writes)[event] == span(run, "w", len(inputs))
        for k in (k for k, reads in enumerate(found.reads) if reads is not None):
            first, end = span(run, "r", k)
            assert first == end or found.reads[k].first[event] <= first
            assert found.reads[k].end[event] >= end
            assert found.within[k][event] >= latest(run, k, 1, len(inputs), itemsize(out))
    assert found.reads[0] is not None
