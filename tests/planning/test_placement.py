"""Placement against an exhaustive search, and against a checker that shares no code with it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvm_tiny.errors import BudgetError
from tvm_tiny.planning.placement import Block, Placement, Pool, check, place

Pairs = dict[tuple[int, int], int]


@st.composite
def problems(draw: st.DrawFn, most: int = 5, largest: int = 6) -> tuple[list[Block], Pairs]:
    """Blocks, most pairs of which exclude each other; some pairs may overlap in part."""
    sizes = draw(st.lists(st.integers(0, largest), min_size=1, max_size=most))
    blocks = [
        Block(f"b{k}", size, draw(st.sampled_from((1, 1, 2)))) for k, size in enumerate(sizes)
    ]
    separations: Pairs = {}
    for a, b in itertools.combinations(range(len(sizes)), 2):
        if draw(st.integers(0, 3)):
            partly = draw(st.integers(0, 2)) == 0
            for low, high in ((a, b), (b, a)):
                less = draw(st.integers(0, sizes[low] + 2)) if partly else 0
                separations[low, high] = sizes[low] - less
    return blocks, separations


def holds(separations: Pairs, offsets: dict[int, int]) -> bool:
    """Every pair of placed blocks, all in one pool, keeps one of its distances."""
    return all(
        offsets[b] >= offsets[a] + d or offsets[a] >= offsets[b] + separations[b, a]
        for (a, b), d in separations.items()
        if a in offsets and b in offsets
    )


def fits(blocks: Sequence[Block], separations: Pairs, todo: Sequence[int], total: int) -> bool:
    """Whether the blocks `todo` can be placed in `total` bytes, by trying every offset."""

    def extend(offsets: dict[int, int], rest: Sequence[int]) -> bool:
        if not holds(separations, offsets):
            return False
        if not rest:
            return True
        block = blocks[rest[0]]
        ends = range(0, total - block.size + 1, block.alignment)
        return any(extend({**offsets, rest[0]: offset}, rest[1:]) for offset in ends)

    return extend({}, todo)


def least(blocks: Sequence[Block], separations: Pairs, todo: Sequence[int]) -> int:
    """Bytes that the blocks `todo` need in one pool."""
    return next(n for n in itertools.count() if fits(blocks, separations, todo, n))


def verify(
    blocks: Sequence[Block], separations: Pairs, found: Placement, pools: Sequence[Pool]
) -> None:
    for pool, (used, limit) in enumerate(zip(found.used, pools, strict=True)):
        inside = {k: found.offsets[k] for k, p in enumerate(found.pool_of) if p == pool}
        assert holds(separations, inside)
        assert all(n >= 0 and n % blocks[k].alignment == 0 for k, n in inside.items())
        assert used == max((n + blocks[k].size for k, n in inside.items()), default=0)
        assert limit.size is None or used <= limit.size
    assert all(b.pools is None or p in b.pools for b, p in zip(blocks, found.pool_of, strict=True))


ONE = [Pool("arena")]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(problems())
def test_one_pool_is_as_small_as_an_exhaustive_search_finds(problem):
    blocks, separations = problem
    found = place(blocks, separations)
    verify(blocks, separations, found, ONE)
    needed = least(blocks, separations, range(len(blocks)))
    assert (found.used, found.lower_bound, found.optimal) == ((needed,), needed, True)


@settings(max_examples=25, derandomize=True, deadline=None)
@given(problems(most=40, largest=2000), st.integers(1, 8))
def test_larger_placements_are_valid_and_repeatable(problem, seed):
    blocks, separations = problem
    found = place(blocks, separations, time_limit_s=0.01)
    verify(blocks, separations, found, ONE)
    assert found.lower_bound <= found.used[0]
    assert found.optimal == (found.lower_bound == found.used[0])
    assert found == place(blocks, separations, time_limit_s=0.01)


def cheapest(
    blocks: Sequence[Block], separations: Pairs, pools: Sequence[Pool], weights: Sequence[int]
) -> tuple[int, int] | None:
    """The least (penalty, bytes) of all ways to spread the blocks over the pools."""
    costs = []
    choices = (range(len(pools)) if b.pools is None else b.pools for b in blocks)
    for spread in itertools.product(*choices):
        parts = [[k for k, p in enumerate(spread) if p == pool] for pool in range(len(pools))]
        used = [least(blocks, separations, part) for part in parts]
        if all(p.size is None or n <= p.size for n, p in zip(used, pools, strict=True)):
            penalty = sum(w * p for w, p in zip(weights, spread, strict=True))
            costs.append((penalty, sum(used)))
    return min(costs, default=None)


@st.composite
def pooled(draw: st.DrawFn):
    """Blocks, distances, two or three pools of which the last may be unlimited, weights."""
    blocks, separations = draw(problems(most=4, largest=5))
    sizes = draw(st.lists(st.integers(0, 10), min_size=1, max_size=2))
    pools = [Pool(f"p{k}", size) for k, size in enumerate(sizes)]
    pools.append(Pool("last", draw(st.sampled_from((None, 4, 9)))))
    allowed = st.lists(st.sampled_from(range(len(pools))), min_size=1, unique=True)
    blocks = [
        Block(b.name, b.size, b.alignment, draw(st.none() | allowed.map(tuple))) for b in blocks
    ]
    return blocks, separations, pools, [draw(st.integers(0, 9)) for _ in blocks]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(pooled())
def test_pools_are_used_as_well_as_an_exhaustive_search_finds(problem):
    blocks, separations, pools, weights = problem
    expected = cheapest(blocks, separations, pools, weights)
    if expected is None:
        with pytest.raises(BudgetError, match=r"^[^\n]* pool[^\n]*$"):
            place(blocks, separations, pools=pools, weights=weights)
        return
    found = place(blocks, separations, pools=pools, weights=weights)
    verify(blocks, separations, found, pools)
    assert (found.penalty, sum(found.used)) == expected
    assert found.optimal
    assert found.lower_bound == expected[1]


def exclusive(sizes: Sequence[int], **options) -> tuple[list[Block], Pairs]:
    """Blocks that all exclude each other."""
    blocks = [Block(f"b{k}", size, **options) for k, size in enumerate(sizes)]
    return blocks, {(a, b): sizes[a] for a, b in itertools.permutations(range(len(sizes)), 2)}


def test_no_blocks_need_no_bytes():
    assert place([], {}) == Placement((), (), (0,), 0, 0, True)


def test_an_output_below_its_dying_input_needs_only_the_separation():
    """16 bytes from 16: the output may begin 4 bytes below the input, or where that ends."""
    blocks = [Block("input", 16, 4), Block("output", 16, 4)]
    found = place(blocks, {(0, 1): 16, (1, 0): 4})
    assert (found.offsets, found.used) == ((4, 0), (20,))


def test_every_offset_has_the_alignment_of_its_block():
    blocks, separations = exclusive([3, 5, 7], alignment=8)
    assert place(blocks, separations).used == (8 + 8 + 3,)


def test_what_the_greedy_search_misses_is_found_and_proven():
    """Layers of which every output overlaps half of its input, with shortcuts and scratch."""
    chance = random.Random(3)
    sizes = [8 * chance.randint(1, 400) for _ in range(60)]
    ends = [k + chance.choice((1, 1, 1, 4)) for k in range(60)]
    separations = {}
    for a, b in itertools.combinations(range(60), 2):
        if b <= ends[a]:
            separations[a, b] = sizes[a]
            separations[b, a] = max(sizes[b] - sizes[a] // 2, 8) if b == ends[a] else sizes[b]
    blocks = [Block(f"b{k}", size) for k, size in enumerate(sizes)]
    hasty = place(blocks, separations, time_limit_s=0)
    found = place(blocks, separations)
    assert (hasty.optimal, found.optimal) == (False, True)
    assert found.used < hasty.used


def test_a_bound_of_the_callers_counts():
    """Sizes 5 and 5 in 9 bytes would do, so far as the distances say."""
    blocks = [Block("a", 5, 1), Block("b", 5, 1)]
    separations = {(0, 1): 4, (1, 0): 5}
    assert place(blocks, separations, lower_bound=9).lower_bound == 9
    assert place(blocks, separations, lower_bound=10).lower_bound == 9


def test_the_heaviest_blocks_get_the_first_pool():
    blocks, separations = exclusive([40, 40, 40])
    pools = [Pool("fast", 80), Pool("slow", 80)]
    assert place(blocks, separations, pools=pools, weights=[5, 1, 5]).pool_of == (0, 1, 0)
    assert place(blocks, separations, pools=pools, weights=[1, 5, 5]).pool_of == (1, 0, 0)


def test_one_pool_that_is_too_small_is_named_with_what_is_needed():
    with pytest.raises(BudgetError) as fault:
        place(*exclusive([40, 40, 40]), pools=[Pool("sram", 100)])
    assert str(fault.value) == (
        "memory pools too small: 'sram' needs 120 bytes and has 100: 20 too few"
    )


def test_pools_that_are_too_small_are_named_with_what_is_needed():
    with pytest.raises(BudgetError) as fault:
        place(*exclusive([40, 40, 40]), pools=[Pool("dtcm", 72), Pool("sram", 48)])
    assert str(fault.value) == (
        "memory pools too small: 'dtcm' needs 80 bytes and has 72, "
        "'sram' needs 40 bytes and has 48: 8 too few"
    )


def test_a_block_larger_than_its_pools_is_named():
    blocks = [Block("conv", 90, pools=(0, 1)), Block("other", 8)]
    pools = [Pool("dtcm", 64), Pool("sram", 80), Pool("psram")]
    with pytest.raises(BudgetError) as fault:
        place(blocks, {}, pools=pools)
    assert str(fault.value) == (
        "tensor 'conv' needs 90 bytes, more than any memory pool it may be in: "
        "'dtcm' has 64, 'sram' has 80"
    )


@pytest.mark.parametrize(
    "placement",
    [
        Placement((0, 12), (0, 0), (24,), 0, 0, False),  # misaligned
        Placement((0, 8), (0, 0), (20,), 0, 0, False),  # overlapping
        Placement((0, -16), (0, 0), (12,), 0, 0, False),  # below the bottom
        Placement((0, 24), (0, 0), (36,), 0, 0, False),  # beyond the end
        Placement((0, 16), (0, 0), (32,), 0, 0, False),  # counted wrong
    ],
)
def test_check_finds_every_fault(placement):
    blocks, separations = exclusive([12, 12])
    pools = [Pool("sram", 32)]
    check(blocks, separations, Placement((0, 16), (0, 0), (28,), 0, 0, False), pools)
    with pytest.raises(AssertionError):
        check(blocks, separations, placement, pools)


def test_check_knows_the_pools_of_a_block():
    with pytest.raises(AssertionError):
        check(
            [Block("a", 8, pools=(1,))],
            {},
            Placement((0,), (0,), (8, 0), 0, 0, False),
            [Pool("a"), Pool("b")],
        )
