"""Looped schedules: the order of a stage's events as nested loops, for flash.

The term and the idea, to fold what repeats in a sequence of firings into nested loops, are from
S. S. Bhattacharyya and E. A. Lee, "Looped Schedules for Dataflow Descriptions of Multirate Signal
Processing Algorithms", Formal Methods in System Design 5 (1994).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# How deep loops are nested at most: a driver has a counter for each level.
DEPTH = 3
# How often a loop runs at most: drivers count in 16 bits.
MOST_TIMES = (1 << 16) - 1
# Numbers of a loop beside those of its body, see `table`.
_OVERHEAD = 3


@dataclass(frozen=True)
class Loop:
    """A part of an order that runs several times."""

    times: int
    body: Looped


Looped = tuple[int | Loop, ...]


def looped(order: Sequence[int], depth: int = DEPTH) -> Looped:
    """An order with its repetitions folded into loops.

    The loop that saves most comes first, then those inside it and beside it.

    order: numbers from 0; depth: of nested loops, at most.
    """
    best = max(_loops(order), key=lambda run: run.saved, default=None) if depth else None
    if best is None or best.saved <= _OVERHEAD:
        return tuple(order)
    first, end = best.first, best.first + best.saved + best.period
    loop = Loop(best.times, looped(order[first : first + best.period], depth - 1))
    return (*looped(order[:first], depth), loop, *looped(order[end:], depth))


class _Run(NamedTuple):
    """Where in an order `period` numbers stand several times."""

    first: int
    period: int
    times: int

    @property
    def saved(self) -> int:
        return (self.times - 1) * self.period


def _loops(order: Sequence[int]) -> Iterator[_Run]:
    """For each period, the run that saves most numbers, if there is one."""
    numbers = np.asarray(order)
    for period in range(1, len(numbers) // 2 + 1):
        same = np.concatenate([[False], numbers[period:] == numbers[:-period], [False]])
        first, end = np.flatnonzero(same[1:] != same[:-1]).reshape(-1, 2).T
        if len(first):
            longest = int((end - first).argmax())
            times = int(end[longest] - first[longest]) // period + 1
            yield _Run(int(first[longest]), period, min(times, MOST_TIMES))


def unrolled(schedule: Looped) -> Iterator[int]:
    """The order that a looped schedule stands for."""
    for item in schedule:
        if isinstance(item, Loop):
            for _ in range(item.times):
                yield from unrolled(item.body)
        else:
            yield item


def table(schedule: Looped, loop: int, depth: int = 0) -> list[int]:
    """A looped schedule as numbers: behind a loop's body, its depth, length and times.

    loop: what is added to the depth; larger than all numbers of the order.
    """
    numbers: list[int] = []
    for item in schedule:
        if isinstance(item, Loop):
            body = table(item.body, loop, depth + 1)
            numbers += [*body, loop + depth, len(body), item.times]
        else:
            numbers.append(item)
    return numbers


def words(schedule: Looped) -> str:
    """A looped schedule for people: `0 2x(0 1) 1`."""
    return " ".join(
        f"{item.times}x({words(item.body)})" if isinstance(item, Loop) else str(item)
        for item in schedule
    )


def counter_bits(largest: int) -> int:
    """Bits of the smallest unsigned integer that holds numbers up to `largest`."""
    return next(bits for bits in (8, 16, 32) if largest < 1 << bits)
