"""Line buffers of a stage: their sizes, shifting, skewed allocation, results in place."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from .stage import (
    NOTHING,
    SHIFT,
    STREAM_ROW,
    Numbers,
    Operator,
    Rows,
    Stage,
    plain_order,
    readers_of,
)

# Bytes: every tensor is aligned to so many.
_ALIGNED = 8


def in_place(
    operators: Sequence[Operator], sizes: Mapping[int, object], inside: Collection[int]
) -> dict[int, int]:
    """Tensors that a result can be computed over: parameter -> that of the result.

    sizes: of tensors, such as (rows, bytes of a row, type); inside: those that nothing outside
    the stage reads. The result must be the last to read such a tensor, row by row the same row, of
    the same size, each element read before it is written. A result that others read has memory of
    its own: that may lie over another dying operand, which it could not if this one lay there.
    """
    readers = Counter(p for operator in operators for p in set(operator.operands))
    shared: dict[int, int] = {}
    for operator in operators:
        # The last operand is the one made last: the one before it may be kept for others.
        for position in reversed(range(len(operator.operands))):
            parameter = operator.operands[position]
            alone = parameter in inside and readers[parameter] == 1
            fits = alone and sizes[parameter] == sizes[operator.result]
            fits = fits and operator.result in inside
            if fits and _same_rows(operator, position):
                shared[parameter] = operator.result
                break
    return {parameter: _last(shared, result) for parameter, result in shared.items()}


def _same_rows(operator: Operator, position: int) -> bool:
    reads, within = operator.reads[position], operator.within[position]
    if reads != operator.writes or within is None or operator.accumulates:
        return False
    return max(within) <= 0


def _last(shared: Mapping[int, int], parameter: int) -> int:
    while parameter in shared:
        parameter = shared[parameter]
    return parameter


def share(operators: Sequence[Operator], shared: Mapping[int, int]) -> tuple[Operator, ...]:
    """The operators with the memory of `shared` tensors replaced."""
    return tuple(
        replace(
            operator,
            operands=tuple(shared.get(p, p) for p in operator.operands),
            result=shared.get(operator.result, operator.result),
        )
        for operator in operators
    )


def line_buffer_rows(stage: Stage, parameters: Sequence[int]) -> dict[int, int]:
    """The fewest rows of memory with which tensors inside the stage still work.

    When a row is written, all rows from the first that is still to be read on must be there.
    """
    found = [_line_buffer_rows(part, parameters) for part in stage.parts()]
    return {p: max(rows[p] for rows in found) for p in parameters}


def _line_buffer_rows(stage: Stage, parameters: Sequence[int]) -> dict[int, int]:
    wanted = readers_of(stage, parameters)
    done = [0] * len(stage.operators)
    most = dict.fromkeys(parameters, 1)
    for k, event in plain_order(stage):
        written = stage.operators[k].result
        if written in most:
            lowest = min((rows[done[reader]] for reader, rows in wanted[written]), default=NOTHING)
            writes = stage.operators[k].writes
            rows = writes.end[event] - min(lowest, writes.first[event])
            most[written] = max(most[written], rows)
        done[k] += 1
    return most


def fit_line_buffers(stage: Stage, row_bytes: Mapping[int, int]) -> Stage:
    """The stage with the fewest rows of memory for each tensor inside it.

    row_bytes: of the tensors that can be line buffers. What a branch makes early has to be kept
    until the other branch has caught up; made late, its input has to be kept instead. Each such
    operator is delayed if that takes fewer bytes.
    """
    line_buffers = line_buffer_rows(stage, sorted(row_bytes))
    for operator, delay in list(_delays(stage)):
        needs = [stage.needs(k) for k in range(len(stage.operators))]
        circular = operator in _made_of(needs, delay[0]) or delay[0] in _made_of(needs, operator)
        if circular or stage.operators[operator].result not in row_bytes:
            continue
        other = replace(stage, delays={**stage.delays, operator: delay})
        fewer = line_buffer_rows(other, sorted(row_bytes))
        if _line_buffer_bytes(fewer, row_bytes) < _line_buffer_bytes(line_buffers, row_bytes):
            stage, line_buffers = other, fewer
    return replace(stage, line_buffers={p: r for p, r in line_buffers.items() if r < stage.rows[p]})


def with_shifts(stage: Stage) -> Stage:
    """The stage with line buffers that shift down by one row for each new row.

    In a circular buffer the free row is never at the same place, so nothing else can lie there. In
    a shifting one the end is free until the next row comes, and the start once its rows have been
    read for the last time. That costs a copy of up to all rows but one. The operator that shifts a
    buffer comes behind the one that writes it; after n of its events row r is at `lead` + r - n.
    The first rows that are read together end the buffer.
    """
    moved = {stage.producer_of(p): p for p in stage.line_buffers if stage.can_shift(p)}
    operators: list[Operator] = []
    places = []
    for k, operator in enumerate(stage.operators):
        places.append(len(operators))
        operators.append(operator)
        if k in moved:
            operators.append(_shift(operator, stage.rows[moved[k]] - _first_read(stage, moved[k])))
    delays = {places[k]: (places[other], n) for k, (other, n) in stage.delays.items()}
    return replace(stage, operators=tuple(operators), delays=delays)


def _first_read(stage: Stage, parameter: int) -> int:
    """The number of rows in a line buffer when the first of them is read."""
    ends = (
        rows.end[0]
        for operator in stage.operators
        for operand, rows in zip(operator.operands, operator.reads, strict=True)
        if operand == parameter and rows is not None
    )
    return min(stage.line_buffers[parameter], *ends)


def _shift(writer: Operator, events: int) -> Operator:
    nothing = (0,) * events
    rows = Rows(nothing, nothing)
    return Operator("", SHIFT, writer.tensor, 0, (), writer.result, (), rows, ())


def with_skews(stage: Stage, row_bytes: Mapping[int, int]) -> Stage:
    """The stage with tensors that lie where the next rows of a result will be.

    A whole result grows row by row. An operand that has one row at a time can use the free place
    above the rows already made, each of its rows as much further up as a row of the result has
    bytes: it needs no place of its own. row_bytes: of all that the operators make.
    """
    writers = Counter(operator.result for operator in stage.operators)
    readers = Counter(p for operator in stage.operators for p in set(operator.operands))
    streamed = {operator.result for operator in stage.operators if operator.op == STREAM_ROW}
    skews: dict[int, int] = {}
    for operator in reversed(stage.operators):
        whole = operator.result not in stage.line_buffers
        further = row_bytes[operator.result] if whole else skews.get(operator.result, 0)
        # Other rows would not be aligned as those of a tensor that stays where it is.
        if not (further and operator.in_step) or further % _ALIGNED:
            continue
        for p, rows in zip(operator.operands, operator.reads, strict=True):
            alone = writers[p] == readers[p] == 1 and p not in streamed
            if alone and rows == operator.writes and stage.line_buffers.get(p) == 1:
                skews[p] = further
    return replace(stage, skews=skews)


def first_kept(stage: Stage, operator: int) -> list[int]:
    """The first place that a row is moved to, at each event of a shift."""
    moved = stage.operators[operator].result
    buffer_rows, lead = stage.line_buffers[moved], stage.lead(moved)
    readers = readers_of(stage, [moved])[moved]
    done = [0] * len(stage.operators)
    found = []
    for k, event in plain_order(stage):
        if k == operator:
            lowest = min((rows[done[reader]] for reader, rows in readers), default=NOTHING)
            found.append(min(max(lowest + lead - 1 - event, 0), buffer_rows - 1))
        done[k] += 1
    return found


def _line_buffer_bytes(line_buffers: Mapping[int, int], row_bytes: Mapping[int, int]) -> int:
    """Bytes of the line buffers of several rows.

    Single rows count nothing: they come and go, and can have the same place.
    """
    return sum(rows * row_bytes[p] for p, rows in line_buffers.items() if rows > 1)


def _delays(stage: Stage) -> Iterator[tuple[int, tuple[int, Numbers]]]:
    """Operators of which one other takes the result, row by row, together with another result.

    Their event e may wait for what the taker's event e needs of the other one.
    """
    needs = [stage.needs(k) for k in range(len(stage.operators))]
    takers = Counter(producer for waits in needs for producer, _ in waits)
    for waits in needs:
        for (early, needed), (late, numbers) in itertools.permutations(waits, 2):
            in_step = needed == tuple(range(1, len(needed) + 1))
            if in_step and takers[early] == 1 and needs[early]:
                yield early, (late, numbers)


def _made_of(needs: Sequence[Sequence[tuple[int, Numbers]]], operator: int) -> set[int]:
    """Operators that an operator waits for, and those that they wait for."""
    found: set[int] = set()
    following = [operator]
    while following:
        direct = {producer for producer, _ in needs[following.pop()]} - found
        found |= direct
        following += direct
    return found
