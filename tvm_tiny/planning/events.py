"""The events of an inference: runs of kernels, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tvm_tiny.lowering.graph import Graph, Operator, Step
from tvm_tiny.schedules.stages.stage import tiled_order


@dataclass(frozen=True)
class Event:
    """One run of a row kernel, or of one of TVM's own kernels (operator None).

    number: how often the operator has run before. position: of the operator in its step. tile: of
    a patch stage, counted from 0.
    """

    step: Step
    operator: Operator | None
    number: int
    position: int = 0
    tile: int = 0


@dataclass(frozen=True)
class Runs:
    """All runs of one operator.

    position: of the operator in its step, None for one of TVM's own kernels. at: indices of the
    timeline, int64 [runs]. numbers, tiles: the events' own, in the same order.
    """

    step: Step
    position: int | None
    at: np.ndarray
    numbers: np.ndarray
    tiles: np.ndarray


def events_of(graph: Graph, *, backward: bool = False) -> list[Event]:
    """The events of a graph in order; see `read_timeline`."""
    return [event for step in graph.steps for event in _step_events(step, graph, backward)]


def _step_events(step: Step, graph: Graph, backward: bool) -> list[Event]:
    if step.stage is None:
        return [Event(step, None, 0)]
    runs = tiled_order(step.stage)
    events = [Event(step, step.operators[k], event, k, tile) for tile, k, event in runs]
    return events[::-1] if backward and reversible(step, graph) else events


def reversible(step: Step, graph: Graph) -> bool:
    """Whether a step may run from its last row to its first.

    It may if it is one operator of one tensor that no output needs: then its result may lie over
    the tensor from either side.
    """
    if len(step.operators) != 1 or step.operators[0].row_op.accumulates:
        return False
    if step.stage is None or step.stage.tiles is not None:
        return False
    sources = {s for s in step.operators[0].inputs if not graph.storage[s].is_constant}
    return len(sources) == 1 and not sources & set(graph.outputs)


def runs_of(graph: Graph, events: list[Event]) -> Iterator[Runs]:
    """The events of each operator together: event k has index k + 1."""
    found: dict[tuple[int, int | None], list[int]] = {}
    for index, event in enumerate(events, 1):
        position = None if event.operator is None else event.position
        found.setdefault((event.step.index, position), []).append(index)
    numbers = np.array([(event.number, event.tile) for event in events]).reshape(-1, 2)
    for (step, position), indices in found.items():
        at = np.asarray(indices)
        yield Runs(graph.steps[step], position, at, *numbers[at - 1].T)
