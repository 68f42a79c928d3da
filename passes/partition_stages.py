"""PartitionStages: which operators run as one stage, for a memory budget or the least memory."""

from __future__ import annotations

from typing import Any

import tvm
from tvm.ir import IRModule

from tvm_tiny.memory import align
from tvm_tiny.network import read_network
from tvm_tiny.partition import Partition, Search
from tvm_tiny.patches import SPLITS

from .patch_inference import make_stages
from .running_sums import RunningSums
from .stream_input import StreamInput
from .subsample_shortcuts import SubsampleShortcuts


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.PartitionStages")
class PartitionStages:
    """Choose the stages, and make them.

    stream_input: take the input row by row (`StreamInput`). sram: bytes the arena may have; the
    stages of least overhead with which it fits are taken, none if it fits layer by layer, some in
    patches (`PatchInference`) if it fits in no other way, and those of least memory if it does
    not fit at all. minimize: take the stages of least memory in any case; none are in patches.

    Requires: integer operators in main, in the order in which they are to run.
    Ensures: what StreamStages and PatchInference ensure.
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
        mod = _run(mod, StreamInput()) if self.stream_input else mod
        if self.sram is None and not self.minimize and not self.stream_input:
            return mod
        network = read_network(mod)
        budget = None if self.minimize or self.sram is None else self.sram
        if budget is not None and self.stream_input:
            # Pushing keeps a counter for each operator of the first stage, and a mark.
            budget -= align(4 * (len(network.nodes) + 1))
        if budget is not None and Search(network, self.io_in_arena).layers().bytes <= budget:
            return mod
        split = _run(mod, RunningSums(), SubsampleShortcuts())
        search = Search(read_network(split), self.io_in_arena)
        found = None if budget is None else search.within(budget) or self._patched(split, budget)
        found = found or search.least()
        is_layers = all(first == last for first, last in found.ranges)
        return mod if is_layers else make_stages(split, found)

    def _patched(self, mod: IRModule, budget: int) -> Partition | None:
        """With some stages in patches, which costs work: only where nothing else fits."""
        network = read_network(mod, patches=True)
        return Search(network, self.io_in_arena, SPLITS).within(budget)


def _run(mod: IRModule, *passes: Any) -> IRModule:
    """`mod` after these passes."""
    return tvm.transform.Sequential(list(passes))(mod)
