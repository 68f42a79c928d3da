"""Hands over to the checker the numbers that the generated C is filled from."""

from __future__ import annotations

from tvm_tiny.checker import Driver, DriverCall, DriverStep, OrderTable, Pointer
from tvm_tiny.schedules.stages.looped import DEPTH

from .program import Call, Move, Operand, Program


def driver_of(program: Program) -> Driver:
    """The driver of a program, as `checker.check_plan` proves it."""
    state = program.state_offset
    return Driver(
        steps=tuple(_step(program, index) for index in range(len(program.steps))),
        arenas=tuple(pool.bytes for pool in program.pools) or (program.workspace_bytes,),
        constants=program.constants,
        copied=tuple(_pointer(operand) for operand in program.copied),
        inputs=_ports(program.input_offsets, program.input_pools),
        outputs=_ports(program.output_offsets, program.output_pools),
        state=None if state is None else (Pointer("arena", state), program.state_bytes),
    )


def _ports(offsets: tuple[int | None, ...], pools: tuple[int, ...]) -> tuple[Pointer | None, ...]:
    places = zip(offsets, pools, strict=True)
    return tuple(None if at is None else Pointer("arena", at, pool) for at, pool in places)


def _step(program: Program, index: int) -> DriverStep:
    calls, order = program.steps[index], program.orders[index]
    table = None
    if order is not None:
        patches = [call.patches for call in calls if call.patches is not None]
        rows = zip(*(p.events for p in patches), strict=True)
        table = OrderTable(
            numbers=order.numbers,
            end=program.order_end,
            levels=DEPTH,
            starts=order.starts,
            first=tuple(tuple(first for first, _ in row) for row in rows),
            columns=len(patches[0].columns) if patches else 1,
        )
    return DriverStep(tuple(_call(program, call) for call in calls), table)


def _call(program: Program, call: Call) -> DriverCall:
    moves = call.moves or (None,) * (len(call.inputs) + 1)
    result = _pointer(call.outputs[0], moves[-1])
    if call is program.streamed:
        slots = call.buffer_rows if moves[-1] is None else None
        return DriverCall("", (result,), call.events, False, call.row_bytes, slots)
    inputs = [_pointer(*pair) for pair in zip(call.inputs, moves[:-1], strict=True)]
    if call.patches is not None:
        inputs[-1] = _pointer(call.inputs[-1], line=call.patches.line)
    others = map(_pointer, call.written[1:])
    return DriverCall(
        call.function, (*inputs, result, *others), call.events, backward=call.backward
    )


def _pointer(operand: Operand, move: Move | None = None, line: int = 0) -> Pointer:
    first = move.first if move is not None and operand.location == "arena" else 0
    counter, step = (None, 0) if move is None else (move.position, move.step)
    return Pointer(operand.location, operand.where + first, operand.pool, counter, step, line)
