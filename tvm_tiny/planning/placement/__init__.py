"""Exact placement of blocks of bytes in pools of memory. Pure algorithm: no TVM, no graphs.

Which blocks may overlap, and how far, is told by `separations`, (a, b) -> d: where blocks a and b
(indices) are in the same pool,

    offset[b] - offset[a] >= separations[a, b]  or  offset[a] - offset[b] >= separations[b, a]

must hold. For blocks that must not overlap at all they are the sizes of a and of b; where one may
run into the other they are smaller, zero or negative. A pair has both entries or none; blocks
without entries may overlap freely.

What is minimised, the first the most important:

1. bytes used beyond the pools' sizes; if any must be, no placement exists;
2. with several pools, which are given with the best first: the sum of every block's weight times
   the index of its pool;
3. the bytes used of all pools together. Used of a pool is the highest end of a block in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tvm_tiny.errors import BudgetError

from .bound import least_bytes, rows
from .greedy import QUICK_EFFORT, place_greedily
from .problem import (
    ARENA,
    Block,
    Cost,
    Placement,
    Pool,
    Separations,
    check,
    make_problem,
)

__all__ = ["ARENA", "Block", "Placement", "Pool", "Separations", "check", "place", "quick_bytes"]

# Hard problems take all of it, most a hundredth.
TIME_LIMIT_S = 2.0


def place(
    blocks: Sequence[Block],
    separations: Separations,
    *,
    pools: Sequence[Pool] = ARENA,
    weights: Sequence[int] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    lower_bound: int = 0,
) -> Placement:
    """The least placement; see the module's docstring for what it minimises.

    weights: of every block, at least 0: what it is worth that it is one pool further to the
    front, such as the bytes read and written of it in one inference; None: its size.
    time_limit_s: of the exact search for each of the three numbers that are minimised, which is
    left out where a greedy search reaches a bound. In CP-SAT's deterministic seconds, which count
    operations, so that results do not depend on the machine; one takes a few seconds.
    0: the greedy search only.
    lower_bound: bytes that are known to be needed of all pools together. One that is too high
    (by rounding, say) ends the search early.

    Raises BudgetError where the blocks do not fit the pools, or where no placement that fits was
    found in time.
    """
    _check_sizes(blocks, pools)
    # With one pool the least use says whether it fits.
    open_pools = [Pool(pools[0].name)] if len(pools) == 1 else pools
    problem = make_problem(blocks, separations, open_pools, weights)
    known = rows(problem)
    least = max(lower_bound, least_bytes(problem, known))
    bound = Cost(0, problem.least_penalty(), least)
    layout = place_greedily(problem, bound)
    if problem.cost(layout) > bound and time_limit_s > 0:
        from .exact import improve  # half a second, which small models do not need

        layout, bound = improve(problem, layout, bound, known, time_limit_s)
    _, penalty, total = cost = problem.cost(layout)
    found = Placement(
        *layout, problem.used(layout), penalty, min(bound.bytes, total), optimal=cost <= bound
    )
    _check_fits(found, pools, bound)
    check(blocks, separations, found, pools)
    return found


def quick_bytes(blocks: Sequence[Block], separations: Separations, bound: int) -> int:
    """Bytes that a quick placement uses of one pool.

    bound: no placement uses fewer; the search ends there.
    """
    problem = make_problem(blocks, separations, ARENA, None)
    layout = place_greedily(problem, Cost(0, 0, bound), QUICK_EFFORT)
    return sum(problem.used(layout))


def _check_sizes(blocks: Sequence[Block], pools: Sequence[Pool]) -> None:
    for block in blocks:
        ours = pools if block.pools is None else [pools[k] for k in block.pools]
        if all(p.size is not None and p.size < block.size for p in ours):
            there = ", ".join(f"'{p.name}' has {p.size}" for p in ours)
            raise BudgetError(
                f"tensor '{block.name}' needs {block.size} bytes, more than any memory pool it "
                f"may be in: {there}"
            )


def _check_fits(found: Placement, pools: Sequence[Pool], bound: Cost) -> None:
    pairs = [(p, n) for p, n in zip(pools, found.used, strict=True)]
    missing = sum(max(0, n - p.size) for p, n in pairs if p.size is not None)
    if not missing:
        return
    needs = ", ".join(
        f"'{p.name}' needs {n} bytes and has {'no limit' if p.size is None else p.size}"
        for p, n in pairs
    )
    sizes = [p.size for p in pools if p.size is not None]
    proven = bound.excess or (len(sizes) == len(pools) and bound.bytes > sum(sizes))
    doubt = "" if proven else "; a placement that fits may exist but was not found in time"
    raise BudgetError(f"memory pools too small: {needs}: {missing} too few{doubt}")
