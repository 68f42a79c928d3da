"""Operators over tensors, and the bytes that are live when some of them have run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class Operator:
    """Reads the tensors `inputs` and writes the tensors `outputs`.

    overlap: input -> bytes of the outputs that may lie over it where no operator reads it later.
    Of several such inputs the one with most bytes counts: outputs lie over one of them.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    overlap: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dag:
    """Operators in an order that is possible, and the tensors between them.

    sizes: bytes of each tensor. inputs: tensors that are there before the first operator.
    outputs: tensors that must be there after the last. Any other tensor lives from its operator to
    its last reader; an input until its last reader, one that nobody reads only before the first.
    """

    sizes: tuple[int, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        written = set(self.inputs)
        for operator in self.operators:
            assert written.issuperset(operator.inputs), f"{operator} reads what is not there yet"
            assert written.isdisjoint(operator.outputs), f"{operator} writes a tensor once more"
            written.update(operator.outputs)
        assert written.issuperset(self.outputs), "nobody computes an output"


class Tensor(NamedTuple):
    """producer: its operator, -1 for an input. readers: a set. stays: it is an output."""

    size: int
    producer: int
    readers: int
    stays: bool


class Release(NamedTuple):
    """A tensor of `size` bytes that an operator frees if all `others` have run.

    credit: bytes by which the operator's result may overlap it.
    """

    size: int
    others: int
    credit: int


class States:
    """A DAG's sets of operators that may have run ("states"), as bit masks.

    all: the set of all operators. before, after: of each operator those it reads from, and those
    that read from it. ancestors, descendants: the same, over any number of steps. neighbours:
    operators that an operator shares a tensor with.
    """

    def __init__(self, dag: Dag) -> None:
        self.count = len(dag.operators)
        self.all = (1 << self.count) - 1
        self.tensors = _tensors(dag)
        self._connect(dag)
        self.allocated = [sum(dag.sizes[t] for t in set(op.outputs)) for op in dag.operators]
        self._kept = [
            sum(self.tensors[t].size for t in set(op.outputs) if _outlives(self.tensors[t]))
            for op in dag.operators
        ]
        self.releases = [self._releases(k, op) for k, op in enumerate(dag.operators)]

    def _connect(self, dag: Dag) -> None:
        self.before, self.after = [0] * self.count, [0] * self.count
        self.ancestors, self.descendants = [0] * self.count, [0] * self.count
        self.neighbours = [0] * self.count
        for k, operator in enumerate(dag.operators):
            tensors = [self.tensors[t] for t in {*operator.inputs, *operator.outputs}]
            producers = {t.producer for t in tensors if t.producer >= 0} - {k}
            self.before[k] = mask_of(producers)
            self.ancestors[k] = self.before[k] | union(self.ancestors[p] for p in producers)
            self.neighbours[k] = self.before[k] | union(t.readers for t in tensors)
        for k in range(self.count):
            for earlier in members(self.before[k]):
                self.after[earlier] |= 1 << k
            for earlier in members(self.ancestors[k]):
                self.descendants[earlier] |= 1 << k

    def _releases(self, k: int, operator: Operator) -> list[Release]:
        found = []
        for t in sorted(set(operator.inputs)):
            tensor = self.tensors[t]
            if not tensor.stays:
                credit = min(operator.overlap.get(t, 0), tensor.size, self.allocated[k])
                found.append(Release(tensor.size, tensor.readers & ~(1 << k), credit))
        return found

    def live(self, state: int) -> int:
        """Bytes live between two operators, when those of `state` have run."""
        return sum(
            t.size
            for t in self.tensors
            if (t.producer < 0 or state >> t.producer & 1) and (t.stays or t.readers & ~state)
        )

    def step(self, state: int, operator: int) -> tuple[int, int]:
        """Live bytes that running `operator` next adds: while it runs, and after it."""
        released = credit = 0
        for size, others, overlap in self.releases[operator]:
            if not others & ~state:
                released += size
                credit = max(credit, overlap)
        return self.allocated[operator] - credit, self._kept[operator] - released

    def peak(self, order: Iterable[int], start: int = 0) -> int:
        """The most bytes live while the operators of `order` run after those of `start`."""
        state, live = start, self.live(start)
        peak = max(live, self._inputs if start == 0 else 0)
        for operator in order:
            assert not self.before[operator] & ~state, f"operator {operator} runs too early"
            during, after = self.step(state, operator)
            peak, live = max(peak, live + during), live + after
            state |= 1 << operator
        return peak

    @property
    def _inputs(self) -> int:
        return sum(t.size for t in self.tensors if t.producer < 0)


def _tensors(dag: Dag) -> list[Tensor]:
    producer = dict.fromkeys(dag.inputs, -1)
    producer |= {t: k for k, op in enumerate(dag.operators) for t in op.outputs}
    readers: dict[int, int] = {}
    for k, operator in enumerate(dag.operators):
        for t in operator.inputs:
            readers[t] = readers.get(t, 0) | 1 << k
    stays = set(dag.outputs)
    assert len(producer) == len(dag.sizes), "a tensor is neither computed nor an input"
    return [
        Tensor(size, producer[t], readers.get(t, 0), t in stays) for t, size in enumerate(dag.sizes)
    ]


def _outlives(tensor: Tensor) -> bool:
    """True where a tensor is needed after the operator that computes it."""
    return tensor.stays or tensor.readers != 0


def peak(dag: Dag, order: Sequence[int]) -> int:
    """The most bytes live at any time if the operators run in `order`."""
    assert sorted(order) == list(range(len(dag.operators))), "not an order of all operators"
    return States(dag).peak(order)


def mask_of(operators: Iterable[int]) -> int:
    """The set as a bit mask."""
    return union(1 << operator for operator in operators)


def union(sets: Iterable[int]) -> int:
    """The union of bit masks."""
    result = 0
    for members_ in sets:
        result |= members_
    return result


def members(state: int) -> Iterator[int]:
    """The operators of a bit mask, in order."""
    while state:
        lowest = state & -state
        yield lowest.bit_length() - 1
        state ^= lowest
