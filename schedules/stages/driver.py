"""The TIR function of a stage, which runs its operators' row kernels in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tvm
from tvm import s_tir, tirx
from tvm.ir import Call, Expr, GlobalVar, PrimType

from ..shapes import Spec
from .serialization import ATTRIBUTE, runs, to_json
from .stage import SHIFT, Numbers, Stage


def driver(stage: Stage, kernels: Sequence[GlobalVar], specs: Sequence[Spec]) -> tirx.PrimFunc:
    """The function of a stage; kernels: of its operators; specs: of its parameters."""
    buffers = [tirx.decl_buffer(s, d, f"p{k}") for k, (s, d) in enumerate(specs)]
    is_layer = len(kernels) == 1 and stage.tiles is None
    make = _layer if is_layer else _rows if stage.tiles is None else _patches
    body = make(stage, kernels, buffers)
    # Relax's analyses expect a root block around a function's body.
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", body))
    attrs = {"tirx.noalias": True, "s_tir": True, ATTRIBUTE: to_json(stage)}
    return tirx.PrimFunc(buffers, root, None, tvm.ir.make_node("ir.DictAttrs", **attrs))


def _layer(stage: Stage, kernels: Sequence[GlobalVar], buffers: Sequence[tirx.Var]) -> tirx.Stmt:
    """One operator: all its rows in order."""
    row = tirx.Var("row", "int32")
    body = _run(stage, 0, kernels[0], buffers, row)
    return tirx.For(row, 0, stage.operators[0].events, tirx.ForKind.SERIAL, body)


def _rows(stage: Stage, kernels: Sequence[GlobalVar], buffers: Sequence[tirx.Var]) -> tirx.Stmt:
    """Several operators: as long as one is ready, a row of the last such one."""
    spans = [(_number(0), _number(operator.events)) for operator in stage.operators]

    def run(k: int, done: tirx.Var) -> tirx.Stmt:
        return _run(stage, k, kernels[k], buffers, done[k], done=done)

    return _deepest_first(stage, spans, run)


def _patches(stage: Stage, kernels: Sequence[GlobalVar], buffers: Sequence[tirx.Var]) -> tirx.Stmt:
    """One tile after the other, each deepest first.

    Kernels are passed their tile's line of integers.
    """
    assert stage.tiles is not None
    row, column = tirx.Var("tile_row", "int32"), tirx.Var("tile_column", "int32")
    spans = [
        tuple(_piecewise(numbers, row) for numbers in zip(*events, strict=True))
        for events in stage.tiles.events
    ]

    def run(k: int, done: tirx.Var) -> tirx.Stmt:
        return _run(stage, k, kernels[k], buffers, done[k], column)

    body = _deepest_first(stage, spans, run)
    for var, extent in ((column, stage.tiles.split[1]), (row, stage.tiles.split[0])):
        body = tirx.For(var, 0, extent, tirx.ForKind.SERIAL, body)
    return body


def _run(
    stage: Stage,
    k: int,
    kernel: GlobalVar,
    buffers: Sequence[tirx.Var],
    event: Expr,
    line: Expr | None = None,
    done: tirx.Var | None = None,
) -> tirx.Stmt:
    """One event of an operator; line: of its integers; done: of events, see `with_shifts`."""
    operator = stage.operators[k]
    pointers: list[Expr] = [buffers[p].data for p in (*operator.operands, operator.result)]
    if operator.op != SHIFT and done is not None:
        places = enumerate((*operator.operands, operator.result))
        for position, p in places:
            if p in stage.shifts:
                row = stage.lead(p) - done[stage.shifts[p]]
                zeros = [_number(0)] * (len(buffers[p].shape) - 1)
                pointers[position] = tirx.address_of(buffers[p][[row, *zeros]])
            elif p in stage.skews:
                writer = stage.producer_of(p)
                row = done[writer] if writer == k else done[writer] - 1
                zeros = [_number(0)] * (len(buffers[p].shape) - 1)
                skew = stage.skews[p] // np.dtype(str(buffers[p].dtype)).itemsize
                pointers[position] = tirx.address_of(buffers[p][[*zeros, row * _number(skew)]])
    if line is not None:
        integers = buffers[operator.operands[-1]]
        pointers[-2] = tirx.address_of(integers[line, 0])
    if operator.scratch:
        assert stage.scratch is not None, "a stage has scratch for all of its operators"
        pointers.append(buffers[stage.scratch].data)
    return tirx.Evaluate(Call(kernel, [*pointers, event], ret_ty=PrimType("int32")))


def _deepest_first(
    stage: Stage, spans: Sequence[tuple[Expr, ...]], run: Callable[[int, tirx.Var], tirx.Stmt]
) -> tirx.Stmt:
    """As long as an operator is ready, an event of the last such one.

    spans: the first event of each operator, and the one behind its last.
    """
    count = len(stage.operators)
    done = tirx.decl_buffer((count,), "int32", "done")
    running = tirx.decl_buffer((1,), "int32", "running")
    zero = _number(0)
    turn: tirx.Stmt = tirx.BufferStore(running, zero, [zero])
    for k, (_, end) in enumerate(spans):
        event = done[k]
        step = tirx.SeqStmt([run(k, done), tirx.BufferStore(done, event + 1, [_number(k)])])
        turn = tirx.IfThenElse(_ready(stage, k, done, end), step, turn)
    start = [tirx.BufferStore(done, first, [_number(k)]) for k, (first, _) in enumerate(spans)]
    loop = tirx.While(running[0] != 0, turn)
    body = tirx.SeqStmt([*start, tirx.BufferStore(running, _number(1), [zero]), loop])
    return s_tir.SBlockRealize(
        [], True, s_tir.SBlock([], [], [], "stage", body, None, [done, running])
    )


def _ready(stage: Stage, k: int, done: tirx.Var, end: Expr) -> Expr:
    event = done[k]
    conditions = [event < end]
    for producer, needed in stage.needs(k):
        conditions.append(done[producer] >= _piecewise(needed, event))
    return tirx.all(*conditions) if len(conditions) > 1 else conditions[0]


def _piecewise(numbers: Numbers, event: Expr) -> Expr:
    """The number of an event, from the progressions they are made of."""
    result: Expr | None = None
    end = len(numbers)
    for count, first, step in reversed(list(runs(numbers))):
        end -= count
        value = tirx.const(first - step * end, "int32") + event * tirx.const(step, "int32")
        result = value if result is None else tirx.Select(event < end + count, value, result)
    assert result is not None
    return result


def _number(value: int) -> Expr:
    return tirx.const(value, "int32")
