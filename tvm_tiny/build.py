"""Compiles a module to C, in one call, which `tvm-tiny compile` uses."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import tvm
from tvm.ir import IRModule

from . import aot
from .arguments import check_bytes, check_module, check_name, read_target
from .errors import BudgetError
from .lowering.memory_plan import PoolUse
from .pipeline import pipeline
from .pools import BoardMemory
from .schedules.packed.choice import Choice
from .targets import Target


@dataclass(frozen=True)
class CompiledModel:
    """A model compiled to C, with its sizes and its module after all passes."""

    program: aot.Program
    module: IRModule
    target: Target

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """Every file of the Model Library Format archive, by path."""
        text = self.module.script(show_meta=False)
        return aot.archive_files(self.program, text, self.target.name)

    @property
    def workspace_bytes(self) -> int:
        """Size of the arena or of all pools, with inputs and outputs that lie there."""
        return self.program.workspace_bytes

    @property
    def pools(self) -> tuple[PoolUse, ...]:
        """Bytes used of each pool of the board; empty for a model with one arena."""
        return self.program.pools

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights and tables in flash, without code."""
        return self.program.constant_bytes

    def save(self, path: Path | str, *, folder: bool = False) -> None:
        """Writes the archive (gzip for .gz and .tgz), or its files as a folder."""
        if folder:
            aot.write_folder(self.files, Path(path))
        else:
            aot.write_archive(self.files, Path(path))


def build(
    mod: IRModule,
    target: str | Target | tvm.target.Target = "host",
    *,
    name: str = "default",
    sram: int | None = None,
    flash: int | None = None,
    fold_edges: bool = True,
    io_in_arena: bool = True,
    minimize: bool = False,
    stream_input: bool = False,
    stages: Sequence[tuple[str, str]] = (),
    pools: BoardMemory | None = None,
    kernels: str | None = None,
    choices: Mapping[str, Choice] = MappingProxyType({}),
) -> CompiledModel:
    """Compiles a QDQ Relax module to C for `target`.

    target       a name of `tvm_tiny.targets`, or a TVM Target of kind c or llvm with an mcpu
    name         all symbols begin with tvmgen_<name>_
    sram, flash  budgets in bytes; None: no limit
    pools        memory of a board (`tvm_tiny.pools.read_pools`), instead of one arena
    kernels      micro-kernels: "dsp", "mve", "plain", or "portable" for none; None: those of the
                 target's instruction set
    choices      how to compute products, by key of `passes.select_kernels.workload`

    The other options are those of `pipeline`. Raises DataError for an unknown target, kernels that
    it cannot run, values of wrong types or a bad name, UnsupportedError for a model that cannot be
    compiled, BudgetError where the arena exceeds `sram`, the model does not fit the pools or the
    constants exceed `flash`.
    """
    found = read_target(target)
    check_module(mod)
    check_name(name)
    check_bytes("flash", flash)
    passes = pipeline(
        target=found,
        fold_edges=fold_edges,
        io_in_arena=io_in_arena,
        sram=sram,
        minimize=minimize,
        stream_input=stream_input,
        stages=stages,
        pools=pools,
        kernels=kernels,
        choices=choices,
    )
    lowered = passes(mod)
    program = aot.read_program(lowered, name)
    _check_budget("SRAM", "arena", program.workspace_bytes, sram, name)
    what = "weights and tables, before any code"
    _check_budget("flash", what, program.constant_bytes, flash, name)
    if program.kernels.needs_libm:
        warnings.warn(
            f"model '{name}' computes in float and needs libm: link with -lm", stacklevel=2
        )
    return CompiledModel(program, lowered, found)


def _check_budget(memory: str, what: str, needed: int, budget: int | None, name: str) -> None:
    if budget is None or needed <= budget:
        return
    kibibytes = -(-needed // 1024)
    raise BudgetError(
        f"model '{name}' needs {needed} bytes of {memory} ({what}), the budget is {budget}: "
        f"{needed - budget} too many; --{memory.lower()} {kibibytes}K "
        f"{'or more would fit, for code' if memory == 'flash' else 'would fit'}"
    )
