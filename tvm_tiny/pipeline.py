"""The pass pipeline, a list of passes to read from top to bottom."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import tvm
import tvm_ffi
from tvm.relax.pipeline import register_pipeline

from . import errors, transform
from .arguments import (
    check_bytes,
    check_flags,
    check_kernels,
    check_memory,
    check_stages,
    read_target,
)
from .pools import BoardMemory
from .schedules.packed.choice import Choice
from .targets import Target
from .text import did_you_mean

# Lets errors that are raised inside a pass come back through TVM with their own class.
for _error in (errors.TvmTinyError, *errors.TvmTinyError.__subclasses__()):
    tvm_ffi.register_error(_error)


def pipeline(
    *,
    target: str | Target | tvm.target.Target | None = None,
    fold_edges: bool = True,
    io_in_arena: bool = True,
    sram: int | None = None,
    minimize: bool = False,
    stream_input: bool = False,
    stages: Sequence[tuple[str, str]] = (),
    pools: BoardMemory | None = None,
    kernels: str | None = None,
    choices: Mapping[str, Choice] = MappingProxyType({}),
) -> tvm.transform.Sequential:
    """The passes from QDQ Relax to a module that the C generator takes.

    target        the processor, see `build`; None: any processor, with portable kernels
    fold_edges    let the C take and give int8 NHWC tensors where the model has float or NCHW ones
                  around a quantize or dequantize
    io_in_arena   plan inputs and outputs into the arena
    sram          budget for the arena in bytes; minimize: least memory; see `PartitionStages`
    stream_input  take the input row by row; needs `io_in_arena`, see `StreamInput`
    stages        pairs of the names of a stage's first and last result, instead of a search for
                  stages; see `StreamStages`
    pools         memory of a board, instead of one arena and as a budget
    kernels       micro-kernels other than the target's; choices: see `SelectKernels`

    Raises DataError for values of wrong types, kernels that the target cannot run, `stages`
    together with `minimize`, and `pools` together with `sram`.

    Every pass leaves a valid module that runs on Relax's virtual machine.
    """
    found = None if target is None else read_target(target)
    chosen = check_kernels(kernels, found)
    check_bytes("sram", sram)
    check_flags(
        fold_edges=fold_edges, io_in_arena=io_in_arena, minimize=minimize, stream_input=stream_input
    )
    check_stages(stages)
    check_memory(pools, choices)
    if pools is not None and sram is not None:
        raise errors.DataError("the memory pools say how much SRAM there is: leave out sram")
    if stream_input and not io_in_arena:
        raise errors.DataError(
            "streamed input: rows and outputs lie in the arena; leave out --no-io-in-arena"
        )
    return tvm.transform.Sequential(
        [
            *_integers(fold_edges, io_in_arena),
            # Phase 3: memory and kernels.
            *_partition(
                sram, minimize, io_in_arena, stream_input, stages, pools, (chosen, choices)
            ),
            transform.LowerToRowKernels(),
            transform.HoistScratch(),
            transform.PlanMemory(io_in_arena, pools),
        ],
        name="tvm_tiny",
    )


def operators_pipeline(
    *, fold_edges: bool = True, io_in_arena: bool = True, stream_input: bool = False
) -> tvm.transform.Sequential:
    """The passes up to the operators that stages are made of; see `pipeline`."""
    passes = [*_integers(fold_edges, io_in_arena), *_operators(stream_input)]
    return tvm.transform.Sequential(passes, name="tvm_tiny_operators")


def _integers(fold_edges: bool, io_in_arena: bool) -> list[tvm.transform.Pass]:
    return [
        # Phase 1: one canonical QDQ form.
        transform.ConvertLayout(),
        transform.FoldEdges(fold_edges),
        # Phase 2: integers. From here on every pass keeps every byte.
        transform.LowerQDQ(),
        transform.FuseOperators(),
        transform.FoldConstantChannels(),
        transform.MaterializeOutputs(),
        transform.MemoryAwareSchedule(io_in_arena),
    ]


def _operators(stream_input: bool) -> list[tvm.transform.Pass]:
    """The passes that PartitionStages runs before it searches."""
    streamed = [transform.StreamInput()] if stream_input else []
    return [*streamed, transform.RunningSums(), transform.SubsampleShortcuts()]


def _partition(
    sram: int | None,
    minimize: bool,
    io_in_arena: bool,
    stream_input: bool,
    stages: Sequence[tuple[str, str]],
    pools: BoardMemory | None,
    kernels: tuple[str, Mapping[str, Choice]],
) -> list[tvm.transform.Pass]:
    """The passes that make stages: those asked for, or those of a search."""
    if not stages:
        search = transform.PartitionStages(
            sram, minimize, io_in_arena, stream_input, pools, *kernels
        )
        return [search]
    if minimize:
        raise errors.DataError("stages are given, so none are searched: leave out minimize")
    made = [*_operators(stream_input), transform.SelectKernels(*kernels)]
    return [*made, transform.StreamStages(stages)]


_OPTIONS = tuple(inspect.signature(pipeline).parameters)


@register_pipeline("tvm_tiny")
def _registered(**options: Any) -> tvm.transform.Sequential:
    """`relax.get_pipeline("tvm_tiny", target=...)`; options: those of `pipeline`."""
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        hint = did_you_mean(unknown[0], _OPTIONS)
        raise errors.DataError(f"the pipeline has no option {unknown[0]!r}{hint}")
    return pipeline(**options)
