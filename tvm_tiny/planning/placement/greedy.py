"""Quick placements: block after block at the lowest free offset, in several orders."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .problem import Cost, Layout, Problem, round_up

Order = tuple[int, ...]

# A thousand blocks take about ten milliseconds.
EFFORT = 4000
QUICK_EFFORT = 400


def place_greedily(problem: Problem, bound: Cost, effort: int = EFFORT) -> Layout:
    """The best of several orders, each improved; ends early at `bound`, which none can beat.

    effort: blocks placed from one order on, over all repetitions.

    Largest first is the usual best order; most rivals first, and the caller's order (often that
    of first use), win on some problems.
    """
    best: Layout | None = None
    for order in _orders(problem):
        for layout in _improvements(problem, order, bound, effort):
            if best is None or problem.cost(layout) < problem.cost(best):
                best = layout
            if problem.cost(best) <= bound:
                return best
    assert best is not None
    return best


def _orders(problem: Problem) -> list[Order]:
    blocks = problem.blocks
    indices = range(len(blocks))
    orders = [
        sorted(indices, key=lambda k: (-blocks[k].size, k)),
        sorted(indices, key=lambda k: (-len(problem.rivals[k]), -blocks[k].size, k)),
        list(indices),
    ]
    if len(problem.pools) > 1:
        orders.insert(0, sorted(indices, key=lambda k: (-_density(problem, k), k)))
    return [tuple(order) for order in orders]


def _density(problem: Problem, index: int) -> float:
    return problem.weights[index] / max(problem.blocks[index].size, 1)


def _improvements(problem: Problem, order: Order, bound: Cost, effort: int) -> Iterator[Layout]:
    """Layouts from `order` on: what is placed badly goes first the next time.

    "Squeaky wheel" optimization (Joslin and Clements, Journal of AI Research 10, 1999). Where an
    order repeats, blocks change places at random (of a fixed seed).
    """
    chance = random.Random(0)
    seen: set[Order] = set()
    for _ in range(effort // max(len(order), 1) + 1):
        order = _swapped(order, chance) if order in seen else order
        seen.add(order)
        layout = _lowest(problem, order)
        yield layout
        bad = _badly_placed(problem, layout, bound)
        order = tuple(sorted(order, key=lambda k: k not in bad))


def _swapped(order: Order, chance: random.Random) -> Order:
    a, b = chance.choices(range(len(order)), k=2)
    changed = list(order)
    changed[a], changed[b] = changed[b], changed[a]
    return tuple(changed)


def _badly_placed(problem: Problem, layout: Layout, bound: Cost) -> set[int]:
    """The blocks that a better order has to move.

    Blocks beyond their pool's end; if none, those not in their first pool; else those on top.
    """
    ends = [b.size + offset for b, offset in zip(problem.blocks, layout.offsets, strict=True)]
    limits = [bound.bytes if p.size is None else p.size for p in problem.pools]
    used = problem.used(layout)
    places = list(enumerate(layout.pool_of))
    beyond = {k for k, pool in places if ends[k] > limits[pool]}
    moved = {k for k, pool in places if pool != problem.allowed[k][0]}
    return beyond or moved or {k for k, pool in places if ends[k] == used[pool]}


def _lowest(problem: Problem, order: Order) -> Layout:
    """A layout with each block as low as possible in its first pool with room."""
    offsets: dict[int, int] = {}
    pool_of: dict[int, int] = {}
    for index in order:
        found = []
        for pool in problem.allowed[index]:
            offset = _lowest_offset(problem, index, pool, offsets, pool_of)
            size = problem.pools[pool].size
            excess = 0 if size is None else max(0, offset + problem.blocks[index].size - size)
            found.append((excess, pool, offset))
            if not excess:
                break
        _, pool_of[index], offsets[index] = min(found)
    indices = range(len(order))
    return Layout(tuple(offsets[k] for k in indices), tuple(pool_of[k] for k in indices))


def _lowest_offset(
    problem: Problem, index: int, pool: int, offsets: dict[int, int], pool_of: dict[int, int]
) -> int:
    """The lowest offset at which all separations from the blocks placed in `pool` hold.

    A rival at r excludes the offsets between r - below and r + above.
    """
    excluded = sorted(
        (offsets[rival.block] - rival.below, offsets[rival.block] + rival.above)
        for rival in problem.rivals[index]
        if pool_of.get(rival.block) == pool
    )
    alignment = problem.blocks[index].alignment
    offset = 0
    for start, end in excluded:
        if offset <= start:
            break
        offset = max(offset, round_up(end, alignment))
    return offset
