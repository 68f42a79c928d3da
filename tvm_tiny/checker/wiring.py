"""Compares the memory that the driver passes to kernels with the plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tvm_tiny.lowering.graph import Graph, Operator, Step
from tvm_tiny.lowering.memory_plan import ALIGNMENT
from tvm_tiny.schedules.stages.stage import STREAM_ROW

from . import faults
from .driver import Driver, DriverCall, Pointer
from .memory import Memory

# Bytes of the mark with which `init` says that the constants are in the arena.
_MARK = 4


class Wiring:
    """The driver's pointers, constants and calls beside those of the graph and its plan."""

    def __init__(self, graph: Graph, memory: Memory, driver: Driver) -> None:
        self._graph, self._memory, self._driver = graph, memory, driver

    def check_arenas(self) -> None:
        """Arenas, and what callers or `init` find in them; raises PlanError."""
        driver, plan = self._driver, self._memory.plan
        planned = [pool.bytes for pool in plan.pools] or [plan.workspace_bytes]
        if len(planned) != len(driver.arenas) or any(map(int.__gt__, planned, driver.arenas)):
            raise faults.driver(f"has arenas of {driver.arenas} bytes, planned are {planned}")
        self._check_ports("input", driver.inputs, self._graph.inputs)
        self._check_ports("output", driver.outputs, self._graph.outputs)
        self._check_copied()
        if driver.state is not None:
            place, size = driver.state
            inside = planned[0] <= place.where <= driver.arenas[0] - size
            if not inside or place.pool or place.where % ALIGNMENT:
                raise faults.driver(f"keeps its progress at byte {place.where}, among tensors")

    def _check_ports(
        self, kind: str, found: Sequence[Pointer | None], storages: Sequence[int]
    ) -> None:
        for k, (pointer, storage) in enumerate(zip(found, storages, strict=True)):
            planned = storage in self._memory.plan.offsets
            same = pointer is not None and self._cell(pointer, ()) == self._memory.cell(storage)
            if planned != (pointer is not None) or (planned and not same):
                raise faults.driver(f"has {kind} {k} elsewhere than planned")

    def _check_copied(self) -> None:
        """Copied constants lie beside each other, behind the mark and below all tensors."""
        plan, end = self._memory.plan, _MARK
        arrays = zip(self._driver.copied, self._driver.constants, strict=False)
        for pointer, array in sorted(arrays, key=lambda pair: pair[0].where):
            last = pointer.where + array.nbytes
            in_one_arena = pointer.pool == self._driver.copied[0].pool
            room = plan.pools[pointer.pool].constants if in_one_arena else 0
            if not end <= pointer.where <= last <= room or pointer.where % ALIGNMENT:
                raise faults.driver(f"copies a constant to bytes {pointer.where} to {last - 1}")
            end = last

    def check_step(self, step: Step) -> None:
        """All that is the same for all events of a step; raises PlanError."""
        calls = self._driver.steps[step.index].calls
        if step.stage is None:
            self._check_opaque(step, calls)
            return
        if len(calls) != len(step.operators):
            raise faults.emitted(step, f"has {len(calls)} calls for {len(step.operators)}")
        for call, operator in zip(calls, step.operators, strict=True):
            self._check_call(step, call, operator)

    def _check_opaque(self, step: Step, calls: Sequence[DriverCall]) -> None:
        (call,) = calls
        storages = (*step.inputs, *step.outputs)
        if call.kernel != step.function or len(call.arguments) != len(storages):
            raise faults.emitted(step, f"calls '{call.kernel}' in place of '{step.function}'")
        self._check_constants(step, faults.short(step.name), call.arguments, storages)
        cells = [self._expected(storage) for storage in storages]
        self._compare(step, faults.short(step.name), call, (), cells)

    def _check_call(self, step: Step, call: DriverCall, operator: Operator) -> None:
        pushes = operator.row_op.op == STREAM_ROW
        kernel = "" if pushes else operator.row_op.kernel
        read = () if pushes else operator.inputs
        scratch = () if operator.scratch is None else (operator.scratch,)
        storages = (*read, operator.output, *scratch)
        name = faults.short(operator.name)
        if call.kernel != kernel or call.events != operator.row_op.events:
            raise faults.emitted(
                step,
                f"runs '{call.kernel}' {call.events} times for {name}, planned is '{kernel}' "
                f"{operator.row_op.events} times",
            )
        if len(call.arguments) != len(storages):
            raise faults.emitted(step, f"gives {name} {len(call.arguments)} arguments")
        if call.row_bytes != (self._graph.storage[operator.output].row_bytes if pushes else 0):
            raise faults.emitted(step, f"takes rows of {call.row_bytes} bytes for {name}")
        self._check_constants(step, name, call.arguments, storages)
        for pointer, storage in zip(call.arguments[len(read) + 1 :], scratch, strict=True):
            if self._cell(pointer, ()) != self._expected(storage):
                raise faults.emitted(step, f"gives {name} scratch elsewhere than planned")

    def _check_constants(
        self, step: Step, name: str, arguments: Sequence[Pointer], storages: Iterable[int]
    ) -> None:
        """Constants must have the values of the graph's, which kernels go by."""
        columns = self._columns(step)
        constants = list(self._constants(arguments, storages))
        for k, (position, pointer, array) in enumerate(constants, 1):
            found = self._array(pointer)
            if found is None or not _equal(found, array):
                raise faults.emitted(
                    step, f"gives {name} as argument {position} another constant than planned"
                )
            # A kernel's last constant has a line of integers for each column of tiles.
            line = array.size // columns if columns and k == len(constants) else 0
            if pointer.line != line:
                raise faults.emitted(
                    step, f"gives {name} {pointer.line} integers for a tile, planned are {line}"
                )

    def _columns(self, step: Step) -> int:
        """How many columns of tiles a step has; 0 without tiles."""
        table = self._driver.steps[step.index].order
        return table.columns if table is not None and table.first else 0

    def _constants(
        self, arguments: Sequence[Pointer], storages: Iterable[int]
    ) -> Iterator[tuple[int, Pointer, np.ndarray]]:
        for position, (pointer, storage) in enumerate(zip(arguments, storages, strict=True)):
            array = self._graph.storage[storage].array
            if array is not None:
                yield position, pointer, array

    def _array(self, pointer: Pointer) -> np.ndarray | None:
        stays = pointer.location == "constant" and pointer.counter is None
        within = stays and pointer.where < len(self._driver.constants)
        return self._driver.constants[pointer.where] if within else None

    def check_event(
        self, step: Step, position: int, done: Sequence[int], cells: Sequence[int | None]
    ) -> None:
        """Where the arguments of an event point; raises PlanError.

        done: events so far of each operator. cells: planned, of all arguments but scratch; None
        for constants.
        """
        call = self._driver.steps[step.index].calls[position]
        name = faults.short(step.operators[position].name)
        self._compare(step, f"event {done[position]} of {name}", call, done, cells)

    def _compare(
        self,
        step: Step,
        who: str,
        call: DriverCall,
        done: Sequence[int],
        cells: Sequence[int | None],
    ) -> None:
        for k, (pointer, planned) in enumerate(zip(call.arguments, cells, strict=False)):
            if planned is None:
                continue
            found = self._cell(pointer, done)
            if found is None or found + call.row(done) != planned:
                raise faults.emitted(step, f"gives {who} argument {k} elsewhere than planned")

    def _expected(self, storage: int) -> int | None:
        constant = self._graph.storage[storage].is_constant
        return None if constant else self._memory.cell(storage)

    def _cell(self, pointer: Pointer, done: Sequence[int]) -> int | None:
        """The cell that a pointer points to; None where it points to no tensor."""
        if pointer.counter is not None and pointer.counter >= len(done):
            return None
        if pointer.location == "arena":
            return self._memory.arena(pointer.pool) + pointer.byte(done)
        ports = {"input": self._graph.inputs, "output": self._graph.outputs}
        storages = ports.get(pointer.location, [])
        within = pointer.where < len(storages)
        return self._memory.cell(storages[pointer.where]) if within else None


def _equal(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.dtype == wanted.dtype and found.tobytes() == wanted.tobytes()
