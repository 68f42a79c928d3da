"""A planned module as plain data, from which the C templates are filled."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tvm.ir import IRModule

from tvm_tiny.interface import ATTRIBUTE as INTERFACE
from tvm_tiny.interface import Interface
from tvm_tiny.lowering.graph import Graph, Operator, Step, Storage, read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE as MEMORY_PLAN
from tvm_tiny.lowering.memory_plan import MemoryPlan, PoolUse, align
from tvm_tiny.lowering.streamed_state import state_bytes
from tvm_tiny.schedules.portable.shift import word_bytes
from tvm_tiny.schedules.shapes import row_split
from tvm_tiny.schedules.stages.looped import looped
from tvm_tiny.schedules.stages.stage import SHIFT, STREAM_ROW, Stage, plain_order

from .identifiers import c_identifiers
from .kernels import KernelSource, print_kernels
from .orders import OrderTable, order_table


@dataclass(frozen=True)
class Operand:
    """A pointer argument. location: "arena", "constant", "input" or "output".

    where: byte offset in the arena, or index of the constant, input or output. pool: index of the
    arena's, where there are several.
    """

    location: str
    where: int
    dtype: str
    bytes: int
    pool: int = 0


@dataclass(frozen=True)
class Move:
    """A pointer that moves with the rows of its operand, which shift or are skewed.

    It points to row 0 where rows shift, else to the row that is there. That is `first` bytes behind
    the operand's place, and `step` more for each event so far of the call at `position` of its
    step.
    """

    position: int
    first: int
    step: int


@dataclass(frozen=True)
class Patches:
    """How a call of a patch stage is divided into tiles.

    events: for each row of tiles, the first event and the one behind the last. columns: for each
    column of tiles, the first column of the result and the one behind the last. line: elements of
    the last input that each column of tiles has. narrow: whether the result's memory begins with
    the first column of a tile, not of the tensor.
    """

    events: tuple[tuple[int, int], ...]
    columns: tuple[tuple[int, int], ...]
    line: int
    narrow: bool


@dataclass(frozen=True)
class Call:
    """A row kernel that the driver runs `events` times, or a kernel of TVM's own.

    outputs: the result, and scratch of TVM's kernels. shape: of the whole result. rows,
    row_bytes, buffer_rows: how many rows the result has, the bytes of one, and for how many there
    is memory. moves: for each input, then the result, how its rows shift or are skewed, if they
    are. backward: whether rows run from the last to the first. patches: the tiles in a patch stage;
    extra_macs: multiply-accumulates of its tiles beyond `macs`. scratch: memory that a row kernel
    needs while it runs.
    """

    index: int
    name: str
    op: str
    function: str
    macs: int
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    shape: tuple[int, ...]
    events: int | None = None
    row_bytes: int = 0
    buffer_rows: int = 1
    rows: int = 1
    moves: tuple[Move | None, ...] = ()
    backward: bool = False
    patches: Patches | None = None
    extra_macs: int = 0
    scratch: Operand | None = None

    @property
    def written(self) -> tuple[Operand, ...]:
        """The operands that the function writes: its last pointers."""
        return self.outputs if self.scratch is None else (*self.outputs, self.scratch)


@dataclass(frozen=True)
class Program:
    """Everything that the generated C and its metadata say.

    steps: run one after the other; a step of several calls runs them row by row. orders: for each
    step the table of the order in which its calls run; None for a layer. state_offset, state_bytes:
    where in the first arena the progress of a streamed input is kept; its first call then takes
    rows from the caller.

    pools: those of the board; none where there is one arena. workspace_bytes: size of all arenas.
    input_pools, output_pools: the arenas that the offsets are in. copied: where `init` copies each
    constant; empty where kernels read them in flash, in `weights_section`.
    """

    name: str
    interface: Interface
    io_in_arena: bool
    workspace_bytes: int
    input_offsets: tuple[int | None, ...]
    output_offsets: tuple[int | None, ...]
    constants: tuple[np.ndarray, ...]
    steps: tuple[tuple[Call, ...], ...]
    orders: tuple[OrderTable | None, ...]
    kernels: KernelSource
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    state_offset: int | None = None
    state_bytes: int = 0
    pools: tuple[PoolUse, ...] = ()
    input_pools: tuple[int, ...] = ()
    output_pools: tuple[int, ...] = ()
    copied: tuple[Operand, ...] = ()
    weights_section: str | None = None

    @property
    def arena_names(self) -> tuple[str, ...]:
        """C names of the arenas: the workspace, then those of the other pools."""
        return c_identifiers(["workspace", *(pool.name for pool in self.pools[1:])])

    @property
    def streamed(self) -> Call | None:
        """The call that takes rows of the input from the caller."""
        first = self.calls[0] if self.calls else None
        return first if first is not None and first.op == STREAM_ROW else None

    @property
    def order_end(self) -> int:
        """The number at the end of each order, above those of all calls."""
        return _order_end(self.steps)

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls of all steps."""
        return tuple(call for step in self.steps for call in step)

    def place(self, operand: Operand) -> Operand:
        """Where kernels find an operand: in an arena, if `init` copies it there."""
        is_copied = operand.location == "constant" and bool(self.copied)
        return self.copied[operand.where] if is_copied else operand

    def operands(self, calls: Iterable[Call]) -> Iterator[Operand]:
        """The arguments of calls; no kernel reads the rows of a streamed input."""
        for call in calls:
            read = () if call is self.streamed else call.inputs
            yield from map(self.place, (*read, *call.written))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the model; an inference has `extra_macs` more."""
        return sum(call.macs for call in self.calls)

    @property
    def extra_macs(self) -> int:
        """Multiply-accumulates that tiles of patch stages compute once more."""
        return sum(call.extra_macs for call in self.calls)

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights, biases, multipliers and tables in flash."""
        return sum(constant.nbytes for constant in self.constants)


def read_program(mod: IRModule, name: str) -> Program:
    """The program of a module that `pipeline` has lowered and planned; name: a C identifier."""
    attrs = mod["main"].attrs
    graph = read_graph(mod)
    plan = MemoryPlan.from_json(str(attrs[MEMORY_PLAN]))
    interface = Interface.from_json(str(attrs[INTERFACE]))
    places = _Places(graph, plan)
    counter = itertools.count()
    backward = set(plan.backward)
    steps = tuple(
        tuple(_calls(step, graph, places, counter, step.index in backward)) for step in graph.steps
    )
    writes = {c.function: len(c.written) for step in steps for c in step if c.op != STREAM_ROW}
    program = Program(
        name=name,
        interface=interface,
        io_in_arena=all(
            i in plan.offsets or i in graph.streamed for i in graph.inputs + graph.outputs
        ),
        workspace_bytes=plan.workspace_bytes,
        input_offsets=tuple(plan.offsets.get(i) for i in graph.inputs),
        output_offsets=tuple(plan.offsets.get(i) for i in graph.outputs),
        input_pools=tuple(map(plan.pool, graph.inputs)),
        output_pools=tuple(map(plan.pool, graph.outputs)),
        copied=places.copied,
        pools=plan.pools,
        weights_section=plan.weights_section,
        constants=places.constants,
        steps=steps,
        orders=tuple(_order(step.stage, _order_end(steps)) for step in graph.steps),
        kernels=print_kernels(mod, writes, f"tvmgen_{name}_"),
        input_names=c_identifiers(p.name for p in interface.inputs),
        output_names=c_identifiers(p.name for p in interface.outputs),
    )
    return _with_state(program, state_bytes(graph)) if graph.streamed else program


def _with_state(program: Program, size: int) -> Program:
    """The program with room for its progress behind everything else of the first arena."""
    program = replace(program, state_bytes=size)
    if not program.pools:
        offset = program.workspace_bytes
        return replace(program, workspace_bytes=align(offset + size), state_offset=offset)
    first, *rest = program.pools
    offset = align(first.bytes)
    pools = (replace(first, bytes=align(offset + size)), *rest)
    total = sum(pool.bytes for pool in pools)
    return replace(program, pools=pools, workspace_bytes=total, state_offset=offset)


def _order_end(steps: Sequence[Sequence[Call]]) -> int:
    return max(map(len, steps), default=0)


def _order(stage: Stage | None, end: int) -> OrderTable | None:
    """The table of a stage's order; None for layers and kernels of TVM's own."""
    if stage is None or (len(stage.operators) == 1 and stage.tiles is None):
        return None
    orders = [looped([k for k, _ in plain_order(part)]) for part in stage.parts()]
    return order_table(orders, end)


def _calls(
    step: Step, graph: Graph, places: _Places, counter: Iterator[int], backward: bool
) -> Iterator[Call]:
    """The calls of a step: one for each of its operators, or TVM's own kernel."""
    if step.stage is None:
        inputs, outputs = map(places.operand, step.inputs), map(places.operand, step.outputs)
        shape = graph.storage[step.outputs[0]].shape
        operands = tuple(inputs), tuple(outputs)
        yield Call(next(counter), step.name, step.op, step.function, step.macs, *operands, shape)
        return
    for position, operator in enumerate(step.operators):
        result = graph.storage[operator.output]
        yield Call(
            index=next(counter),
            name=operator.name,
            op=operator.row_op.op,
            function=operator.row_op.kernel,
            macs=operator.row_op.macs,
            inputs=tuple(map(places.operand, operator.inputs)),
            outputs=(places.result(operator),),
            scratch=places.scratch(operator),
            shape=_whole_shape(result, operator),
            events=operator.row_op.events,
            row_bytes=result.row_bytes,
            buffer_rows=result.buffer_rows,
            rows=result.rows,
            backward=backward,
            moves=tuple(_moves(step.stage, position, graph, operator)),
            patches=_patches(step.stage, position, graph.storage[operator.inputs[-1]]),
            extra_macs=operator.row_op.extra_macs,
        )


def _moves(stage: Stage, position: int, graph: Graph, operator: Operator) -> Iterator[Move | None]:
    """For each operand, then the result, how its rows move; a shift itself sees memory."""
    planned = stage.operators[position]
    parameters = (*planned.operands, planned.result)
    for parameter, index in zip(parameters, (*operator.inputs, operator.output), strict=True):
        storage = graph.storage[index]
        if parameter in stage.skews:
            writer = stage.producer_of(parameter)
            # A reader reads the row that was made last.
            yield Move(writer, 0 if writer == position else -storage.skew, storage.skew)
        elif parameter not in stage.shifts or planned.op == SHIFT:
            yield None
        else:
            size = storage.row_bytes
            yield Move(stage.shifts[parameter], stage.lead(parameter) * size, -size)


def _whole_shape(result: Storage, operator: Operator) -> tuple[int, ...]:
    """The shape of a result; its memory may have fewer rows and columns."""
    columns = operator.row_op.columns
    if result.buffer_rows >= result.rows and columns is None:
        return result.shape
    _, inner = row_split(result.shape)
    return (result.rows, *inner) if columns is None else (result.rows, columns.count, *inner[1:])


def _patches(stage: Stage, position: int, integers: Storage) -> Patches | None:
    if stage.tiles is None:
        return None
    columns = stage.tiles.columns[position]
    line = math.prod(integers.shape) // len(columns)
    narrow = stage.operators[position].result in stage.widths
    return Patches(stage.tiles.events[position], columns, line, narrow)


class _Places:
    """Where each storage is: in an arena, in flash, or with the caller.

    copied: where each constant is in an arena; empty if constants stay in flash.
    """

    def __init__(self, graph: Graph, plan: MemoryPlan) -> None:
        self._graph, self._plan = graph, plan
        constants = [s for s in graph.storage if s.array is not None]
        self._constants = {s.index: position for position, s in enumerate(constants)}
        self.constants = tuple(s.array for s in constants if s.array is not None)
        self.copied = tuple(self._in_arena(s) for s in constants if s.index in plan.offsets)

    def operand(self, index: int) -> Operand:
        storage: Storage = self._graph.storage[index]
        if index in self._constants:
            return Operand("constant", self._constants[index], storage.dtype, storage.bytes)
        if index in self._plan.offsets:
            return self._in_arena(storage)
        if index in self._graph.inputs:
            where = self._graph.inputs.index(index)
            return Operand("input", where, storage.dtype, storage.bytes)
        return Operand("output", self._graph.outputs.index(index), storage.dtype, storage.bytes)

    def result(self, operator: Operator) -> Operand:
        """The result of an operator; a shift moves it in words."""
        place = self.operand(operator.output)
        if operator.row_op.op != SHIFT:
            return place
        word = word_bytes(self._graph.storage[operator.output].row_bytes)
        return replace(place, dtype=f"int{8 * word}")

    def scratch(self, operator: Operator) -> Operand | None:
        """The scratch memory of an operator's kernel, in the kernel's type."""
        if operator.scratch is None:
            return None
        return replace(self.operand(operator.scratch), dtype=operator.row_op.scratch_type)

    def _in_arena(self, storage: Storage) -> Operand:
        offset, pool = self._plan.offsets[storage.index], self._plan.pool(storage.index)
        return Operand("arena", offset, storage.dtype, storage.bytes, pool)
