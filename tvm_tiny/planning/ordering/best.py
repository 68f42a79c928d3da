"""The order of least peak, by a search of each part between narrow places."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from .cut import least_peak
from .dag import Dag, States, members
from .search import Effort, Limits, search

# Searches of one part after the one for the least peak is given up; each halves the gap. They
# find what they look for early or not at all.
_SEARCHES = 8
_SHARE = 4


@dataclass(frozen=True)
class Order:
    """The best order found.

    order        operators in the order to run them
    peak         the most bytes live at any time in that order
    lower_bound  no order has a smaller peak
    states       states the search expanded
    """

    order: tuple[int, ...]
    peak: int
    lower_bound: int
    states: int

    @property
    def optimal(self) -> bool:
        """Proven: no order has a smaller peak."""
        return self.peak == self.lower_bound


@dataclass
class _Part:
    """The operators between two states that every order passes.

    given, best: the order they came in and the best one found, with their peaks. bound: no order
    of them has a smaller peak.
    """

    start: int
    end: int
    given: list[int]
    given_peak: int
    best: list[int]
    best_peak: int
    bound: int


def best_order(dag: Dag, *, max_states: int = 20_000, seconds: float | None = None) -> Order:
    """The order of a graph's operators with the least peak of live bytes.

    It is the given order if no other has a smaller peak.
    max_states: states that the search for the least peak may expand (there is one for each part
    between operators that depend on, or feed, all others). seconds: when to end, for a result
    that depends on the machine's speed. Where a limit ends that search, the order is the best of
    a few shorter ones with larger budgets, as in SERENITY's adaptive soft budgeting (Ahn et al.,
    MLSys 2020), never worse than the given one, and `lower_bound` says what is proven.
    """
    states = States(dag)
    effort = Effort(None if seconds is None else time.monotonic() + seconds)
    parts = list(_parts(states))
    floor = least_peak(states)
    for part in sorted(parts, key=lambda p: (-p.given_peak, p.start)):
        if part.given_peak > floor:
            _improve(states, part, floor, max_states, effort)
            floor = max(floor, part.bound)
    reached = max([floor, *(part.best_peak for part in parts)])
    order = [
        operator
        for part in parts
        for operator in (part.given if part.given_peak <= reached else part.best)
    ]
    return Order(tuple(order), reached, floor, effort.states)


def _parts(states: States) -> Iterator[_Part]:
    """The parts between operators that have all others before or after them.

    Before and after such an operator every order passes the same state.
    """
    narrow = {0, states.all}
    for k in range(states.count):
        before = states.ancestors[k]
        if before | 1 << k | states.descendants[k] == states.all:
            narrow |= {before, before | 1 << k}
    for start, end in pairwise(sorted(narrow, key=int.bit_count)):
        given = list(members(end & ~start))
        peak = states.peak(given, start)
        yield _Part(start, end, given, peak, given, peak, 0)


def _improve(states: States, part: _Part, floor: int, max_states: int, effort: Effort) -> None:
    """Search for an order of a part with the least peak.

    A peak of `floor` is good enough: another part has it.
    """
    budget = untried = floor
    for turn in range(1 + _SEARCHES):
        limits = Limits(budget, part.best_peak, max_states if turn == 0 else max_states // _SHARE)
        found = search(states, part.start, part.end, limits, effort)
        if limits.budget > budget:
            part.bound = limits.budget
        if found is None:
            untried = limits.budget
        else:
            part.best, part.best_peak = found, states.peak(found, part.start)
        budget = (untried + part.best_peak) // 2
        if part.best_peak <= max(floor, part.bound) or budget <= untried:
            break
