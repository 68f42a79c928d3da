"""Bounds on the bytes of any placement, from blocks that all exclude one another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .problem import Problem, round_up


class Row(NamedTuple):
    """Blocks that need at least the sum of their `needs`, less `padding`, of a pool.

    needs: block -> bytes. The bound is about those of the blocks that are in one pool.
    """

    needs: Mapping[int, int]
    padding: int


def rows(problem: Problem) -> list[Row]:
    """Two rows for each clique of rivals that is found.

    The blocks of a clique that share a pool can be put in a row such that each keeps its separation
    from the next (every tournament has a Hamiltonian path). So they use their sizes, less what the
    separations between neighbours save. A block is the lower neighbour of one other at most, and
    the upper of one: either way of counting is a bound.
    """
    step = math.gcd(*(block.alignment for block in problem.blocks))
    sizes = [round_up(block.size, step) for block in problem.blocks]
    padding = [size - block.size for size, block in zip(sizes, problem.blocks, strict=True)]
    result = []
    for clique in _cliques(problem):
        for saved in _savings(problem, clique, sizes, step):
            needs = {k: sizes[k] - saved[k] for k in clique}
            result.append(Row(needs, max(padding[k] for k in clique)))
    return result


def least_bytes(problem: Problem, known: Sequence[Row]) -> int:
    """Bytes of all pools together that no placement can beat."""
    pools = len(problem.pools)
    return max((sum(row.needs.values()) - row.padding * pools for row in known), default=0)


def _cliques(problem: Problem) -> Iterator[tuple[int, ...]]:
    """From each block on: the largest blocks that exclude all before them."""
    near = [{rival.block for rival in rivals} for rivals in problem.rivals]
    largest = sorted(range(len(near)), key=lambda k: (-problem.blocks[k].size, k))
    seen: set[tuple[int, ...]] = set()
    for seed in range(len(near)):
        clique, common = [seed], near[seed]
        for k in largest:
            if k in common:
                clique.append(k)
                common = common & near[k]
        found = tuple(sorted(clique))
        if found not in seen:
            yield found
        seen.add(found)


def _savings(
    problem: Problem, clique: Sequence[int], sizes: Sequence[int], step: int
) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Block -> bytes at most saved above it; likewise, below it."""
    above, below = dict.fromkeys(clique, 0), dict.fromkeys(clique, 0)
    for k in clique:
        for rival in problem.rivals[k]:
            if rival.block in above:
                saved = sizes[rival.block] - round_up(rival.above, step)
                above[rival.block] = max(above[rival.block], saved)
                below[k] = max(below[k], saved)
    return above, below
