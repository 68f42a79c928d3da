"""The TIR function of a stage: it runs the row kernels of the stage's operators, in order."""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import s_tir, tirx
from tvm.ir import Call, Expr, GlobalVar, PrimType

from .kernel import Spec
from .stage import ATTRIBUTE, Numbers, Stage, runs


def driver(stage: Stage, kernels: Sequence[GlobalVar], specs: Sequence[Spec]) -> tirx.PrimFunc:
    """The function of a stage; kernels: of its operators; specs: of its parameters."""
    buffers = [tirx.decl_buffer(s, d, f"p{k}") for k, (s, d) in enumerate(specs)]
    body = _layer(stage, kernels, buffers) if len(kernels) == 1 else _rows(stage, kernels, buffers)
    # Relax's analyses expect a root block around a function's body.
    root = s_tir.SBlockRealize([], True, s_tir.SBlock([], [], [], "root", body))
    attrs = {"tirx.noalias": True, "s_tir": True, ATTRIBUTE: stage.to_json()}
    return tirx.PrimFunc(buffers, root, None, tvm.ir.make_node("ir.DictAttrs", **attrs))


def _run(
    stage: Stage, k: int, kernel: GlobalVar, buffers: Sequence[tirx.Var], event: Expr
) -> tirx.Stmt:
    operator = stage.operators[k]
    pointers = [buffers[p].data for p in (*operator.operands, operator.result)]
    return tirx.Evaluate(Call(kernel, [*pointers, event], ret_ty=PrimType("int32")))


def _layer(stage: Stage, kernels: Sequence[GlobalVar], buffers: Sequence[tirx.Var]) -> tirx.Stmt:
    """One operator: all its rows in order."""
    row = tirx.Var("row", "int32")
    body = _run(stage, 0, kernels[0], buffers, row)
    return tirx.For(row, 0, stage.operators[0].events, tirx.ForKind.SERIAL, body)


def _rows(stage: Stage, kernels: Sequence[GlobalVar], buffers: Sequence[tirx.Var]) -> tirx.Stmt:
    """Several operators: as long as one is ready, a row of the last such one."""
    count = len(kernels)
    done = tirx.decl_buffer((count,), "int32", "done")
    running = tirx.decl_buffer((1,), "int32", "running")
    zero, one = tirx.const(0, "int32"), tirx.const(1, "int32")
    turn: tirx.Stmt = tirx.BufferStore(running, zero, [zero])
    for k in range(count):
        event = done[k]
        step = tirx.SeqStmt(
            [
                _run(stage, k, kernels[k], buffers, event),
                tirx.BufferStore(done, event + 1, [tirx.const(k, "int32")]),
            ]
        )
        turn = tirx.IfThenElse(_ready(stage, k, done), step, turn)
    start = [tirx.BufferStore(done, zero, [tirx.const(k, "int32")]) for k in range(count)]
    loop = tirx.While(running[0] != 0, turn)
    body = tirx.SeqStmt([*start, tirx.BufferStore(running, one, [zero]), loop])
    return s_tir.SBlockRealize(
        [], True, s_tir.SBlock([], [], [], "stage", body, None, [done, running])
    )


def _ready(stage: Stage, k: int, done: tirx.Var) -> Expr:
    event = done[k]
    conditions = [event < stage.operators[k].events]
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
