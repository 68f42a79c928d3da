"""Runs one inference on the shadow memory, in the order of the generated C."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tvm_tiny.lowering.graph import Graph, Operator, Step, Storage
from tvm_tiny.schedules.stages.stage import SHIFT, STREAM_ROW

from . import faults
from .kernels import Kernel
from .memory import Memory, Value
from .orders import Order, Tile
from .running import Events, KernelEvents, ShiftEvents, StreamedEvents
from .shadow import COUNTS
from .wiring import Wiring


class Replay:
    """Runs all steps of a graph.

    kernels: by the indices of step and operator. wiring: of the driver that is to be proved, if
    there is one. events, counts: what has been run; counts as in `shadow`.
    """

    def __init__(
        self,
        graph: Graph,
        memory: Memory,
        kernels: Mapping[tuple[int, int], Kernel],
        order: Order,
        wiring: Wiring | None = None,
    ) -> None:
        self._graph, self._memory, self._kernels = graph, memory, kernels
        self._order, self._wiring = order, wiring
        self.counts = np.zeros(COUNTS, dtype=np.int64)
        self.events = 0
        # Storage -> the tensor that has been written there last.
        self._values: dict[int, Value] = {}
        # Storage whose rows shift -> the row that its memory begins with.
        self._starts: dict[int, int] = {}
        # Skewed storage -> the row that is there.
        self._skewed_rows: dict[int, int] = {}

    def run(self) -> None:
        """Replays all steps, from the inputs to the outputs.

        Raises PlanError at the first access that does not find what it needs.
        """
        if self._wiring is not None:
            self._wiring.check_arenas()
        inputs = [k for k in self._graph.inputs if k not in self._graph.streamed]
        self._write(inputs)
        # The caller may write inputs in any order, so none may harm another one.
        self._read("the caller, who writes the inputs,", inputs)
        for step in self._graph.steps:
            if self._wiring is not None:
                self._wiring.check_step(step)
            if step.stage is None:
                self._opaque(step)
            else:
                self._stage(step)
        self._read("the caller, who reads the outputs,", self._graph.outputs)

    def _stage(self, step: Step) -> None:
        assert step.stage is not None
        for parameter, k in step.stage.shifts.items():
            self._starts[step.operators[k].output] = -step.stage.lead(parameter)
        for tile in self._order.tiles(step):
            self._tile(step, tile)

    def _tile(self, step: Step, tile: Tile) -> None:
        running = [self._events(step, k, o, tile) for k, o in enumerate(step.operators)]
        done = [first for first, _ in tile.spans]
        for position, event in self._order.turns(step, tile):
            operator = step.operators[position]
            if self._graph.storage[operator.output].skew:
                self._skewed_rows[operator.output] = event
            cells = running[position].place(event)
            if self._wiring is not None:
                self._wiring.check_event(step, position, done, cells)
            # A kernel may use its scratch before it reads and after it has written.
            self._spoil(operator.scratch)
            running[position].run(event)
            self._spoil(operator.scratch)
            done[position] += 1
            self.events += 1

    def _spoil(self, scratch: int | None) -> None:
        """Overwrites scratch memory, whose contents no kernel may want."""
        if scratch is None:
            return
        if scratch not in self._values:
            self._values[scratch] = self._memory.new(scratch, self._graph.storage[scratch].name)
        self._memory.write(self._values[scratch])

    def _events(self, step: Step, position: int, operator: Operator, tile: Tile) -> Events:
        """The events of an operator, which reads what operators before it have made last."""
        if operator.row_op.op == STREAM_ROW:
            made = self._made(operator, 1)
            return StreamedEvents(self._memory, made, self.counts, self._starts)
        if operator.row_op.op == SHIFT:
            return ShiftEvents(self._memory, self._graph, operator, self._starts)
        kernel = self._kernels[step.index, position]
        inputs = [self._value(faults.short(operator.name), k) for k in operator.inputs]
        assert step.stage is not None
        if tile.number > 0 and operator.row_op.result not in step.stage.widths:
            made = self._values[operator.output]  # whole, of which each tile makes a part
        else:
            made = self._made(operator, operator.row_op.events + 1 if kernel.reads_own else 1)
        arrays = {k: self._graph.storage[operator.inputs[k]].array for k in kernel.constants}
        constants = {k: array for k, array in arrays.items() if array is not None}
        if step.stage.tiles is not None:
            last = len(operator.inputs) - 1
            constants[last] = tile.line(constants[last])
        values = [*inputs, made]
        return KernelEvents(
            self._memory,
            operator,
            kernel,
            values,
            constants,
            self.counts,
            self._starts,
            self._skewed_rows,
        )

    def _made(self, operator: Operator, versions: int) -> Value:
        """The result of an operator; if it reads that, each event makes a version."""
        value = self._memory.new(operator.output, operator.name, versions)
        self._values[operator.output] = value
        return value

    def _value(self, reader: str, storage: int) -> Value | None:
        """The tensor in a storage; None for a constant."""
        if self._graph.storage[storage].is_constant:
            return None
        if storage not in self._values:
            raise faults.unmade(reader, self._graph.storage[storage].name)
        return self._values[storage]

    def _opaque(self, step: Step) -> None:
        """Runs a kernel of TVM's own, whose reads and writes may come in any order."""
        reader = faults.short(step.name)
        inputs = [k for k in step.inputs if not self._graph.storage[k].is_constant]
        self._read(reader, inputs)
        read = {k: self._values[k] for k in inputs}
        self._write(step.outputs)
        self._read(reader, step.outputs)
        self._values |= read
        self._read(reader, inputs)
        self.events += 1

    def _write(self, storages: Iterable[int]) -> None:
        for k in storages:
            storage = self._graph.storage[k]
            self._values[k] = self._memory.new(k, storage.name)
            self._memory.write(self._values[k])
            self._count(1, storage)

    def _read(self, reader: str, storages: Iterable[int]) -> None:
        for storage in storages:
            value = self._value(reader, storage)
            assert value is not None, "constants are not read here"
            if value.room < value.size:
                raise faults.incomplete(reader, value)
            wrong = self._memory.first_wrong(value)
            if wrong is not None:
                raise faults.stale(self._memory, reader, value, wrong, wrong)
            self._count(0, value.storage)

    def _count(self, which: int, storage: Storage) -> None:
        self.counts[which] += storage.bytes // np.dtype(storage.dtype).itemsize
        self.counts[-1] += storage.bytes
