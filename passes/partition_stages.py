"""PartitionStages: which operators run as one stage, for a memory budget or the least memory."""

from __future__ import annotations

import tvm
from tvm.ir import IRModule

from tvm_tiny.network import read_network
from tvm_tiny.partition import Search

from .running_sums import RunningSums
from .stream_input import StreamInput
from .stream_stages import StreamStages
from .subsample_shortcuts import SubsampleShortcuts


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.PartitionStages")
class PartitionStages:
    """Choose the stages, and make them.

    stream_input: take the input row by row (`StreamInput`). sram: bytes the arena may have; the stages of least overhead with which it fits are taken,
    none if it fits layer by layer, and those of least memory if it does not fit at all.
    minimize: take the stages of least memory in any case.

    Requires: integer operators in main, in the order in which they are to run.
    Ensures: what StreamStages ensures.
    Does nothing when: there is neither a budget nor `minimize`, or layer by layer fits.
    """

    def __init__(
        self,
        sram: int | None = None,
        minimize: bool = False,
        io_in_arena: bool = True,
        stream_input: bool = False,
    ) -> None:
        self.sram = sram
        self.minimize = minimize
        self.io_in_arena = io_in_arena
        self.stream_input = stream_input

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Search and rewrite; the module given is not changed."""
        mod = StreamInput()(mod) if self.stream_input else mod
        if self.sram is None and not self.minimize and not self.stream_input:
            return mod
        if self.sram is not None and not self.minimize:
            if Search(read_network(mod), self.io_in_arena).layers().bytes <= self.sram:
                return mod
        split = SubsampleShortcuts()(RunningSums()(mod))
        search = Search(read_network(split), self.io_in_arena)
        search_least = self.minimize or self.sram is None
        fitting = None if search_least else search.within(self.sram)
        found = fitting or search.least()
        stages = [(first, last) for first, last in found.ranges if last > first]
        return StreamStages(stages)(split) if stages else mod
