"""The pass pipeline: one list, read from top to bottom."""

from __future__ import annotations

import tvm
import tvm_ffi
from tvm.relax.pipeline import register_pipeline

from . import errors, transform

# Errors raised inside a pass come back through TVM as what they are.
for _error in (errors.TvmTinyError, *errors.TvmTinyError.__subclasses__()):
    tvm_ffi.register_error(_error)


def pipeline(
    *,
    fold_edges: bool = True,
    io_in_arena: bool = True,
    sram: int | None = None,
    minimize: bool = False,
    stream_input: bool = False,
) -> tvm.transform.Sequential:
    """The passes from QDQ Relax to a module the C generator takes.

    fold_edges: let the C take and give int8 NHWC tensors where the model has float or NCHW ones
    around a quantize or dequantize. io_in_arena: plan inputs and outputs into the arena.
    sram, minimize: a budget for the arena in bytes, or the least memory; stream_input: take the
    input row by row; see `PartitionStages`.

    Every pass leaves a valid module that runs on Relax's virtual machine.
    """
    return tvm.transform.Sequential(
        [
            # Phase 1: one canonical QDQ form.
            transform.ConvertLayout(),
            transform.FoldEdges(fold_edges),
            # Phase 2: integers. From here on every pass keeps every byte.
            transform.LowerQDQ(),
            transform.FuseOperators(),
            # Phase 3: memory and kernels.
            transform.MaterializeOutputs(),
            transform.MemoryAwareSchedule(io_in_arena),
            transform.PartitionStages(sram, minimize, io_in_arena, stream_input),
            transform.LowerToRowKernels(),
            transform.HoistScratch(),
            transform.PlanMemory(io_in_arena),
        ],
        name="tvm_tiny",
    )


@register_pipeline("tvm_tiny")
def _registered() -> tvm.transform.Sequential:
    """`relax.get_pipeline("tvm_tiny")`."""
    return pipeline()
