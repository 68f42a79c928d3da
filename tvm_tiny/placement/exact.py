"""The least placement, by OR-tools' CP-SAT solver, and a bound that says how close it is."""

from __future__ import annotations

from typing import NamedTuple

from ortools.sat.python import cp_model

from .problem import Cost, Layout, Problem, Rival


class Solution(NamedTuple):
    """layout: the best found. bound: of each number of its cost, once those before it are met."""

    layout: Layout
    bound: Cost


def improve(problem: Problem, start: Layout, bound: Cost, time_limit_s: float) -> Solution:
    """The best placement, searched from `start` on; `bound`: what no placement can beat.

    time_limit_s: of CP-SAT's deterministic seconds, for each number of the cost. They count
    operations, so the result is the same on every machine; one takes about a second.
    """
    model = _Model(problem, start)
    layout, proven = start, list(bound)
    for goal, least in enumerate(bound):
        if problem.cost(layout)[goal] > least:
            layout, proven[goal] = model.minimize(goal, layout, least, time_limit_s)
        model.keep(goal, problem.cost(layout)[goal])
    return Solution(layout, Cost(*proven))


class _Model:
    """Offsets in units of each block's alignment; a boolean for each pair says which is below."""

    def __init__(self, problem: Problem, start: Layout) -> None:
        self.problem = problem
        self.cp = cp_model.CpModel()
        self.horizon = _horizon(problem, start)
        self.units = [self._unit(k) for k in range(len(problem.blocks))]
        self.inside = [self._choices(k) for k in range(len(problem.blocks))]
        self.used = [self.cp.new_int_var(0, self.horizon, p.name) for p in problem.pools]
        for index in range(len(problem.blocks)):
            self._stay_within_used(index)
        # (a, b), a < b -> whether a is below b; whether they are in the same pool
        self.pairs: dict[tuple[int, int], tuple[cp_model.IntVar, cp_model.IntVar]] = {}
        for index, rivals in enumerate(problem.rivals):
            for rival in rivals:
                if rival.index < index:
                    self._keep_apart(index, rival)
        self.goals = self._goals()

    def _unit(self, index: int) -> cp_model.IntVar:
        block = self.problem.blocks[index]
        return self.cp.new_int_var(0, (self.horizon - block.size) // block.alignment, block.name)

    def _choices(self, index: int) -> dict[int, cp_model.IntVar]:
        """Pool -> whether the block is in it."""
        pools = self.problem.allowed[index]
        if len(pools) == 1:
            return {pools[0]: self.cp.new_constant(1)}
        choices = {pool: self.cp.new_bool_var("") for pool in pools}
        self.cp.add_exactly_one(choices.values())
        return choices

    def _offset(self, index: int) -> cp_model.LinearExpr:
        return self.problem.blocks[index].alignment * self.units[index]

    def _stay_within_used(self, index: int) -> None:
        end = self._offset(index) + self.problem.blocks[index].size
        for pool, chosen in self.inside[index].items():
            self.cp.add(self.used[pool] >= end).only_enforce_if(chosen)

    def _keep_apart(self, index: int, rival: Rival) -> None:
        under, below = rival.index, self.cp.new_bool_var("")
        together = self._together(under, index)
        up, down = self._offset(index) - self._offset(under), self._offset(under) - self._offset(index)
        self.cp.add(up >= rival.above).only_enforce_if(below, together)
        self.cp.add(down >= rival.below).only_enforce_if(~below, together)
        self.pairs[under, index] = below, together

    def _together(self, a: int, b: int) -> cp_model.IntVar:
        shared = set(self.inside[a]) & set(self.inside[b])
        if len(self.inside[a]) == len(self.inside[b]) == 1:
            return self.cp.new_constant(1)
        together = self.cp.new_bool_var("")
        for pool in sorted(shared):
            self.cp.add_bool_or(together, ~self.inside[a][pool], ~self.inside[b][pool])
        return together

    def _goals(self) -> tuple[cp_model.LinearExpr, ...]:
        """The numbers of Cost."""
        excess = []
        for used, pool in zip(self.used, self.problem.pools, strict=True):
            if pool.size is not None:
                excess.append(self.cp.new_int_var(0, max(self.horizon, 0), ""))
                self.cp.add(excess[-1] >= used - pool.size)
        penalty = [
            weight * pool * chosen
            for weight, inside in zip(self.problem.weights, self.inside, strict=True)
            for pool, chosen in inside.items()
        ]
        total = cp_model.LinearExpr.sum
        return total(excess), total(penalty), total(self.used)

    def minimize(self, goal, layout, least, limit):
        at_most = self.problem.cost(layout)[goal]
        expr = self.goals[goal]
        self.cp.add(expr >= least)
        self.cp.minimize(expr)
        self._hint(layout)
        solver = cp_model.CpSolver()
        for k, v in PARAMS.items():
            setattr(solver.parameters, k, v)
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 0
        solver.parameters.max_deterministic_time = limit
        status = solver.solve(self.cp)
        bound = max(least, int(solver.best_objective_bound)) if status != cp_model.UNKNOWN else least
        STATS.append((goal, solver.status_name(status), at_most, solver.objective_value if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None, bound, round(solver.wall_time, 2), round(solver.response_proto.deterministic_time, 2)))
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            layout = Layout(tuple(solver.value(self._offset(k)) for k in range(len(self.units))),
              tuple(next(p for p, c in ins.items() if solver.value(c)) for ins in self.inside))
        return layout, bound

    def keep(self, goal, value):
        self.cp.add(self.goals[goal] <= value)

    def _hint(self, layout):
        self.cp.clear_hints()
        for k, u in enumerate(self.units):
            self.cp.add_hint(u, layout.offsets[k] // self.problem.blocks[k].alignment)
            if len(self.inside[k]) > 1:
                for p, c in self.inside[k].items():
                    self.cp.add_hint(c, layout.pool_of[k] == p)
        for p, n in enumerate(self.problem.used(layout)):
            self.cp.add_hint(self.used[p], n)
        for (a, b), (below, together) in self.pairs.items():
            above = dict((r.index, r.above) for r in self.problem.rivals[b])[a]
            self.cp.add_hint(below, layout.offsets[b] - layout.offsets[a] >= above)

PARAMS = {}
STATS = []

def _horizon(problem: Problem, start: Layout) -> int:
    """An end that no block of a best placement goes beyond."""
    if len(problem.pools) == 1:
        return problem.cost(start).bytes
    step = max(b.alignment for b in problem.blocks)
    highest = [max([b.size, *(r.below for r in rivals)]) for b, rivals in zip(problem.blocks, problem.rivals, strict=True)]
    return sum(-(-n // step) * step for n in highest)
