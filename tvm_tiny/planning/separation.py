"""How close two tensors may come, by when which of their bytes are needed.

Two tensors may share bytes as long as the intervals that they need, put at their offsets, never
meet; so for each order of the two there is one least separation.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tvm_tiny.lowering.graph import Graph, Step, Storage

from .events import reversible
from .live_ranges import LiveRange
from .timeline import Timeline, read_timeline

# The separation of two tensors where nothing asks for one.
_NEVER = 1 << 40


def separations(timeline: Timeline, tensors: Sequence[int]) -> dict[tuple[int, int], int]:
    """(below, above) -> the least offset between two tensors that are needed at one time."""
    result: dict[tuple[int, int], int] = {}
    spans = {t: timeline.live_ranges[t].span() for t in tensors}
    for a, b in itertools.combinations(tensors, 2):
        first = max(spans[a][0], spans[b][0])
        last = min(spans[a][1], spans[b][1])
        if first > last:
            continue
        window = slice(first, last + 1)
        pairs = ((a, b), (b, a))
        found = {p: d for p in pairs if (d := _separation(timeline, *p, window)) is not None}
        # Where one order asks for nothing, every offset is good.
        result |= found if len(found) == len(pairs) else {}
    return result


def _separation(timeline: Timeline, below: int, above: int, window: slice) -> int | None:
    """The largest value of end of `below` - start of `above` in a window."""
    lower, upper = timeline.live_ranges[below], timeline.live_ranges[above]
    high, low = lower.high_during[window], upper.low_during[window]
    both = (high > lower.low_during[window]) & (upper.high_during[window] > low)
    gaps = np.where(both, high - low, -_NEVER)
    most = [gaps]
    for indices, within in timeline.together.get((above, below), []):
        gaps[indices - window.start] = -_NEVER
        most.append(_shared_separation(lower, upper, indices, within))
    largest = max(int(found.max(initial=-_NEVER)) for found in most)
    return None if largest <= -_NEVER // 2 else largest


def _shared_separation(
    lower: LiveRange, upper: LiveRange, at: np.ndarray, within: np.ndarray
) -> np.ndarray:
    """Separations at events that read `upper` and write `lower`.

    An event's writes must not reach bytes of `upper` that later events read, nor those that the
    event itself reads afterwards; and its reads must not reach what `lower` held before.
    """
    later = upper.high_after[at] > upper.low_after[at]
    before = lower.high_after[at - 1] > lower.low_after[at - 1]
    separation: np.ndarray = np.maximum.reduce(
        [
            within,
            np.where(later, lower.high_during[at] - upper.low_after[at], -_NEVER),
            np.where(before, lower.high_after[at - 1] - upper.low_during[at], -_NEVER),
        ]
    )
    return separation


@dataclass(frozen=True)
class Problem:
    """The constraints that a placement must satisfy.

    separations: between positions in the tensors given; bound: bytes that no placement can beat.
    choices: step -> (its input, its output, least offset between them in forward order, if the
    input is above and if it is below), for steps that may run backward.
    """

    separations: Mapping[tuple[int, int], int]
    bound: int
    choices: Mapping[int, tuple[int, int, int, int]]


def placement_problem(timeline: Timeline, graph: Graph, tensors: Sequence[Storage]) -> Problem:
    """The problem of a graph whose steps may run backward where they are `reversible`."""
    position = {t.index: k for k, t in enumerate(tensors)}
    indices = [t.index for t in tensors]
    forward = separations(timeline, indices)
    choices = {
        step.index: pair
        for step in graph.steps
        if reversible(step, graph)
        and (pair := _overlapping(step, graph, timeline)) is not None
        and pair in forward
    }
    result, backward = dict(forward), timeline
    if choices:
        backward = read_timeline(graph, backward=True)
        result = separations(backward, indices)
        over = {(target, source) for source, target in choices.values()}
        under = {(source, target) for source, target in choices.values()}
        for pair, separation in forward.items():
            if pair in over:
                result[pair] = separation
            elif pair not in under:
                result[pair] = max(separation, result.get(pair, separation))
    return Problem(
        # Backward a step may ask for nothing.
        {(position[a], position[b]): d for (a, b), d in result.items() if (b, a) in result},
        _bound(timeline, backward, indices, choices),
        {
            step: (source, target, forward[target, source], forward[source, target])
            for step, (source, target) in choices.items()
            if source in position and target in position
        },
    )


def _bound(
    forward: Timeline, backward: Timeline, tensors: Sequence[int], choices: Collection[int]
) -> int:
    """A lower bound of any plan: the most bytes needed at once.

    Each of `choices` runs in the direction that needs fewer.
    """
    steps = np.array([-1, *(event.step.index for event in forward.events), -1])
    nothing = np.zeros_like(steps)
    live = np.array([sum(map(way.live_bytes, tensors), nothing) for way in (forward, backward)])
    peaks = ((step, live[:, steps == step].max(axis=1)) for step in {*steps.tolist()})
    return int(max(peak.min() if step in choices else peak[0] for step, peak in peaks))


def _overlapping(step: Step, graph: Graph, timeline: Timeline) -> tuple[int, int] | None:
    """Input and output of a step in which the one dies and the other begins."""
    operator = step.operators[0]
    source = next(s for s in operator.inputs if not graph.storage[s].is_constant)
    live_ranges = timeline.live_ranges
    if (
        live_ranges[source].span()[1]
        != live_ranges[operator.output].span()[0] + operator.row_op.events - 1
    ):
        return None
    return source, operator.output
