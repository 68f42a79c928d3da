"""One step of a lowered main: integer operators, their row kernels and what drives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tvm import relax, tirx
from tvm.ir import Call, Expr, GenericConst, GlobalVar, TupleGetItem

from tvm_tiny.schedules import packed, portable  # noqa: F401  they register the row kernels
from tvm_tiny.schedules.addressing import OUT, Pitches
from tvm_tiny.schedules.portable.convolution import CONVOLUTION_SCALARS
from tvm_tiny.schedules.portable.planes import depthwise_planes
from tvm_tiny.schedules.portable.shift import shift_table
from tvm_tiny.schedules.shapes import Spec, memory_shape, row_count, shape_of, spec
from tvm_tiny.schedules.stages.driver import driver
from tvm_tiny.schedules.stages.line_buffers import (
    first_kept,
    fit_line_buffers,
    in_place,
    with_shifts,
    with_skews,
)
from tvm_tiny.schedules.stages.stage import (
    SHIFT,
    STEADY,
    BufferPolicy,
    Operator,
    Range,
    Stage,
    Tiles,
)
from tvm_tiny.schedules.stages.tiles import divided, lines, tile, tile_sizes

from .row_kernels import (
    describe,
    describe_columns,
    factory_of,
    line_buffer_operands,
    lowered,
    lowered_shift,
    row_bytes,
    scratch_of,
    short_name,
)

# Attributes of functions that run one operator without row kernels: what it is, and whether its
# first result is the memory of its first operand.
OP, MACS, IN_PLACE = "tvm_tiny.op", "tvm_tiny.macs", "tvm_tiny.in_place"

# An operator of a stage: the variable that stands for its result, and its call.
Body = Sequence[tuple[relax.Var, Call]]


def emit_in_place(builder: relax.BlockBuilder, call: Call) -> Expr:
    """A `qdepthwise_planes` and room for its plane; a kernel of its own, not of rows."""
    attrs = {
        IN_PLACE: True,
        OP: short_name(call),
        MACS: math.prod(shape_of(call)) * math.prod(shape_of(call.args[1])[1:]),
    }
    function = builder.add_func(depthwise_planes(call).with_attr(attrs), short_name(call))
    _, height, width, _ = shape_of(call)
    types = [call.ty, relax.TensorType([height, width], "int8")]
    scalars = np.array([int(call.attrs[name]) for name in CONVOLUTION_SCALARS], dtype="int32")
    called = relax.op.call_tir(function, [*call.args, relax.const(scalars)], types)
    return TupleGetItem(builder.emit(called, name_hint=short_name(call)), 0)


def emit_stage(
    builder: relax.BlockBuilder,
    body: Body,
    results: Sequence[relax.Var],
    name: str,
    policy: BufferPolicy = STEADY,
) -> list[Expr]:
    """Add the functions of a stage to the builder's module; answer its results.

    body: operators in topological order; results: those of their variables that are used
    elsewhere; name: of the stage's function.
    Functions of equal structure are added once: BlockBuilder.add_func compares them.
    """
    parts = _Parts(body, results, policy)
    stage = parts.stage()
    kernels_ = [
        builder.add_func(parts.kernel(stage, k, call), _kernel_name(call))
        for k, call in enumerate(parts.calls(stage))
    ]
    stage = _with_kernels(stage, kernels_)
    specs = parts.specs(stage)
    function = builder.add_func(driver(stage, kernels_, specs), name)
    operands = parts.operands(stage)
    types = [relax.TensorType(list(s), d) for s, d in specs[len(operands) :]]
    called = relax.op.call_tir(function, operands, types if len(types) > 1 else types[0])
    if len(types) == 1:
        return [called]
    step = builder.emit(called, name_hint=name)
    return [TupleGetItem(step, k) for k in range(len(results))]


def _kernel_name(call: Call | None) -> str:
    """Name of an operator's row kernel.

    An operator may share the kernel of `push`; in C `push_row` takes the input.
    """
    if call is None:
        return f"{SHIFT}_rows"
    name = short_name(call)
    return f"{'copy' if name == 'push' else name}_row"


def _pitches(stage: Stage, k: int) -> Pitches | None:
    """See `Addressing`: of the kernel of operator k."""
    if stage.tiles is None:
        return None
    operator = stage.operators[k]
    places = {**dict(enumerate(operator.operands)), OUT: operator.result}
    return {operand: stage.widths[p] for operand, p in places.items() if p in stage.widths}


def _with_kernels(stage: Stage, kernels_: Sequence[GlobalVar]) -> Stage:
    operators = zip(stage.operators, kernels_, strict=True)
    named = tuple(replace(operator, kernel=kernel.name_hint) for operator, kernel in operators)
    return replace(stage, operators=named)


class _Parts:
    """The parameters of a stage's function: operands, integer arrays, results, rings."""

    def __init__(self, body: Body, results: Sequence[relax.Var], policy: BufferPolicy) -> None:
        self._body, self._policy = body, policy
        made = [var for var, _ in body]
        outside = [a for _, call in body for a in call.args if not _among(a, made)]
        self._outside = [a for k, a in enumerate(outside) if not _among(a, outside[:k])]
        self._with_integers = [
            v for v, call in body if policy.tiles or factory_of(call).addressing(call).integers
        ]
        self._results = list(results)
        self._inside = [var for var in made if not _among(var, results)]
        # How many rings move follows from the stage, whose parameters these are.
        steady = policy._replace(shifts=False, skews=False)
        moved = with_shifts(_Parts(body, results, steady).stage()).shifts if policy.shifts else {}
        first = len(self._outside) + len(self._with_integers) + len(moved)
        self._first_made = first
        self._made = {var: first + k for k, var in enumerate([*self._results, *self._inside])}
        self._tiles = self._tiled(policy.tiles) if policy.tiles else None
        shared = self._in_place()
        self._inside = [var for var in self._inside if self._made[var] not in shared]
        numbers = {var: first + k for k, var in enumerate([*self._results, *self._inside])}
        owner = {parameter: var for var, parameter in self._made.items()}
        self._made = {v: numbers[owner[shared.get(p, p)]] for v, p in self._made.items()}

    def _tiled(self, split: Range) -> Tiles:
        operators = [self._operator(var, call) for var, call in self._body]
        whole = {self._made[var]: row_count(shape_of(var)) for var in self._results}
        return tile(operators, whole, split)

    def _in_place(self) -> dict[int, int]:
        operators = [self._operator(var, call) for var, call in self._body]
        inside = [self._made[var] for var in self._inside if self._can_line_buffer(var)]
        forms = {
            p: (row_count(shape_of(v)), row_bytes(v), spec(v)[1]) for v, p in self._made.items()
        }
        if self._tiles is not None:
            narrow = [self._made[var] for var in self._inside]
            return in_place(operators, tile_sizes(operators, self._tiles, forms, narrow), inside)
        return in_place(operators, forms, inside)

    def _parameter(self, expr: Expr) -> int:
        if expr in self._made:
            return self._made[expr]
        return next(k for k, known in enumerate(self._outside) if known.same_as(expr))

    def _integers(self, var: relax.Var) -> int | None:
        found = (k for k, v in enumerate(self._with_integers) if v.same_as(var))
        position = next(found, None)
        return None if position is None else len(self._outside) + position

    def stage(self) -> Stage:
        """The stage, its rings as small as they can be, without the names of its kernels."""
        stage = self._shifting() if self._policy.shifts else self._turning()
        made = {self._made[v]: row_bytes(v) for v in (*self._results, *self._inside)}
        return with_skews(stage, made) if self._policy.skews else stage

    def _shifting(self) -> Stage:
        """The stage with rings whose rows move."""
        stage = with_shifts(self._turning())
        operators = list(stage.operators)
        first = self._first_made - len(stage.shifts)
        for table, k in enumerate(sorted(stage.shifts.values()), first):
            operators[k] = replace(operators[k], operands=(table,), reads=(None,), within=(None,))
        return replace(stage, operators=tuple(operators))

    def _turning(self) -> Stage:
        """The stage with rings that go round."""
        operators = tuple(self._operator(var, call) for var, call in self._body)
        tensors = [a for a in self._outside if not isinstance(a, GenericConst)]
        tensors += [*self._results, *self._inside]
        rows = {self._parameter(t): row_count(shape_of(t)) for t in tensors}
        stage = Stage(operators, rows, {})
        if self._scratch() is not None:
            last = self._first_made
            stage = replace(stage, scratch=last + len(self._results) + len(self._inside))
        if self._tiles is not None:
            stage = divided(stage, self._tiles, [self._made[var] for var in self._inside])
        buffered = {
            self._made[v]: row_bytes(v, stage.widths.get(self._made[v]))
            for v in self._inside
            if self._can_line_buffer(v)
        }
        return fit_line_buffers(stage, buffered)

    def _can_line_buffer(self, var: relax.Var) -> bool:
        """Whether all that write and read the tensor find its rows through a ring."""
        for made, call in self._body:
            buffered = line_buffer_operands(call)
            uses = [k for k, arg in enumerate(call.args) if arg.same_as(var)]
            uses += [OUT] if made.same_as(var) else []
            if any(k not in buffered for k in uses):
                return False
        return True

    def _operator(self, var: relax.Var, call: Call) -> Operator:
        places = {k: self._parameter(arg) for k, arg in enumerate(call.args)}
        described = describe(call, places, self._made[var])
        if self._policy.tiles:
            described = replace(described, columns=describe_columns(call, places))
        integers = self._integers(var)
        extra = () if integers is None else (integers,)
        return replace(
            described,
            # A layer goes by the name of the variable it is bound to: equal ones share a function.
            tensor=var.name if len(self._body) > 1 else "",
            operands=(*described.operands, *extra),
            reads=(*described.reads, *(None for _ in extra)),
            within=(*described.within, *(None for _ in extra)),
        )

    def operands(self, stage: Stage) -> list[Expr]:
        """What main passes: tensors, constants, and each operator's integers."""
        arrays = []
        own = [(k, o) for k, o in enumerate(stage.operators) if o.op != SHIFT]
        turning = {p: rows for p, rows in stage.line_buffers.items() if p not in stage.shifts}
        for (position, operator), (var, call) in zip(own, self._body, strict=True):
            if self._integers(var) is None:
                continue
            factory = factory_of(call)
            places = {OUT: operator.result} | dict(enumerate(operator.operands))
            sizes = factory.whole(call)
            sizes |= {k: turning[places[k]] for k in sizes if places[k] in turning}
            tiles = () if stage.tiles is None else lines(stage, position)
            arrays += factory.integers(call, sizes, tiles)
        for buffer_rows, k in stage.shifts.items():
            size = self._shifted_bytes(buffer_rows)
            arrays.append(shift_table(stage.line_buffers[buffer_rows], size, first_kept(stage, k)))
        return [*self._outside, *map(relax.const, arrays)]

    def calls(self, stage: Stage) -> list[Call | None]:
        """What each of the stage's operators computes; None where it moves rows."""
        own = (call for _, call in self._body)
        return [None if o.op == SHIFT else next(own) for o in stage.operators]

    def kernel(self, stage: Stage, k: int, call: Call | None) -> tirx.PrimFunc:
        """The row kernel of an operator of the stage."""
        if call is not None:
            return lowered(call, _pitches(stage, k))
        size = self._shifted_bytes(stage.operators[k].result)
        return lowered_shift(size, [own for _, own in self._body])

    def _shifted_bytes(self, buffer_rows: int) -> int:
        """Of a row of a ring whose rows move."""
        return next(row_bytes(var) for var, made in self._made.items() if made == buffer_rows)

    def specs(self, stage: Stage) -> list[Spec]:
        """Shapes and types of all parameters; of a ring as many rows as it has."""
        specs = [spec(operand) for operand in self.operands(stage)]
        for var in (*self._results, *self._inside):
            shape, dtype = spec(var)
            rows, width = (kept.get(self._made[var]) for kept in (stage.line_buffers, stage.widths))
            if self._made[var] in stage.skews:
                rows = self._skewed_rows(stage, var)
            specs.append((memory_shape(shape, rows, width), dtype))
        scratch = self._scratch()
        return specs if scratch is None else [*specs, scratch]

    def _skewed_rows(self, stage: Stage, var: relax.Var) -> int:
        """As many rows as there is room for from the first place of a row to the last."""
        tensor = self._made[var]
        skew = stage.skews[tensor] * (stage.rows[tensor] - 1)
        return 1 - -skew // row_bytes(var)

    def _scratch(self) -> Spec | None:
        """Shape and type of the memory that the kernels need while they run."""
        wanted = [scratch_of(call) for _, call in self._body]
        size = max(elements * np.dtype(dtype).itemsize for elements, dtype in wanted)
        return ((size,), "int8") if size else None


def _among(expr: Expr, others: Sequence[Expr]) -> bool:
    return any(expr.same_as(other) for other in others)
