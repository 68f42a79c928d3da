"""Traces: the accesses of pieces of code, and of their compositions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from .sums import FAR, Mask, Sum, larger, largest, largest_before, smaller, smallest, where

Bytes = tuple[Sum, Sum]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Trace:
    """The accesses of a piece of code, for every iteration of the loops around it.

    reads: parameter -> (lowest byte read, end of the highest). writes: the same for the output,
    or None. late: parameter -> the largest (end of a write to the output - start of a later read
    of the parameter), in bytes.
    """

    reads: Mapping[int, Bytes] = field(default_factory=dict)
    writes: Bytes | None = None
    late: Mapping[int, Sum] = field(default_factory=dict)


NOTHING = Trace()


def beside(a: Trace, b: Trace) -> Trace:
    """The trace of two pieces of which neither precedes the other: operands, or branches."""
    if a is NOTHING or b is NOTHING:
        return b if a is NOTHING else a
    return Trace(
        _merged(a.reads, b.reads, _hull),
        _hull(a.writes, b.writes) if a.writes and b.writes else a.writes or b.writes,
        _merged(a.late, b.late, larger),
    )


def then(a: Trace, b: Trace) -> Trace:
    """The trace of `a` followed by `b`."""
    both = beside(a, b)
    if a.writes is None:
        return both
    return Trace(both.reads, both.writes, _merged(both.late, _gaps(a.writes[1], b), larger))


def any_order(trace: Trace) -> Trace:
    """The trace of code in unknown order: every write may precede every read."""
    if trace.writes is None:
        return trace
    late = _merged(trace.late, _gaps(trace.writes[1], trace), larger)
    return Trace(trace.reads, trace.writes, late)


def guarded(trace: Trace, masks: Sequence[Mask]) -> Trace:
    """The trace of code that runs only where all masks hold."""
    for mask in masks:
        trace = _mapped(
            trace, partial(where, mask, otherwise=FAR), partial(where, mask, otherwise=-FAR)
        )
    return trace


def repeated(trace: Trace, depth: int, count: int) -> Trace:
    """The trace of all iterations, in order, of a loop `depth` levels below the event."""
    if count == 1:
        return trace
    whole = _mapped(trace, lambda low: smallest(low, depth), lambda high: largest(high, depth))
    if trace.writes is None:
        return whole
    gaps = _gaps(largest_before(trace.writes[1], depth, count), trace)
    after = {which: largest(gap, depth) for which, gap in gaps.items()}
    return Trace(whole.reads, whole.writes, _merged(whole.late, after, larger))


def _gaps(end: Sum, trace: Trace) -> dict[int, Sum]:
    return {which: end - low for which, (low, _) in trace.reads.items()}


def _hull(a: Bytes, b: Bytes) -> Bytes:
    return smaller(a[0], b[0]), larger(a[1], b[1])


def _mapped(trace: Trace, low: Callable[[Sum], Sum], high: Callable[[Sum], Sum]) -> Trace:
    return Trace(
        {which: (low(span[0]), high(span[1])) for which, span in trace.reads.items()},
        (low(trace.writes[0]), high(trace.writes[1])) if trace.writes else None,
        {which: high(gap) for which, gap in trace.late.items()},
    )


def _merged(a: Mapping[int, T], b: Mapping[int, T], join: Callable[[T, T], T]) -> dict[int, T]:
    merged = {**a, **b}
    merged.update({which: join(a[which], b[which]) for which in a if which in b})
    return merged
