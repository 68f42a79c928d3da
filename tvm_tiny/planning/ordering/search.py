"""The exact search between two states: best first over states, with valleys taken at once.

A state's live bytes are a submodular function f of the set of operators that have run:
f(A | B) + f(A & B) <= f(A) + f(B). (A tensor counts if its producer has run, which is modular, less
if its readers have too, which is supermodular.) Let A be a state of least f among all states
between a root and A, that can be reached from the root within a budget. Then any order from the
root on that keeps within the budget may as well begin by going to A: where it is at B, be at
A | B, and f(A | B) <= f(B) + f(A) - f(A & B) <= f(B), and tensors that die at a step still do. So
as soon as a search reaches a state with no more live bytes than its root, it starts anew from the
least state on the way and forgets all others. Backwards from the end the same holds with | and &
exchanged (an overlap that is lost leaves out of f(A & B) at least the tensor it lay over).

From the higher end of an interval the other end is such a state, so that every search ends; the
intervals shrink from both ends until they meet. Within a search, states are expanded in the order
of the peak on the way to them, so that the first valley is reached within the least budget.

Valleys of trees: Liu, "An application of generalized tree pebbling to sparse matrix
factorization", SIAM J. Algebraic Discrete Methods 8 (1987). States as a memory of the search:
Ahn et al., "Ordering chaos: memory-aware scheduling of irregularly wired neural networks for edge
devices" (SERENITY), MLSys 2020.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass
from typing import NamedTuple

from .cut import least_live
from .dag import States, mask_of, members


@dataclass
class Effort:
    """The effort of all searches: states expanded.

    deadline: when to stop, as time.monotonic() counts seconds.
    """

    deadline: float | None = None
    states: int = 0


@dataclass
class Limits:
    """The limits of one search.

    budget: peaks up to it are as good as any; rises to what is proven to be needed. ceiling: peaks
    from it on are of no use. max_states: states the search may still expand.
    """

    budget: int
    ceiling: int
    max_states: int


def search(
    states: States, start: int, end: int, limits: Limits, effort: Effort
) -> list[int] | None:
    """An order from `start` to `end` whose peak is within `limits.budget` when it returns.

    If that rose, no order has a smaller peak. None where no order stays below the ceiling (the
    budget is the ceiling then), or where states or time ran out.
    """
    low, high = start, end
    first: list[int] = []
    last: list[int] = []
    while low != high:
        descent = _Descent(states, low, high, limits, effort)
        found = descent.run()
        if found is None:
            return None
        if descent.is_forward:
            first, low = first + found, low | mask_of(found)
        else:
            last, high = found[::-1] + last, high & ~mask_of(found)
    return first + last


class _Reached(NamedTuple):
    """How a state was reached: by `moves` from the state `origin`. ready: what may move next."""

    peak: int
    origin: int
    moves: tuple[int, ...]
    ready: int


class _Descent:
    """From the end of an interval that has more live bytes to the first valley.

    A state is the set of operators that moved: that were run after `low`, or taken back from
    `high`.
    """

    def __init__(self, states: States, low: int, high: int, limits: Limits, effort: Effort) -> None:
        self.is_forward = states.live(low) >= states.live(high)
        self._states, self._limits, self._effort = states, limits, effort
        self._root = low if self.is_forward else high
        self._span = high & ~low
        self._live = states.live(self._root)
        self._needs = states.before if self.is_forward else states.after
        self._frees = states.after if self.is_forward else states.before
        self._seen: dict[int, _Reached] = {}
        self._queue: list[tuple[int, int, int, int]] = []

    def run(self) -> list[int] | None:
        """The moves to the valley; None where the effort or the ceiling ends the search."""
        ready = mask_of(op for op in members(self._span) if not self._needs[op] & self._span)
        self._reach(0, self._live, _Reached(self._limits.budget, 0, (), ready), ready)
        while self._queue:
            peak, _, live, moved = heapq.heappop(self._queue)
            reached = self._seen[moved]
            if reached.peak < peak:
                continue  # reached better since
            self._limits.budget = max(self._limits.budget, peak)
            if moved and live <= self._live:
                return self._valley(moved)
            if not self._spend():
                return None
            self._expand(moved, live, reached)
        self._limits.budget = self._limits.ceiling
        return None

    def _spend(self) -> bool:
        deadline = self._effort.deadline
        in_time = deadline is None or time.monotonic() < deadline
        if self._limits.max_states <= 0 or not in_time:
            return False
        self._limits.max_states -= 1
        self._effort.states += 1
        return True

    def _step(self, moved: int, live: int, operator: int) -> tuple[int, int]:
        """Live bytes while an operator moves, and after that."""
        if self.is_forward:
            during, change = self._states.step(self._root | moved, operator)
            return live + during, live + change
        during, change = self._states.step(self._root & ~moved & ~(1 << operator), operator)
        return live - change + during, live - change

    def _expand(self, moved: int, live: int, reached: _Reached) -> None:
        for operator in members(reached.ready):
            peak, after = self._step(moved, live, operator)
            peak = max(peak, reached.peak)
            if peak < self._limits.ceiling:
                then = moved | 1 << operator
                ready = self._ready(reached.ready, then, operator)
                step = _Reached(peak, moved, (operator,), ready)
                self._reach(then, after, step, self._states.neighbours[operator])

    def _ready(self, ready: int, moved: int, operator: int) -> int:
        """The operators that may move once `operator`, the last of `moved`, has."""
        left = self._span & ~moved
        freed = (k for k in members(self._frees[operator] & left) if not self._needs[k] & left)
        return ready & ~(1 << operator) | mask_of(freed)

    def _reach(self, moved: int, live: int, reached: _Reached, candidates: int) -> None:
        """Note a state; first make those moves of `candidates` that are valleys by themselves."""
        peak, origin, moves, ready = reached
        while candidates & ready:
            operator = next(members(candidates & ready))
            candidates &= ~(1 << operator)
            during, after = self._step(moved, live, operator)
            if after <= live and during <= self._limits.budget:
                moved, live, moves = moved | 1 << operator, after, (*moves, operator)
                ready = self._ready(ready, moved, operator)
                candidates |= self._states.neighbours[operator]
        known = self._seen.get(moved)
        if known is None or peak < known.peak:
            self._seen[moved] = _Reached(peak, origin, moves, ready)
            # Of equal peaks the deepest first, as in a search in depth.
            heapq.heappush(self._queue, (peak, -moved.bit_count(), live, moved))

    def _valley(self, moved: int) -> list[int]:
        """The moves towards `moved`, in order, up to the state of fewest live bytes."""
        root, states = self._root, self._states
        if self.is_forward:
            _, least = least_live(states, root, root | moved, largest=True)
        else:
            _, least = least_live(states, root & ~moved, root, largest=False)
        return [operator for operator in self._moves(moved) if (least ^ root) >> operator & 1]

    def _moves(self, moved: int) -> list[int]:
        """The moves that led to a state."""
        moves: list[int] = []
        while moved:
            reached = self._seen[moved]
            moves[:0] = reached.moves
            moved = reached.origin
        return moves
