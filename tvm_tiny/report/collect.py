"""Collects all parts of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tvm.ir import IRModule

from tvm_tiny.analysis import analyze, measure
from tvm_tiny.arguments import kernels_of
from tvm_tiny.build import CompiledModel
from tvm_tiny.frontend.quality import Quality
from tvm_tiny.passes.memory_aware_schedule import ATTRIBUTE, OrderReport

from .data import Report
from .pareto import pareto_front
from .picture import draw
from .techniques import techniques

_FRONT_OPTIONS = ("fold_edges", "io_in_arena", "stream_input")


def collect(
    mod: IRModule,
    compiled: CompiledModel,
    options: Mapping[str, Any],
    *,
    model: str,
    front: bool = True,
) -> Report:
    """A report on a QDQ Relax module and what it was compiled to.

    options  the options of `build`
    model    a name for the model, such as the name of its file
    front    also search the trade between SRAM and work, at least as long as `minimize` takes
    """
    kept = {key: options[key] for key in _FRONT_OPTIONS if key in options}
    kept["kernels"] = options.get("kernels") or kernels_of(compiled.target)
    order = OrderReport.from_json(str(compiled.module["main"].attrs[ATTRIBUTE]))
    return Report(
        model=model,
        name=compiled.program.name,
        target=compiled.target.name,
        options=dict(options),
        analysis=analyze(compiled),
        measured=measure(compiled),
        order=order,
        plans=tuple(draw(technique) for technique in techniques(mod, compiled, options)),
        front=tuple(pareto_front(mod, **kept)) if front else None,
        quality=Quality.from_module(mod),
    )
