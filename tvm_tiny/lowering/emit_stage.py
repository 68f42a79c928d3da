"""One step of a lowered main: integer operators, their row kernels and what drives them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tvm import relax, tirx
from tvm.ir import Call, Expr, GlobalVar, TupleGetItem

from tvm_tiny.schedules import packed, portable  # noqa: F401  they register the row kernels
from tvm_tiny.schedules.addressing import OUT, Pitches
from tvm_tiny.schedules.portable.convolution import CONVOLUTION_SCALARS
from tvm_tiny.schedules.portable.planes import depthwise_planes
from tvm_tiny.schedules.shapes import shape_of, spec
from tvm_tiny.schedules.stages.driver import driver
from tvm_tiny.schedules.stages.stage import SHIFT, STEADY, BufferPolicy, Stage

from .row_kernels import lowered, lowered_shift, short_name
from .stage_parameters import Body, StageParameters, stage_parameters

# Attributes of functions that run one operator without row kernels: what it is, and whether its
# first result is the memory of its first operand.
OP, MACS, IN_PLACE = "tvm_tiny.op", "tvm_tiny.macs", "tvm_tiny.in_place"


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
    parameters = stage_parameters(body, results, policy)
    stage = parameters.stage
    kernels = [
        builder.add_func(_kernel(parameters, k, call), _kernel_name(call))
        for k, call in enumerate(parameters.calls())
    ]
    operands, allocated = parameters.operands(), parameters.results()
    specs = [*map(spec, operands), *allocated]
    function = builder.add_func(driver(_with_kernels(stage, kernels), kernels, specs), name)
    types = [relax.TensorType(list(shape), dtype) for shape, dtype in allocated]
    called = relax.op.call_tir(function, operands, types if len(types) > 1 else types[0])
    if len(types) == 1:
        return [called]
    step = builder.emit(called, name_hint=name)
    return [TupleGetItem(step, k) for k in range(len(results))]


def _kernel(parameters: StageParameters, k: int, call: Call | None) -> tirx.PrimFunc:
    """The row kernel of an operator of a stage."""
    if call is not None:
        return lowered(call, _pitches(parameters.stage, k))
    size = parameters.shifted_bytes(parameters.stage.operators[k].result)
    return lowered_shift(size, [own for _, own in parameters.body])


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


def _with_kernels(stage: Stage, kernels: Sequence[GlobalVar]) -> Stage:
    operators = zip(stage.operators, kernels, strict=True)
    named = tuple(replace(operator, kernel=kernel.name_hint) for operator, kernel in operators)
    return replace(stage, operators=named)
