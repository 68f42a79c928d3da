"""PartitionStages: chooses the stages of main for a memory budget or the least memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import tvm
from tvm.ir import GenericConst, IRModule

from tvm_tiny.lowering.streamed_state import state_bytes
from tvm_tiny.planning.network import read_network
from tvm_tiny.planning.partition import Partition
from tvm_tiny.planning.partition_search import Search
from tvm_tiny.planning.patches import SPLITS
from tvm_tiny.planning.pool_plan import copied_bytes, fits
from tvm_tiny.pools import BoardMemory
from tvm_tiny.relax_rewrite import bindings_of
from tvm_tiny.schedules.packed.choice import Choice

from ..copy_tensors import CopyTensors, copied
from ..patch_inference import make_stages
from ..running_sums import RunningSums
from ..select_kernels import PORTABLE, SelectKernels
from ..stream_input import StreamInput
from ..subsample_shortcuts import SubsampleShortcuts
from .scratch_levels import Find, Selected, minimal_scratch_network, select_beside, select_for

# An upper bound of the bytes of a row kernel's integer array.
_INTEGERS = 64


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.PartitionStages")
class PartitionStages:
    """Search for stages that fit a budget or take the least memory, and make them.

    Before::

        a = tvm_tiny.qconv2d(x, ...); b = tvm_tiny.qconv2d(a, ...); y = tvm_tiny.qconv2d(b, ...)

    After::

        b = stage_0(x)         # a private function of two operators: tvm_tiny.form = "stream"
        y = tvm_tiny.packed.qconv2d(b, ...)

    For a budget the search tries, in this order, and ends with the first that fits: layer by
    layer; the stages of least overhead, with fast kernels and then with kernels that need less
    scratch; one tensor copied (`CopyTensors`); stages in patches (`PatchInference`). If nothing
    fits, it takes the stages of least memory. Stages in patches have portable kernels, the only
    ones that can compute parts of rows.

    sram: the budget, in bytes; None sets none. minimize: take the stages of least memory in any
    case, none of them in patches. io_in_arena: the arena holds inputs and outputs, too.
    stream_input: take the input row by row (`StreamInput`). pools: the memory of a board, as budget
    in place of `sram`. kernels: the instruction set, `isa` of `SelectKernels`. choices: those of
    `SelectKernels`.

    Requires: integer operators in main, in the order in which they are to run.
    Ensures: what SelectKernels, CopyTensors, StreamStages and PatchInference ensure.
    Does nothing but SelectKernels when: there is neither a budget nor `minimize`, or layer by
    layer fits.
    """

    def __init__(
        self,
        sram: int | None = None,
        minimize: bool = False,
        io_in_arena: bool = True,
        stream_input: bool = False,
        pools: BoardMemory | None = None,
        kernels: str = PORTABLE,
        choices: Mapping[str, Choice] = MappingProxyType({}),
    ) -> None:
        self.sram = sram
        self.pools = pools
        self.minimize = minimize
        self.io_in_arena = io_in_arena
        self.stream_input = stream_input
        self.kernels = SelectKernels(kernels, choices)

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Search and rewrite; the module given is not changed."""
        mod = _run(mod, StreamInput()) if self.stream_input else mod
        budget = None if self.minimize else self._budget()
        by_layers = _run(mod, self.kernels)
        if budget is None and not self.minimize and not self.stream_input:
            return by_layers
        if budget is not None:
            whole = Search(read_network(by_layers), self.io_in_arena)
            layers = whole.layers()
            if layers.bytes <= budget and self._accepts(by_layers, whole)(layers):
                return by_layers
        split = _run(mod, RunningSums(), SubsampleShortcuts())
        found = None if budget is None else self._select(split, self._within(budget))
        if budget is not None and found is None:
            found = self._copying(split, budget)
        patched = None if budget is None or found is not None else self._patched(split, budget)
        if patched is not None:
            beside = select_beside(split, self.kernels, self.io_in_arena, patched, self._accepts)
            return make_stages(beside.module, beside.partition)
        # `minimize` keeps fast kernels; a budget that nothing fits also takes slower ones.
        least = budget is not None
        found = found or self._select(split, lambda _, search: search.least(), least=least)
        assert found is not None
        is_layers = all(first == last for first, last in found.partition.ranges)
        return found.module if is_layers else make_stages(found.module, found.partition)

    def _select(self, mod: IRModule, find: Find, *, least: bool = False) -> Selected | None:
        has_budget = self._budget() is not None and not self.minimize and not least
        accepts = self._accepts if has_budget else None
        return select_for(mod, self.kernels, self.io_in_arena, find, accepts, least=least)

    def _within(self, budget: int) -> Find:
        return lambda mod, search: search.within(budget, self._accepts(mod, search))

    def _copying(self, mod: IRModule, budget: int) -> Selected | None:
        """A partition that fits with one tensor copied between two steps, or None.

        That helps where each step fits by itself, but a tensor between two of them would have to
        be at two places.
        """
        network = minimal_scratch_network(mod, self.kernels)
        search = Search(network, self.io_in_arena)
        apart = search.each_within(budget)
        if apart is not None:
            apart = search.each_within(budget - state_bytes(search.graph(apart)))
        for name, steps in () if apart is None else copied(network, apart):
            found = self._select(_run(mod, CopyTensors([name])), self._replan(steps))
            if found is not None:
                return found
        return None

    def _replan(self, partition: Partition) -> Find:
        def find(mod: IRModule, search: Search) -> Partition | None:
            found = search.replan(partition)
            return found if self._accepts(mod, search)(found) else None

        return find

    def _patched(self, mod: IRModule, budget: int) -> Partition | None:
        """A partition that fits with some stages in patches, or None."""
        network = read_network(mod, patches=True)
        search = Search(network, self.io_in_arena, SPLITS)
        return search.within(budget, self._accepts(mod, search))

    def _budget(self) -> int | None:
        """The budget: bytes of the arena, or of all pools together; None without one."""
        if self.pools is not None:
            return sum(pool.size for pool in self.pools.pools)
        return self.sram

    def _accepts(self, mod: IRModule, search: Search) -> Callable[[Partition], bool]:
        """A function that says whether a partition of this module fits the budget.

        In pools each tensor has to fit one; otherwise the state of a streamed input counts.
        """
        pools, sram, taken = self.pools, self.sram, _constant_bytes(mod)

        def accepts(found: Partition) -> bool:
            graph = search.graph(found)
            if pools is not None:
                return fits(graph, pools, constant_bytes=taken, io_in_arena=self.io_in_arena)
            return sram is None or found.bytes + state_bytes(graph) <= sram

        return accepts


def _constant_bytes(mod: IRModule) -> int:
    """The bytes of the lowered module's constants, arrays for row kernels included."""
    operators = bindings_of(mod["main"])
    arguments = (a for b in operators for a in getattr(b.value, "args", ()))
    arrays = {
        (str(a.value.dtype), a.value.shape, a.value.numpy().tobytes())
        for a in arguments
        if isinstance(a, GenericConst)
    }
    return copied_bytes([len(data) for *_, data in arrays] + [_INTEGERS] * len(operators))


def _run(mod: IRModule, *passes: Any) -> IRModule:
    """`mod` after these passes."""
    return tvm.transform.Sequential(list(passes))(mod)
