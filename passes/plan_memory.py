"""PlanMemory: byte offsets for every tensor, in one arena or in a board's pools."""

from __future__ import annotations

import tvm
from tvm.ir import IRModule

from tvm_tiny.lowering.graph import read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE
from tvm_tiny.planning.memory import plan
from tvm_tiny.planning.pool_plan import plan_in_pools
from tvm_tiny.pools import BoardMemory
from tvm_tiny.relax_rewrite import with_main


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.PlanMemory")
class PlanMemory:
    """Attach a memory plan to main, as the attribute `tvm_tiny.memory_plan`.

    Before::

        main(x): y = call_tir(qconv2d, (x, ...)); z = call_tir(qadd, (y, ...)); return z

    After: the same, with offsets of x, y and z such that bytes needed at the same time are
    disjoint.

    io_in_arena: place inputs and outputs, too; False leaves them to the caller. pools: the memory
    of a board; None plans one arena, as large as needed.

    Requires: main as LowerToRowKernels leaves it.
    Ensures: every tensor has an aligned offset; with `io_in_arena` inputs and outputs too.
    Does nothing when: never; the attribute is always set.
    Raises: BudgetError where the tensors do not fit the pools.
    """

    def __init__(self, io_in_arena: bool = True, pools: BoardMemory | None = None) -> None:
        self.io_in_arena = io_in_arena
        self.pools = pools

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Set the attribute on a copy of main; the module given is not changed."""
        graph, io_in_arena = read_graph(mod), self.io_in_arena
        found = (
            plan(graph, io_in_arena=io_in_arena)
            if self.pools is None
            else plan_in_pools(graph, self.pools, io_in_arena=io_in_arena)
        )
        return with_main(mod, mod["main"].with_attr(ATTRIBUTE, found.to_json()))
