"""The problem of placement: blocks, costs, and the check that a placement is valid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: (a, b) -> bytes; see the package's docstring.
Separations = Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class Block:
    """Bytes that stay together: `size` of them from a multiple of `alignment`.

    pools: indices of the pools it may be in; None: any.
    """

    name: str
    size: int
    alignment: int = 8
    pools: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Pool:
    """Memory of `size` bytes; None: as much as is needed."""

    name: str
    size: int | None = None


ARENA = (Pool("arena"),)


@dataclass(frozen=True)
class Placement:
    """Where every block is, in the order of the blocks.

    offsets      bytes from the start of its pool
    pool_of      index of its pool
    used         bytes used of each pool, in the order of the pools
    penalty      sum of weight times index of pool; 0 with one pool
    lower_bound  no placement of that penalty (or less) uses fewer bytes in all
    optimal      proven: none has a smaller penalty, or the same and uses fewer bytes
    """

    offsets: tuple[int, ...]
    pool_of: tuple[int, ...]
    used: tuple[int, ...]
    penalty: int
    lower_bound: int
    optimal: bool


class Cost(NamedTuple):
    """The numbers that are minimised, the first one first.

    excess: bytes used beyond the sizes of the pools; bytes: used of all pools together.
    """

    excess: int
    penalty: int
    bytes: int


class Layout(NamedTuple):
    """A placement on the way."""

    offsets: tuple[int, ...]
    pool_of: tuple[int, ...]


class Rival(NamedTuple):
    """A block that excludes another; see Problem.rivals.

    block: its index. above: how far above it the other may begin, at least; below: how far below.
    """

    block: int
    above: int
    below: int


@dataclass(frozen=True)
class Problem:
    """The blocks, and per block those that exclude it somewhere, by index."""

    blocks: tuple[Block, ...]
    pools: tuple[Pool, ...]
    weights: tuple[int, ...]
    allowed: tuple[tuple[int, ...], ...]
    rivals: tuple[tuple[Rival, ...], ...]

    def used(self, layout: Layout) -> tuple[int, ...]:
        """Bytes used of each pool."""
        ends = [0] * len(self.pools)
        for block, offset, pool in zip(self.blocks, *layout, strict=True):
            ends[pool] = max(ends[pool], offset + block.size)
        return tuple(ends)

    def cost(self, layout: Layout) -> Cost:
        """The cost of a layout."""
        used = self.used(layout)
        sized = [(n, p.size) for n, p in zip(used, self.pools, strict=True) if p.size is not None]
        penalty = sum(w * p for w, p in zip(self.weights, layout.pool_of, strict=True))
        return Cost(sum(max(0, n - size) for n, size in sized), penalty, sum(used))

    def least_penalty(self) -> int:
        """The penalty with every block in the first of its pools."""
        return sum(w * pools[0] for w, pools in zip(self.weights, self.allowed, strict=True))


def make_problem(
    blocks: Sequence[Block],
    separations: Separations,
    pools: Sequence[Pool],
    weights: Sequence[int] | None,
) -> Problem:
    """The arguments of `place` checked, without pairs that exclude nothing."""
    everywhere = tuple(range(len(pools)))
    allowed = tuple(everywhere if b.pools is None else tuple(sorted(b.pools)) for b in blocks)
    assert all(p and set(p) <= set(everywhere) for p in allowed), "a block has no pool"
    rivals: list[list[Rival]] = [[] for _ in blocks]
    for (a, b), up in sorted(separations.items()):
        assert (b, a) in separations, f"pair {blocks[a].name}, {blocks[b].name}: one distance only"
        down = separations[b, a]
        if set(allowed[a]) & set(allowed[b]) and _excludes(blocks[a], blocks[b], up, down):
            rivals[b].append(Rival(a, up, down))
    given = tuple(b.size for b in blocks) if weights is None else tuple(weights)
    assert len(given) == len(blocks), "not one weight for each block"
    assert all(w >= 0 for w in given), "negative weight"
    return Problem(tuple(blocks), tuple(pools), given, allowed, tuple(map(tuple, rivals)))


def _excludes(a: Block, b: Block, up: int, down: int) -> bool:
    """Whether some difference of two aligned offsets is neither >= up nor <= -down."""
    step = math.gcd(a.alignment, b.alignment)
    return round_up(up, step) - step > -round_up(down, step)


def round_up(value: int, step: int) -> int:
    """The least multiple of `step` that is not below `value`."""
    return -(-value // step) * step


def check(
    blocks: Sequence[Block],
    separations: Separations,
    placement: Placement,
    pools: Sequence[Pool] = ARENA,
) -> None:
    """Invariant: blocks are aligned, in a pool of theirs, inside it, and their separations hold."""
    ends = [0] * len(pools)
    for block, offset, pool in zip(blocks, placement.offsets, placement.pool_of, strict=True):
        assert offset >= 0, block
        assert offset % block.alignment == 0, block
        assert block.pools is None or pool in block.pools, block
        size = pools[pool].size
        assert size is None or offset + block.size <= size, block
        ends[pool] = max(ends[pool], offset + block.size)
    assert tuple(ends) == placement.used, placement.used
    for (a, b), up in separations.items():
        if placement.pool_of[a] == placement.pool_of[b]:
            difference = placement.offsets[b] - placement.offsets[a]
            assert difference >= up or -difference >= separations[b, a], (blocks[a], blocks[b])
