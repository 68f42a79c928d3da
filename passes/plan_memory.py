"""PlanMemory: byte offsets in one arena for every tensor."""

from __future__ import annotations

import tvm
from tvm.ir import IRModule

from tvm_tiny.graph import read_graph
from tvm_tiny.memory import ATTRIBUTE, plan

from .rebuild import with_main


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.PlanMemory")
class PlanMemory:
    """Attach a memory plan to main, as the attribute `tvm_tiny.memory_plan`.

    Before::

        main(x): y = call_tir(qconv2d, (x, ...)); z = call_tir(qadd, (y, ...)); return z

    After: the same, with offsets of x, y and z such that tensors alive together are disjoint.

    Requires: main as LowerToRowKernels leaves it.
    Ensures: every tensor has an aligned offset; with `io_in_arena` inputs and outputs too.
    Does nothing when: never; the attribute is always set.
    """

    def __init__(self, io_in_arena: bool = True) -> None:
        self.io_in_arena = io_in_arena

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Set the attribute on a copy of main; the module given is not changed."""
        found = plan(read_graph(mod), io_in_arena=self.io_in_arena)
        return with_main(mod, mod["main"].with_attr(ATTRIBUTE, found.to_json()))
