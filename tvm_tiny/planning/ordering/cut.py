"""The state of fewest live bytes, by a minimum cut, and the bounds that follow."""

from __future__ import annotations

from ortools.graph.python.max_flow import SimpleMaxFlow

from .dag import States, Tensor, members

_SOURCE, _SINK = 0, 1


def least_live(states: States, low: int, high: int, *, largest: bool) -> tuple[int, int]:
    """The fewest live bytes of any state between `low` and `high`, and such a state.

    A state is between them if it holds `low` and lies in `high`. largest: of several such states
    take the one that holds all others, else the one that lies in all others.
    """
    network = _Network(states, low, high)
    return network.fixed + network.flow(), network.state(largest=largest)


class _Network:
    """A flow network whose cuts are the states between `low` and `high`.

    Operators on the source's side of a cut have run.

    A tensor is cut where its producer has run and not all its readers have. `fixed`: bytes of
    tensors that are live in all these states.
    """

    def __init__(self, states: States, low: int, high: int) -> None:
        self.fixed = 0
        self._low = low
        self._nodes = {op: k + 2 for k, op in enumerate(members(high & ~low))}
        self._unbounded = 1 + sum(t.size for t in states.tensors)
        self._flow = SimpleMaxFlow()
        # Both ends are there even where nothing joins them.
        self._flow.add_arc_with_capacity(_SOURCE, _SINK, 0)
        for operator, node in self._nodes.items():
            for earlier in members(states.before[operator] & ~low):
                self._join(node, self._nodes[earlier])
        self._next = len(self._nodes) + 2
        for tensor in states.tensors:
            is_there = tensor.producer < 0 or high >> tensor.producer & 1
            if is_there and tensor.size:
                self._add(tensor, high)

    def _join(self, node: int, other: int, capacity: int | None = None) -> None:
        room = self._unbounded if capacity is None else capacity
        self._flow.add_arc_with_capacity(node, other, room)

    def _add(self, tensor: Tensor, high: int) -> None:
        origin = self._nodes.get(tensor.producer, _SOURCE)
        if tensor.stays or tensor.readers & ~high:
            # Nothing here ends it.
            self.fixed += tensor.size if origin == _SOURCE else 0
            self._join(origin, _SINK, tensor.size if origin != _SOURCE else 0)
        elif tensor.readers & ~self._low:
            ended, self._next = self._next, self._next + 1
            self._join(origin, ended, tensor.size)
            for reader in members(tensor.readers & ~self._low):
                self._join(ended, self._nodes[reader])

    def flow(self) -> int:
        status = self._flow.solve(_SOURCE, _SINK)
        assert status == SimpleMaxFlow.OPTIMAL, status
        return int(self._flow.optimal_flow())

    def state(self, *, largest: bool) -> int:
        if largest:
            late = set(self._flow.get_sink_side_min_cut())
            run = [op for op, node in self._nodes.items() if node not in late]
        else:
            early = set(self._flow.get_source_side_min_cut())
            run = [op for op, node in self._nodes.items() if node in early]
        return self._low | sum(1 << op for op in run)


def least_peak(states: States) -> int:
    """No order has a smaller peak: the most that some operator needs wherever it runs."""
    ends = max(states.peak([]), states.live(states.all))
    return max([ends, *(_least_step(states, k) for k in range(states.count))])


def _least_step(states: States, operator: int) -> int:
    """The fewest bytes that can be live while `operator` runs."""
    later = 1 << operator | states.descendants[operator]
    low, high = states.ancestors[operator], states.all & ~later
    allocated = states.allocated[operator]
    least = least_live(states, low, high, largest=False)[0] + allocated
    for release in states.releases[operator]:
        if release.credit and not release.others & later:
            others = low | release.others
            for other in members(release.others):
                others |= states.ancestors[other]
            live = least_live(states, others, high, largest=False)[0]
            least = min(least, live + allocated - release.credit)
    return least
