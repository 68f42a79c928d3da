"""The order of a step's operators, as the plan or the C has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tvm_tiny.lowering.graph import Step

from . import faults
from .driver import Driver, OrderTable

# An operator of a step, and which of its events runs.
Turn = tuple[int, int]


@dataclass(frozen=True)
class Tile:
    """A tile of a patch stage, or a whole stage without tiles.

    number: counts tiles in the order in which they run. spans: for each operator the first event
    and the one behind the last. row, column: the place among the tiles, which have `columns`
    columns.
    """

    number: int
    spans: tuple[tuple[int, int], ...]
    row: int = 0
    column: int = 0
    columns: int = 1

    def line(self, integers: np.ndarray) -> np.ndarray:
        """The part of a kernel's integers, its last operand, that is this tile's."""
        return np.ascontiguousarray(integers.reshape(self.columns, -1)[self.column])


class Order(Protocol):
    """An order of events; raises PlanError where there is none."""

    def tiles(self, step: Step) -> Iterator[Tile]:
        """The tiles of a stage, row by row."""

    def turns(self, step: Step, tile: Tile) -> Iterator[Turn]:
        """The events of a tile."""


class PlannedOrder:
    """The order that follows from what the operators of a stage wait for.

    backward: indices of the layers that run from the last row to the first.
    """

    def __init__(self, backward: Sequence[int]) -> None:
        self._backward = backward

    def tiles(self, step: Step) -> Iterator[Tile]:
        """The tiles of a stage, row by row."""
        assert step.stage is not None, "a kernel of TVM's own has no tiles"
        if step.stage.tiles is None:
            yield Tile(0, tuple((0, operator.row_op.events) for operator in step.operators))
            return
        rows, columns = step.stage.tiles.split
        for number in range(rows * columns):
            row, column = divmod(number, columns)
            spans = tuple(events[row] for events in step.stage.tiles.events)
            yield Tile(number, spans, row, column, columns)

    def turns(self, step: Step, tile: Tile) -> Iterator[Turn]:
        """The rows of a layer; in a stage, the last operator that is ready runs."""
        assert step.stage is not None, "a kernel of TVM's own has no events"
        if len(step.operators) == 1 and step.stage.tiles is None:
            events = range(step.operators[0].row_op.events)
            backward = step.index in self._backward
            return ((0, event) for event in (reversed(events) if backward else events))
        return _deepest_first(step, tile)


def _deepest_first(step: Step, tile: Tile) -> Iterator[Turn]:
    assert step.stage is not None, "a kernel of TVM's own has no events"
    waits = [step.stage.needs(k) for k in range(len(step.operators))]
    done, events = (list(bounds) for bounds in zip(*tile.spans, strict=True))

    def ready(k: int) -> bool:
        event = done[k]
        return event < events[k] and all(done[other] >= needs[event] for other, needs in waits[k])

    while (k := next((k for k in reversed(range(len(done))) if ready(k)), None)) is not None:
        yield k, done[k]
        done[k] += 1
    for operator, number, end in zip(step.operators, done, events, strict=True):
        if number < end:
            raise faults.stuck(operator.name, number, end)


class DriverOrder:
    """The order that the driver of the generated C reads from its tables."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def tiles(self, step: Step) -> Iterator[Tile]:
        """The tiles that the driver runs; they end where those of the plan do."""
        planned = list(PlannedOrder(()).tiles(step))
        table = self._driver.steps[step.index].order
        if table is None or not table.first:
            found = [(0, 0, tuple(0 for _ in step.operators))]
        else:
            found = [(r, c, f) for r, f in enumerate(table.first) for c in range(table.columns)]
        wanted = [(tile.row, tile.column) for tile in planned]
        if [place[:2] for place in found] != wanted:
            raise faults.emitted(step, f"runs {len(found)} tiles where {len(wanted)} are planned")
        for tile, (_, _, first) in zip(planned, found, strict=True):
            ends = (end for _, end in tile.spans)
            spans = tuple(zip(first, ends, strict=True))
            yield Tile(tile.number, spans, tile.row, tile.column, tile.columns)

    def turns(self, step: Step, tile: Tile) -> Iterator[Turn]:
        """The events of a tile as the driver counts them: each call's next one."""
        emitted = self._driver.steps[step.index]
        if emitted.order is None:
            (call,) = emitted.calls
            events = range(call.events or 0)
            return ((0, event) for event in (reversed(events) if call.backward else events))
        return _counted(step, tile, emitted.order)


def _counted(step: Step, tile: Tile, table: OrderTable) -> Iterator[Turn]:
    done, ends = (list(bounds) for bounds in zip(*tile.spans, strict=True))
    for place, call in decoded(step, table, tile.row):
        if done[call] >= ends[call]:
            name = faults.short(step.operators[call].name)
            raise faults.order(step, place, f"runs {name} once more, all its events being done")
        yield call, done[call]
        done[call] += 1
    for operator, number, end in zip(step.operators, done, ends, strict=True):
        if number < end:
            name = faults.short(operator.name)
            raise faults.emitted(
                step, f"ends its order when event {number} of {name} has not run yet"
            )


def decoded(step: Step, table: OrderTable, row: int) -> Iterator[tuple[int, int]]:
    """Decodes a table for a row of tiles: (place, call) in order.

    A number up to `end` is a call, or the end where there is no such call. A larger one stands
    behind a loop: `end` + 1 + its level, how many numbers back it begins, and how often it runs.
    """
    place, turns = table.starts[row], [0] * table.levels

    def number(at: int) -> int:
        if not 0 <= at < len(table.numbers):
            raise faults.order(step, at, f"is beside the table of {len(table.numbers)}")
        return table.numbers[at]

    while True:
        while (level := number(place) - table.end - 1) >= 0:
            if level >= table.levels:
                raise faults.order(step, place, f"counts a loop at level {level}")
            back, times = number(place + 1), number(place + 2)
            turns[level] += 1
            if turns[level] < times:
                place -= back
                # Loops stand behind their calls: without this, a wrong one might never end.
                if number(place) > table.end:
                    raise faults.order(step, place, "begins a loop with a loop's end")
            else:
                turns[level] = 0
                place += 3
        if number(place) >= len(step.operators):
            return
        yield place, number(place)
        place += 1
