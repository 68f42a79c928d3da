"""Costs of a compiled model: operators, memory, and with a toolchain code and stack."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .aot.program import Call, Operand
from .build import CompiledModel
from .errors import BoardError, BudgetError, ToolchainError
from .lowering.float_cost import FloatCost, read_costs
from .micro import compiler, elf
from .micro.compiler import Unit
from .micro.stack import stack_bound
from .planning.arena_usage import most_by_operator, read_arena_usage
from .targets import Target


@dataclass(frozen=True)
class FloatUse:
    """The reason why an operator runs in float, and the cost.

    instructions  an estimate for the target
    bytes         size of its result in float32
    """

    reason: str
    instructions: int
    bytes: int


@dataclass(frozen=True)
class OperatorCost:
    """Costs of one operator, or of one of TVM's own kernels.

    step                  index of the driver's step, which operators of a stage share
    kernel                name of its C function
    tensor, shape, dtype  its (first) result
    macs                  multiply-accumulates of the model
    extra_macs            further ones that tiles of a patch stage repeat
    parameter_bytes       constants that it reads, each counted at every use
    activation_bytes      bytes that it reads and writes in SRAM
    live_bytes            most bytes of the arena in use while it runs
    arena_offset          offset of its result; None where that is the caller's buffer
    in_float              None for an operator in integers
    """

    index: int
    step: int
    op: str
    kernel: str
    tensor: str
    shape: tuple[int, ...]
    dtype: str
    macs: int
    extra_macs: int
    parameter_bytes: int
    activation_bytes: int
    live_bytes: int
    arena_offset: int | None
    in_float: FloatUse | None


@dataclass(frozen=True)
class Analysis:
    """A model's operators and totals, in bytes.

    arena_lower_bound  no plan of the same steps has a smaller arena than this
    arena_proven       whether no plan of the same steps has a smaller arena than the model's
    """

    operators: tuple[OperatorCost, ...]
    macs: int
    extra_macs: int
    parameter_bytes: int
    arena_bytes: int
    arena_lower_bound: int
    arena_proven: bool


def analyze(model: CompiledModel) -> Analysis:
    """Computes the costs that are known without a C compiler."""
    program = model.program
    arena_usage = read_arena_usage(model.module)
    # The progress of a streamed input lies behind the planned arena, and is always in use.
    state = program.workspace_bytes - arena_usage.plan.workspace_bytes
    # Copied weights are always in use, too.
    kept = state + sum(pool.constants for pool in program.pools)
    live = [used + kept for used in most_by_operator(arena_usage)]
    costs = read_costs(model.module["main"])
    unit = model.target.name == "host" or "fpu" in model.target.features
    calls = [(step, call) for step, calls in enumerate(program.steps) for call in calls]
    return Analysis(
        operators=tuple(
            _operator(call, step, used, _float_use(costs.get(call.name), unit=unit))
            for (step, call), used in zip(calls, live, strict=True)
        ),
        macs=program.macs,
        extra_macs=program.extra_macs,
        parameter_bytes=program.constant_bytes,
        arena_bytes=program.workspace_bytes,
        arena_lower_bound=arena_usage.plan.lower_bound + state,
        arena_proven=arena_usage.plan.optimal,
    )


def _float_use(cost: FloatCost | None, *, unit: bool) -> FloatUse | None:
    if cost is None:
        return None
    return FloatUse(cost.reason, cost.instructions(unit=unit), cost.bytes)


def _operator(call: Call, step: int, live_bytes: int, in_float: FloatUse | None) -> OperatorCost:
    result = call.outputs[0]
    return OperatorCost(
        index=call.index,
        step=step,
        op=call.op,
        kernel=call.function,
        tensor=call.name,
        shape=call.shape,
        dtype=result.dtype,
        macs=call.macs,
        extra_macs=call.extra_macs,
        parameter_bytes=sum(op.bytes for op in call.inputs if op.location == "constant"),
        activation_bytes=sum(map(_activation, (*call.inputs, *call.outputs))),
        live_bytes=live_bytes,
        arena_offset=result.where if result.location == "arena" else None,
        in_float=in_float,
    )


def _activation(operand: Operand) -> int:
    return 0 if operand.location == "constant" else operand.bytes


@dataclass(frozen=True)
class Measurement:
    """Sizes of a model that the target's compiler built; None where a size is unknown.

    flash_bytes  the model's objects, constants included, before a linker drops anything
    code_bytes   the part of flash_bytes that is not constants
    stack_bytes  bound on the stack that the run function needs
    notes        reasons for unknown sizes
    """

    flash_bytes: int | None
    code_bytes: int | None
    stack_bytes: int | None
    notes: tuple[str, ...] = ()


def measure(model: CompiledModel) -> Measurement:
    """Compiles the generated C for the model's target; BoardError if that fails."""
    with tempfile.TemporaryDirectory(prefix="tvm-tiny-") as name:
        folder = Path(name)
        _write(model.files, folder / "mlf")
        try:
            flash = _flash(folder, model.target)
        except ToolchainError as error:
            return Measurement(None, None, None, (f"code and stack not measured: {error}",))
        code = None if flash is None else max(flash - model.constant_bytes, 0)
        try:
            bound = stack_bound(folder / "mlf", model.target.name)
        except (BoardError, ToolchainError) as error:
            return Measurement(flash, code, None, (str(error),))
        return Measurement(flash, code, bound.bytes)


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _flash(folder: Path, target: Target) -> int | None:
    with compiler.runtime_folder() as runtime:
        mlf = folder / "mlf"
        flags = (
            *compiler.model_includes(mlf),
            *compiler.platform_includes(target, runtime),
        )
        units = [Unit(source, flags) for source in compiler.model_sources(mlf)]
        objects = compiler.compile_units(target, units, folder)
    return elf.sizes(objects).flash or None


def check_flash(model: CompiledModel, measured: Measurement, budget: int | None) -> None:
    """BudgetError if the constants and the measured code exceed `budget` bytes."""
    needed = measured.flash_bytes
    if budget is None or needed is None or needed <= budget:
        return
    kibibytes = -(-needed // 1024)
    raise BudgetError(
        f"model '{model.program.name}' needs {needed} bytes of flash on {model.target.name} "
        f"(weights and tables {model.constant_bytes}, code {measured.code_bytes}), the budget is "
        f"{budget}: {needed - budget} too many; --flash {kibibytes}K would fit"
    )
