"""The parameters of a stage's function: tensors, constants, arrays of integers and scratch.

They come in this order: what main passes, an array of integers for each operator that needs one,
a table for each line buffer that shifts, the stage's results, its line buffers, scratch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tvm import relax
from tvm.ir import Call, Expr, GenericConst

from tvm_tiny.schedules.addressing import OUT
from tvm_tiny.schedules.portable.shift import shift_table
from tvm_tiny.schedules.shapes import Spec, memory_shape, spec
from tvm_tiny.schedules.stages.builder import StageTensor, build_stage, renumbered
from tvm_tiny.schedules.stages.line_buffers import first_kept
from tvm_tiny.schedules.stages.stage import SHIFT, BufferPolicy, Operator, Stage
from tvm_tiny.schedules.stages.tiles import lines

from .row_kernels import (
    describe,
    describe_columns,
    factory_of,
    line_buffer_operands,
    row_bytes,
    scratch_of,
)

# An operator of a stage: the variable that stands for its result, and its call.
Body = Sequence[tuple[relax.Var, Call]]


@dataclass(frozen=True)
class StageParameters:
    """A stage, and the expressions of main that its parameters stand for.

    stage: without the names of its kernels. outside: the tensors and constants that main passes.
    owners: the variables that have memory of their own, the stage's results first; first: the
    number of the first of them.
    """

    body: Body
    stage: Stage
    outside: Sequence[Expr]
    owners: Sequence[relax.Var]
    first: int

    def operands(self) -> list[Expr]:
        """The arguments of main's call: tensors, constants and arrays of integers."""
        arrays = [*self._integers(), *self._shift_tables()]
        return [*self.outside, *map(relax.const, arrays)]

    def results(self) -> list[Spec]:
        """Shapes and types of what the call allocates: results, line buffers, scratch."""
        specs = [self._memory(var, self.first + k) for k, var in enumerate(self.owners)]
        scratch = _scratch_bytes(self.body)
        return [*specs, ((scratch,), "int8")] if scratch else specs

    def _memory(self, var: relax.Var, parameter: int) -> Spec:
        stage, (shape, dtype) = self.stage, spec(var)
        rows, width = stage.line_buffers.get(parameter), stage.widths.get(parameter)
        if parameter in stage.skews:
            # The rows of memory from the first place of the tensor's one row to its last place.
            way = stage.skews[parameter] * (stage.rows[parameter] - 1)
            rows = 1 - -way // row_bytes(var)
        return memory_shape(shape, rows, width), dtype

    def calls(self) -> list[Call | None]:
        """The call behind each of the stage's operators; None where it shifts a line buffer."""
        own = (call for _, call in self.body)
        return [None if o.op == SHIFT else next(own) for o in self.stage.operators]

    def _integers(self) -> list[np.ndarray]:
        return [
            array for k, call in enumerate(self.calls()) for array in self._integers_of(k, call)
        ]

    def _integers_of(self, position: int, call: Call | None) -> Sequence[np.ndarray]:
        """The integers of an operator: scalars, rows of line buffers, a line for each tile."""
        stage = self.stage
        if call is None or not _has_integers(call, tiled=stage.tiles is not None):
            return []
        factory, operator = factory_of(call), stage.operators[position]
        turning = {p: rows for p, rows in stage.line_buffers.items() if p not in stage.shifts}
        places = {OUT: operator.result} | dict(enumerate(operator.operands))
        sizes = factory.whole(call)
        sizes |= {k: turning[places[k]] for k in sizes if places[k] in turning}
        return factory.integers(call, sizes, () if stage.tiles is None else lines(stage, position))

    def _shift_tables(self) -> Iterator[np.ndarray]:
        for tensor, k in self.stage.shifts.items():
            rows = self.stage.line_buffers[tensor]
            yield shift_table(rows, self.shifted_bytes(tensor), first_kept(self.stage, k))

    def shifted_bytes(self, parameter: int) -> int:
        """Bytes of a row of a line buffer that shifts."""
        made = zip(self.calls(), self.stage.operators, strict=True)
        return next(
            row_bytes(call) for call, o in made if call is not None and o.result == parameter
        )


def stage_parameters(
    body: Body, results: Sequence[relax.Var], policy: BufferPolicy
) -> StageParameters:
    """The stage of some operators, with its parameters numbered as its function takes them.

    results: those of the operators' variables that are used elsewhere.
    """
    made = [var for var, _ in body]
    outside = [a for _, call in body for a in call.args if not _among(a, made)]
    outside = [a for k, a in enumerate(outside) if not _among(a, outside[:k])]
    made = [*results, *(var for var in made if not _among(var, results))]
    known = [*outside, *made]
    operators = [_described(var, call, known, policy) for var, call in body]
    if len(body) == 1:
        # A layer goes by the name of the variable it is bound to: equal ones share a function.
        operators = [replace(operators[0], tensor="")]
    tensors = {
        k: _tensor(expr, body, inside=k >= len(outside) + len(results))
        for k, expr in enumerate(known)
        if not isinstance(expr, GenericConst)
    }
    stage = build_stage(operators, tensors, policy)
    kept = [k for k in range(len(outside), len(known)) if k in stage.rows]
    stage, first = _with_arrays(stage, body, len(outside), kept)
    return StageParameters(body, stage, outside, [known[k] for k in kept], first)


def _described(var: relax.Var, call: Call, known: Sequence[Expr], policy: BufferPolicy) -> Operator:
    places = {k: _position(arg, known) for k, arg in enumerate(call.args)}
    columns = describe_columns(call, places) if policy.tiles else None
    described = describe(call, places, _position(var, known))
    return replace(described, tensor=var.name, columns=columns)


def _tensor(expr: Expr, body: Body, *, inside: bool) -> StageTensor:
    return StageTensor(*spec(expr), inside, inside and _can_line_buffer(expr, body))


def _can_line_buffer(var: Expr, body: Body) -> bool:
    """Whether all that write and read the tensor find its rows through a line buffer."""
    for made, call in body:
        uses = [k for k, arg in enumerate(call.args) if arg.same_as(var)]
        uses += [OUT] if made.same_as(var) else []
        if not set(uses) <= set(line_buffer_operands(call)):
            return False
    return True


def _with_arrays(stage: Stage, body: Body, outside: int, kept: Sequence[int]) -> tuple[Stage, int]:
    """The stage with its arrays as parameters, and the number of the next parameter.

    outside: how many parameters come before the arrays. kept: the numbers that tensors with memory
    of their own have had so far.
    """
    tiled = stage.tiles is not None
    tables = outside + sum(_has_integers(call, tiled=tiled) for _, call in body)
    first = tables + len(stage.shifts)
    numbers = {k: k for k in range(outside)} | {p: first + k for k, p in enumerate(kept)}
    stage = renumbered(stage, numbers)
    own, integers, tables_ = iter(body), iter(range(outside, tables)), iter(range(tables, first))
    operators = []
    for operator in stage.operators:
        if operator.op == SHIFT:
            operators.append(_with_array(operator, next(tables_)))
        else:
            _, call = next(own)
            has_integers = _has_integers(call, tiled=tiled)
            operators.append(_with_array(operator, next(integers)) if has_integers else operator)
    scratch = first + len(kept) if _scratch_bytes(body) else None
    return replace(stage, operators=tuple(operators), scratch=scratch), first


def _with_array(operator: Operator, parameter: int) -> Operator:
    """The operator with one more operand, an array of constants."""
    return replace(
        operator,
        operands=(*operator.operands, parameter),
        reads=(*operator.reads, None),
        within=(*operator.within, None),
    )


def _has_integers(call: Call, *, tiled: bool) -> bool:
    return tiled or factory_of(call).addressing(call).integers > 0


def _scratch_bytes(body: Body) -> int:
    """Bytes of the memory that the kernels need while they run, one after the other."""
    wanted = [scratch_of(call) for _, call in body]
    return max(elements * np.dtype(dtype).itemsize for elements, dtype in wanted)


def _position(expr: Expr, known: Sequence[Expr]) -> int:
    return next(k for k, other in enumerate(known) if other.same_as(expr))


def _among(expr: Expr, others: Sequence[Expr]) -> bool:
    return any(expr.same_as(other) for other in others)
