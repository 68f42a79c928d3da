"""The order search against all orders there are, and peaks counted tensor by tensor."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvm_tiny.planning.ordering import Dag, Operator, best_order, peak
from tvm_tiny.planning.ordering.cut import least_live, least_peak
from tvm_tiny.planning.ordering.dag import States


@st.composite
def dags(draw: st.DrawFn, operators: int = 8) -> Dag:
    """Any DAG: several inputs and outputs, operators with no or several results, overlaps."""
    size = st.one_of(st.integers(0, 3), st.integers(0, 100))
    sizes = draw(st.lists(size, max_size=2))
    inputs, found = tuple(range(len(sizes))), []
    for _ in range(draw(st.integers(0, operators))):
        tensors = st.integers(0, len(sizes) - 1) if sizes else st.nothing()
        reads = draw(st.lists(tensors, max_size=3, unique=True)) if sizes else []
        made = draw(st.lists(size, min_size=0 if sizes else 1, max_size=2))
        overlap = {t: draw(st.integers(0, 120)) for t in reads if draw(st.booleans())}
        writes = range(len(sizes), len(sizes) + len(made))
        found.append(Operator(tuple(reads), tuple(writes), overlap))
        sizes += made
    outputs = tuple(t for t in range(len(sizes)) if draw(st.integers(0, 3)) == 0)
    return Dag(tuple(sizes), tuple(found), inputs, outputs)


def replayed(dag: Dag, order: tuple[int, ...]) -> int:
    """The peak, from the first and the last step of each tensor's life."""
    first = dict.fromkeys(dag.inputs, -1)
    last = dict(first)
    for step, k in enumerate(order):
        for t in dag.operators[k].inputs:
            assert first[t] < step
            last[t] = step
        first |= dict.fromkeys(dag.operators[k].outputs, step)
        last |= dict.fromkeys(dag.operators[k].outputs, step)
    last |= dict.fromkeys(dag.outputs, len(order))
    return max(at(dag, order, step, first, last) for step in range(-1, len(order) + 1))


def at(dag: Dag, order: tuple[int, ...], step: int, first: dict[int, int], last: dict[int, int]):
    """Live bytes at a step; before the first it is -1, after the last len(order)."""
    live = sum(dag.sizes[t] for t in first if first[t] <= step <= last[t])
    return live - (saved(dag, order[step], step, last) if 0 <= step < len(order) else 0)


def saved(dag: Dag, k: int, step: int, last: dict[int, int]) -> int:
    """Bytes an operator's results share with one input that dies."""
    operator = dag.operators[k]
    made = sum(dag.sizes[t] for t in operator.outputs)
    dying = [t for t in operator.inputs if last[t] == step]
    return max((min(operator.overlap.get(t, 0), dag.sizes[t], made) for t in dying), default=0)


def states_of(dag: Dag) -> list[frozenset[int]]:
    """Every set of operators that may have run, smaller ones first."""
    producer = {t: k for k, op in enumerate(dag.operators) for t in op.outputs}
    reads = [{producer[t] for t in op.inputs if t in producer} for op in dag.operators]
    layers = [{frozenset[int]()}]
    for _ in dag.operators:
        layers.append(
            {s | {k} for s in layers[-1] for k, r in enumerate(reads) if k not in s and r <= s}
        )
    return [state for layer in layers for state in sorted(layer, key=sorted)]


def orders_of(dag: Dag):
    """Every order that is possible."""
    states = set(states_of(dag))

    def extend(order: tuple[int, ...]):
        if len(order) == len(dag.operators):
            yield order
        for k in set(range(len(dag.operators))) - set(order):
            if frozenset((*order, k)) in states:
                yield from extend((*order, k))

    return extend(())


def own_order(dag: Dag) -> tuple[int, ...]:
    return tuple(range(len(dag.operators)))


def random_dag(count: int, seed: int, reads: int = 3, window: int = 10**6, joined: bool = True):
    """One input; each operator reads some of the last `window` tensors; all ends are joined."""
    rng = random.Random(seed)
    sizes, operators = [rng.randint(1, 100)], []
    for k in range(count - joined):
        ready = range(max(0, k + 1 - window), k + 1)
        inputs = {rng.choice(ready) for _ in range(rng.randint(1, reads))}
        operators.append(Operator(tuple(sorted(inputs)), (k + 1,)))
        sizes.append(rng.randint(1, 100))
    read = {t for op in operators for t in op.inputs}
    ends = tuple(t for t in range(len(sizes)) if t not in read)
    if joined:
        operators.append(Operator(ends, (len(sizes),)))
        sizes.append(10)
        ends = (len(sizes) - 1,)
    return Dag(tuple(sizes), tuple(operators), (0,), ends)


def shuffled(dag: Dag, seed: int) -> Dag:
    """The same operators in another order that is possible."""
    rng, written, left, order = random.Random(seed), set(dag.inputs), list(dag.operators), []
    while left:
        order.append(rng.choice([op for op in left if written.issuperset(op.inputs)]))
        left.remove(order[-1])
        written.update(order[-1].outputs)
    return Dag(dag.sizes, tuple(order), dag.inputs, dag.outputs)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(dags(operators=6))
def test_no_order_at_all_has_a_smaller_peak(dag):
    found = best_order(dag)
    least = min(replayed(dag, order) for order in orders_of(dag))
    assert found.optimal
    assert found.peak == replayed(dag, found.order) == least
    assert least_peak(States(dag)) <= least


@settings(max_examples=300, derandomize=True, deadline=None)
@given(dags(operators=12))
def test_never_worse_than_the_given_order_which_stays_where_it_is_best(dag):
    found, before = best_order(dag), replayed(dag, own_order(dag))
    assert peak(dag, own_order(dag)) == before
    assert found.optimal
    assert found.peak == replayed(dag, found.order) <= before
    assert sorted(found.order) == list(own_order(dag))
    if found.peak == before:
        assert found.order == own_order(dag)
    assert found == best_order(dag)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(dags(operators=12), st.integers(0, 5))
def test_a_search_that_is_cut_short_brackets_the_least_peak(dag, max_states):
    least, cut = best_order(dag), best_order(dag, max_states=max_states)
    assert cut.lower_bound <= least.peak <= cut.peak <= peak(dag, own_order(dag))
    assert cut.peak == replayed(dag, cut.order)
    assert cut.optimal == (cut.lower_bound == cut.peak)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(dags(operators=7))
def test_minimum_cut_finds_the_smallest_and_the_largest_of_the_least_states(dag):
    states = States(dag)
    live = {sum(1 << k for k in state): 0 for state in states_of(dag)}
    live = {state: states.live(state) for state in live}
    least = [state for state, size in live.items() if size == min(live.values())]
    for largest in (False, True):
        size, state = least_live(states, 0, states.all, largest=largest)
        assert size == min(live.values())
        assert state in least
        assert all((state | s == state) if largest else (state & s == state) for s in least)


@pytest.mark.parametrize("seed", range(5))
def test_the_least_peak_does_not_depend_on_the_given_order(seed):
    dag = random_dag(40, seed, window=10)
    peaks = {best_order(shuffled(dag, k)).peak for k in range(4)}
    assert peaks == {best_order(dag).peak}


@pytest.mark.parametrize(("reads", "window"), [(2, 60), (3, 12), (2, 8), (3, 6)])
@pytest.mark.parametrize("joined", [True, False])
def test_graphs_of_60_operators_are_solved_within_a_few_thousand_states(reads, window, joined):
    for seed in range(4):
        dag = random_dag(60, seed, reads, window, joined)
        found = best_order(dag, max_states=2000)
        assert found.optimal
        assert found.peak == replayed(dag, found.order) < peak(dag, own_order(dag))


def cell_network(cells: int, seed: int) -> Dag:
    """NASNet's pattern: a cell reads the two before it, five blocks of two operators and a sum."""
    rng, sizes, operators = random.Random(seed), [100], []

    def add(size: int, *inputs: int) -> int:
        operators.append(Operator(tuple(sorted(set(inputs))), (len(sizes),)))
        sizes.append(size)
        return len(sizes) - 1

    before = last = add(100, 0)
    for _ in range(cells):
        tensors = [add(50, before), add(50, last)]
        unread = set(tensors)
        for _ in range(5):
            a, b = rng.choice(tensors), rng.choice(tensors)
            tensors.append(add(50, add(50, a), add(50, b)))
            unread = unread - {a, b} | {tensors[-1]}
        before, last = last, add(50 * len(unread), *unread)
    result = add(10, last)
    return Dag(tuple(sizes), tuple(operators), (0,), (result,))


@pytest.mark.parametrize("seed", range(6))
def test_networks_of_searched_cells_are_solved(seed):
    dag = cell_network(6, seed)
    found = best_order(dag, max_states=2000)
    assert found.optimal
    assert found.peak == replayed(dag, found.order) < peak(dag, own_order(dag))


# Random wiring of four inputs an operator: far harder than networks are.
HARD = random_dag(40, 3, reads=4)


def test_more_states_prove_more():
    results = [best_order(HARD, max_states=n) for n in (0, 10, 100, 500, 2000)]
    for less, more in pairwise(results):
        assert less.lower_bound <= more.lower_bound <= more.peak <= less.peak
    assert results[0].lower_bound < results[-1].lower_bound
    assert [found.optimal for found in results] == [False, False, False, False, True]


def test_an_order_is_improved_although_the_search_for_the_least_peak_is_given_up():
    found = best_order(HARD, max_states=400)
    assert not found.optimal
    assert found.states <= 400 + 8 * 100
    assert found.peak == replayed(HARD, found.order) < 0.75 * peak(HARD, own_order(HARD))


def test_without_time_the_given_order_and_a_proven_bound_are_returned():
    found = best_order(HARD, seconds=0.0)
    assert found.order == own_order(HARD)
    assert 0 < found.lower_bound < best_order(HARD, max_states=400).peak < found.peak


def test_a_chain_needs_no_search():
    chain = Dag((8, 64, 16, 2), tuple(Operator((k,), (k + 1,)) for k in range(3)), (0,), (3,))
    found = best_order(chain)
    assert (found.order, found.peak, found.states, found.optimal) == ((0, 1, 2), 80, 0, True)


def diamond(overlap: int) -> Dag:
    """Two branches of a large and a small tensor each, joined."""
    sizes = (10, 50, 60, 20, 1, 5)
    operators = (
        Operator((0,), (1,)),
        Operator((0,), (2,)),
        Operator((1,), (3,), {1: overlap}),
        Operator((2,), (4,)),
        Operator((3, 4), (5,)),
    )
    return Dag(sizes, operators, (0,), (5,))


def test_a_branch_is_finished_before_the_next_and_the_one_that_leaves_least_comes_first():
    found = best_order(diamond(0))
    assert (found.order, found.peak) == ((1, 3, 0, 2, 4), 71)
    assert peak(diamond(0), (0, 1, 2, 3, 4)) == 130
    assert peak(diamond(0), (0, 2, 1, 3, 4)) == 90


def test_an_overlap_counts_where_its_input_dies():
    """Input 1 is read twice: only over its last reader may output 2 or 3 lie."""
    sizes = (1, 50, 40, 40, 2)
    late = Operator((1,), (3,), {1: 30})
    operators = (Operator((0,), (1,)), Operator((1,), (2,)), late, Operator((2, 3), (4,)))
    dag = Dag(sizes, operators, (0,), (4,))
    assert peak(dag, (0, 1, 2, 3)) == 50 + 40 + 40 - 30
    assert peak(dag, (0, 2, 1, 3)) == 50 + 40 + 40
    assert best_order(diamond(20)).peak == 71


def test_overlap_changes_which_order_is_best():
    sizes = (1, 50, 40, 40, 2)
    early = Operator((1,), (2,), {1: 30})
    operators = (Operator((0,), (1,)), early, Operator((1,), (3,)), Operator((2, 3), (4,)))
    found = best_order(Dag(sizes, operators, (0,), (4,)))
    assert (found.order, found.peak) == ((0, 2, 1, 3), 100)


@pytest.mark.parametrize(
    ("operators", "outputs", "message"),
    [
        ((Operator((1,), (2,)), Operator((0,), (1,))), (2,), "reads what is not there"),
        ((Operator((0,), (1,)), Operator((0,), (1,))), (1,), "once more"),
        ((Operator((0,), (1,)),), (2,), "nobody computes"),
    ],
)
def test_what_is_no_graph_in_a_possible_order_is_refused(operators, outputs, message):
    with pytest.raises(AssertionError, match=message):
        Dag((1, 1, 1), operators, (0,), outputs)
