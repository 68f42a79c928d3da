"""Results of tuning for the layers of a model."""

from __future__ import annotations

from dataclasses import dataclass

from tvm.ir import IRModule

from tvm_tiny.arguments import kernels_of
from tvm_tiny.schedules.packed.choice import Choice

from .firmware import emulated
from .log import Log, Measured, Origin, best
from .versions import compiler_version, kernels_version
from .workloads import read_workloads


@dataclass(frozen=True)
class Tuned:
    """Results for a workload.

    layer     name of its first layer
    layers    number of its layers
    measured  number of candidates that were measured
    """

    layer: str
    layers: int
    measured: int
    default: tuple[Choice, Measured]
    best: tuple[Choice, Measured]


def origin_of(board: str) -> Origin:
    """Origin of measurements on this machine; ToolchainError without a compiler."""
    isa = kernels_of(emulated(board).target)
    return Origin(isa, board, compiler_version(board), kernels_version(isa))


def summarize(module: IRModule, board: str, log: Log) -> list[Tuned]:
    """Results for the workloads of a QDQ Relax module, in the model's order.

    Workloads that were not measured are left out.
    """
    origin = origin_of(board)
    found = []
    for workload in read_workloads(module, origin.isa):
        measured = log.of(origin, workload.key)
        chosen = best(measured)
        if chosen is None:
            continue
        default = workload.default, measured[workload.default]
        entry = (len(measured), default, (chosen, measured[chosen]))
        found.append(Tuned(workload.name, workload.layers, *entry))
    return found
