"""Faults for the numbers that generated C is driven by, as changes of a program; some do no harm.

The C generator prints a changed program, and the checker is handed it, as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TypeVar

import numpy as np

from tvm_tiny.aot.program import Call, Program

T = TypeVar("T")
Mutation = Callable[[Random, Program], Program | None]


def put(items: tuple[T, ...], position: int, item: T) -> tuple[T, ...]:
    return (*items[:position], item, *items[position + 1 :])


def nearby(random: Random, where: int, by: int) -> int:
    """Another place, a little lower or higher, that is not negative."""
    return where + (random.choice([-by, by]) if where >= by else by)


def with_call(program: Program, old: Call, new: Call) -> Program:
    steps = (tuple(new if call is old else call for call in calls) for calls in program.steps)
    return replace(program, steps=tuple(steps))


def _table(random: Random, program: Program) -> int | None:
    tables = [k for k, order in enumerate(program.orders) if order is not None]
    return random.choice(tables) if tables else None


def other_number(random: Random, program: Program) -> Program | None:
    """A number in the table of an order is another one."""
    index = _table(random, program)
    if index is None:
        return None
    order = program.orders[index]
    place, end = random.randrange(len(order.numbers)), program.order_end
    near = nearby(random, order.numbers[place], 1)
    number = random.choice([near, random.randrange(end), end, end + 1, end + 2])
    changed = replace(order, numbers=put(order.numbers, place, number))
    return replace(program, orders=put(program.orders, index, changed))


def swapped(random: Random, program: Program) -> Program | None:
    """Two numbers beside each other in the table of an order are exchanged."""
    index = _table(random, program)
    if index is None:
        return None
    order = program.orders[index]
    numbers = [*order.numbers]
    place = random.randrange(len(numbers) - 1)
    numbers[place : place + 2] = numbers[place + 1], numbers[place]
    changed = replace(order, numbers=tuple(numbers))
    return replace(program, orders=put(program.orders, index, changed))


def other_start(random: Random, program: Program) -> Program | None:
    """The order of a row of tiles begins elsewhere."""
    index = _table(random, program)
    if index is None or not any(call.patches for call in program.steps[index]):
        return None
    order = program.orders[index]
    row = random.randrange(len(order.starts))
    start = random.randrange(len(order.numbers))
    changed = replace(order, starts=put(order.starts, row, start))
    return replace(program, orders=put(program.orders, index, changed))


def other_tile(random: Random, program: Program) -> Program | None:
    """The first row of a tile, or the length of its lines of integers, is another one."""
    calls = [call for call in program.calls if call.patches is not None]
    if not calls:
        return None
    call = random.choice(calls)
    patches, by = call.patches, random.choice([-1, 1])
    row = random.randrange(len(patches.events))
    first, end = patches.events[row]
    moved = replace(patches, events=put(patches.events, row, (max(first + by, 0), end)))
    longer = replace(patches, line=patches.line + by)
    return with_call(program, call, replace(call, patches=random.choice([moved, longer])))


def other_integer(random: Random, program: Program) -> Program | None:
    """A line buffer's size, a tile's column, which rows shift, or another integer is wrong."""
    arrays = [k for k, a in enumerate(program.constants) if a.dtype == np.int32 and a.size]
    if not arrays:
        return None
    index = random.choice(arrays)
    array = program.constants[index].copy()
    array.reshape(-1)[random.randrange(array.size)] += random.choice([-1, 1])
    return replace(program, constants=put(program.constants, index, array))


def other_move(random: Random, program: Program) -> Program | None:
    """A pointer that moves with the rows begins elsewhere, or goes with another call or faster."""
    calls = [call for call in program.calls if any(call.moves)]
    if not calls:
        return None
    call = random.choice(calls)
    position = random.choice([k for k, move in enumerate(call.moves) if move is not None])
    move, by = call.moves[position], random.choice([-8, 8])
    changed = random.choice(
        [
            replace(move, first=move.first + by),
            replace(move, step=move.step + by),
            replace(move, position=max(move.position + by // 8, 0)),
            None,
        ]
    )
    return with_call(program, call, replace(call, moves=put(call.moves, position, changed)))


def other_place(random: Random, program: Program) -> Program | None:
    """An argument of a kernel is elsewhere."""
    call = random.choice(program.calls)
    places = [k for k, operand in enumerate(call.inputs) if operand.location != "input"]
    if call is program.streamed or not places or random.random() < 0.5:
        result = replace(call.outputs[0], where=nearby(random, call.outputs[0].where, 8))
        return with_call(program, call, replace(call, outputs=put(call.outputs, 0, result)))
    position = random.choice(places)
    operand = call.inputs[position]
    if operand.location == "arena":
        moved = replace(operand, where=nearby(random, operand.where, 8))
    else:
        moved = replace(operand, where=nearby(random, operand.where, 1) % len(program.constants))
    return with_call(program, call, replace(call, inputs=put(call.inputs, position, moved)))


def other_rows(random: Random, program: Program) -> Program | None:
    """A layer runs the other way or another number of times; rows come to other places."""
    layers = [
        call
        for calls, order in zip(program.steps, program.orders, strict=True)
        for call in calls
        if order is None and call.events is not None
    ]
    pushed = program.streamed
    if pushed is not None and random.random() < 0.5:
        of_row = replace(pushed, row_bytes=nearby(random, pushed.row_bytes, 1))
        of_ring = replace(pushed, buffer_rows=nearby(random, pushed.buffer_rows, 1) or 9)
        return with_call(program, pushed, of_row if any(pushed.moves) else of_ring)
    if not layers:
        return None
    call = random.choice(layers)
    turned = replace(call, backward=not call.backward)
    longer = replace(call, events=nearby(random, call.events, 1))
    changed = random.choice([turned, longer]) if call.events > 1 else longer
    return with_call(program, call, changed)


def other_port(random: Random, program: Program) -> Program | None:
    """Callers find an input or output elsewhere, or a constant is copied elsewhere."""
    if program.copied and random.random() < 0.5:
        index = random.randrange(len(program.copied))
        operand = program.copied[index]
        moved = replace(operand, where=nearby(random, operand.where, 8))
        return replace(program, copied=put(program.copied, index, moved))
    field = random.choice(["input_offsets", "output_offsets"])
    offsets = getattr(program, field)
    places = [k for k, offset in enumerate(offsets) if offset is not None]
    if not places:
        return None
    index = random.choice(places)
    return replace(program, **{field: put(offsets, index, nearby(random, offsets[index], 8))})


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        other_number,
        swapped,
        other_start,
        other_tile,
        other_integer,
        other_move,
        other_place,
        other_rows,
        other_port,
    )
}
