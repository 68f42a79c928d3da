"""The least placement by OR-tools' CP-SAT solver, and a bound on any other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ortools.sat.python import cp_model

from .bound import Row
from .problem import Cost, Layout, Problem, Rival

_FOUND = (cp_model.OPTIMAL, cp_model.FEASIBLE)


class Solution(NamedTuple):
    """A layout, and a bound for each number of its cost.

    No layout has a number below its bound while the numbers before it stay as they are.
    """

    layout: Layout
    bound: Cost


def improve(
    problem: Problem, start: Layout, bound: Cost, rows: Sequence[Row], time_limit_s: float
) -> Solution:
    """The best placement, searched from `start` on.

    bound, rows: lower bounds for every placement. time_limit_s: CP-SAT's deterministic seconds for
    each number of the cost. The numbers of the cost are minimized one after the other; the search
    ends early if even the best layout exceeds the size of a pool.
    """
    model = _Model(problem, start)
    model.add_rows(rows)
    layout, proven = start, list(bound)
    for goal, least in enumerate(bound):
        if problem.cost(layout)[goal] > least:
            layout, proven[goal] = model.minimize(goal, layout, least, time_limit_s)
        if problem.cost(layout).excess:
            break
        model.keep(goal, problem.cost(layout)[goal])
    return Solution(layout, Cost(*proven))


class _Model:
    """The problem for CP-SAT.

    units   offset of every block, in multiples of its alignment
    inside  per block: pool -> whether the block is in it
    used    bytes of every pool
    below   (a, b) with a < b -> whether a is below b, if both are in the same pool
    goals   the numbers of Cost
    """

    def __init__(self, problem: Problem, start: Layout) -> None:
        self._problem = problem
        self._cp = cp_model.CpModel()
        self._horizon = _horizon(problem, start)
        blocks = range(len(problem.blocks))
        self._units = [self._unit(k) for k in blocks]
        self._inside = [self._choices(k) for k in blocks]
        self._used = [self._cp.new_int_var(0, self._horizon, p.name) for p in problem.pools]
        self._below: dict[tuple[int, int], cp_model.IntVar] = {}
        for k in blocks:
            self._stay_within_used(k)
            for rival in problem.rivals[k]:
                if rival.block < k:
                    self._keep_apart(k, rival)
        self._goals = (self._excess(), self._penalty(), cp_model.LinearExpr.sum(self._used))

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Adds bounds that follow from the other constraints, but the solver does not find."""
        for row in rows:
            for pool, used in enumerate(self._used):
                needs = [
                    need * self._inside[k][pool]
                    for k, need in row.needs.items()
                    if pool in self._inside[k]
                ]
                self._cp.add(used >= cp_model.LinearExpr.sum(needs) - row.padding)

    def minimize(
        self, goal: int, layout: Layout, least: int, time_limit_s: float
    ) -> tuple[Layout, int]:
        """The best layout found, and a bound of one number of its cost.

        goal: position of that number in `Cost`. layout: where the search begins.
        """
        self._cp.add(self._goals[goal] >= least)
        self._cp.minimize(self._goals[goal])
        self._hint(layout)
        solver = cp_model.CpSolver()
        # One worker and no wall clock: the same result on every machine.
        solver.parameters.num_workers = 1
        # Its handler would leave Ctrl-C to the system's default after the search.
        solver.parameters.catch_sigint_signal = False
        solver.parameters.random_seed = 0
        solver.parameters.max_deterministic_time = time_limit_s
        status = solver.solve(self._cp)
        assert status in (*_FOUND, cp_model.UNKNOWN), solver.status_name(status)
        if status not in _FOUND:
            return layout, least
        return self._layout(solver), max(least, math.ceil(solver.best_objective_bound - 1e-6))

    def keep(self, goal: int, value: int) -> None:
        """From now on that number of the cost is no higher."""
        self._cp.add(self._goals[goal] <= value)

    def _unit(self, index: int) -> cp_model.IntVar:
        block = self._problem.blocks[index]
        return self._cp.new_int_var(0, (self._horizon - block.size) // block.alignment, "")

    def _choices(self, index: int) -> dict[int, cp_model.IntVar]:
        pools = self._problem.allowed[index]
        choices = {pool: self._cp.new_bool_var("") for pool in pools}
        self._cp.add_exactly_one(choices.values())
        return choices

    def _offset(self, index: int) -> cp_model.LinearExpr:
        return self._problem.blocks[index].alignment * self._units[index]

    def _stay_within_used(self, index: int) -> None:
        end = self._offset(index) + self._problem.blocks[index].size
        for pool, chosen in self._inside[index].items():
            self._cp.add(self._used[pool] >= end).only_enforce_if(chosen)

    def _keep_apart(self, index: int, rival: Rival) -> None:
        below, together = self._cp.new_bool_var(""), self._together(rival.block, index)
        up = self._offset(index) - self._offset(rival.block)
        self._cp.add(up >= rival.above).only_enforce_if(below, together)
        self._cp.add(-up >= rival.below).only_enforce_if(~below, together)
        self._below[rival.block, index] = below

    def _together(self, a: int, b: int) -> cp_model.IntVar:
        """Whether both are in the same pool."""
        together = self._cp.new_bool_var("")
        for pool in sorted(set(self._inside[a]) & set(self._inside[b])):
            self._cp.add_bool_or(together, ~self._inside[a][pool], ~self._inside[b][pool])
        return together

    def _excess(self) -> cp_model.LinearExpr:
        excess = []
        for used, pool in zip(self._used, self._problem.pools, strict=True):
            if pool.size is not None:
                excess.append(self._cp.new_int_var(0, self._horizon, ""))
                self._cp.add(excess[-1] >= used - pool.size)
        return cp_model.LinearExpr.sum(excess)

    def _penalty(self) -> cp_model.LinearExpr:
        terms = [
            weight * pool * chosen
            for weight, inside in zip(self._problem.weights, self._inside, strict=True)
            for pool, chosen in inside.items()
        ]
        return cp_model.LinearExpr.sum(terms)

    def _hint(self, layout: Layout) -> None:
        """Start from `layout`."""
        self._cp.clear_hints()
        for k, block in enumerate(self._problem.blocks):
            self._cp.add_hint(self._units[k], layout.offsets[k] // block.alignment)
            for pool, chosen in self._inside[k].items():
                self._cp.add_hint(chosen, pool == layout.pool_of[k])
            for rival in self._problem.rivals[k]:
                if rival.block < k:
                    up = layout.offsets[k] - layout.offsets[rival.block]
                    self._cp.add_hint(self._below[rival.block, k], up >= rival.above)
        for used, value in zip(self._used, self._problem.used(layout), strict=True):
            self._cp.add_hint(used, value)

    def _layout(self, solver: cp_model.CpSolver) -> Layout:
        offsets = tuple(solver.value(self._offset(k)) for k in range(len(self._units)))
        pools = (
            next(pool for pool, chosen in inside.items() if solver.value(chosen))
            for inside in self._inside
        )
        return Layout(offsets, tuple(pools))


def _horizon(problem: Problem, start: Layout) -> int:
    """An end that no block of a best placement goes beyond.

    With several pools a best placement may use more of one than `start`. Pushed down as far as
    it goes, every block is a chain of separations above the bottom.
    """
    if len(problem.pools) == 1:
        return problem.cost(start).bytes
    step = max(block.alignment for block in problem.blocks)
    heights = (
        max([block.size, *(rival.below for rival in rivals)])
        for block, rivals in zip(problem.blocks, problem.rivals, strict=True)
    )
    return sum(height + step for height in heights)
