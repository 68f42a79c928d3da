"""Proof of a memory plan: every access of every kernel, replayed on identities of bytes.

The kernels run in the order of the generated C. They do not write values but the identities of the
bytes that they would write, and each read must find the identity that it wants. So the proof covers
overlapping tensors, line buffers and the order in stages, however they were planned: the checker
shares no code with the planner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tvm.ir import IRModule

from tvm_tiny.errors import DataError
from tvm_tiny.lowering.graph import Graph, Operator, read_graph
from tvm_tiny.lowering.memory_plan import ATTRIBUTE, MemoryPlan
from tvm_tiny.schedules.stages.stage import SHIFT, STREAM_ROW

from . import faults
from .driver import Driver, DriverCall, DriverStep, OrderTable, Pointer
from .kernels import Kernel, build, instrument, own_scratch
from .memory import Memory
from .numbers import UnfollowableError
from .orders import DriverOrder, PlannedOrder
from .replay import Replay
from .wiring import Wiring

__all__ = [
    "Driver",
    "DriverCall",
    "DriverStep",
    "OrderTable",
    "PlanProof",
    "Pointer",
    "check_plan",
    "prove",
]


@dataclass(frozen=True)
class PlanProof:
    """The extent of a proof: numbers of what was replayed.

    events: runs of kernels. reads, writes: elements of tensors in SRAM; bytes: how many bytes these
    have. arena_bytes: the stated size of the arena, or of all pools; used_bytes: up to the end of
    the highest tensor.
    whole: results of kernels that were taken to need all of their inputs at once, because it is
    not known when they read which element: TVM's own, and those in which data decides.
    """

    events: int
    reads: int
    writes: int
    bytes: int
    arena_bytes: int
    used_bytes: int
    whole: tuple[str, ...]

    def __str__(self) -> str:
        """The proof as one line for people."""
        return (
            f"memory plan proved: {self.reads:,} reads and {self.writes:,} writes in "
            f"{self.events:,} events find every byte in place in an arena of "
            f"{self.arena_bytes:,} bytes"
        )


def check_plan(mod: IRModule, driver: Driver | None = None) -> PlanProof:
    """Prove the memory plan of a module that `tvm_tiny.pipeline` has lowered and planned.

    driver: of the C that is made of the module (`aot.driver_of`). Then the order that its tables
    have is replayed, and its pointers and constants must be those of the plan. Without it, the
    order that follows from what operators wait for is replayed.

    Raises PlanError at the first access that does not find what it needs, DataError for a module
    without a plan.
    """
    attrs = mod["main"].attrs
    if not attrs or ATTRIBUTE not in attrs:
        raise DataError("the module has no memory plan; run tvm_tiny.pipeline() on it first")
    return prove(read_graph(mod), MemoryPlan.from_json(str(attrs[ATTRIBUTE])), mod, driver)


def prove(graph: Graph, plan: MemoryPlan, mod: IRModule, driver: Driver | None = None) -> PlanProof:
    """Prove a plan of a graph; raises as `check_plan` does. mod: has the row kernels."""
    memory = Memory(graph, plan)
    kernels = {
        (step.index, k): _kernel(mod, graph, operator)
        for step in graph.steps
        for k, operator in enumerate(step.operators)
        if operator.row_op.op not in (STREAM_ROW, SHIFT)
    }
    build(kernels.values())
    if driver is None:
        replay = Replay(graph, memory, kernels, PlannedOrder(plan.backward))
    else:
        wiring = Wiring(graph, memory, driver)
        replay = Replay(graph, memory, kernels, DriverOrder(driver), wiring)
    replay.run()
    reads, writes, touched = map(int, replay.counts)
    return PlanProof(
        events=replay.events,
        reads=reads,
        writes=writes,
        bytes=touched,
        arena_bytes=memory.plan.workspace_bytes,
        used_bytes=memory.used,
        whole=tuple(sorted(_whole(graph, kernels))),
    )


def _kernel(mod: IRModule, graph: Graph, operator: Operator) -> Kernel:
    """Makes the checking kernel of an operator, not yet compiled."""
    operands = enumerate((*operator.inputs, operator.output))
    tensors = frozenset(k for k, storage in operands if not graph.storage[storage].is_constant)
    function = mod[operator.row_op.kernel]
    try:
        return instrument(function if operator.scratch is None else own_scratch(function), tensors)
    except UnfollowableError as error:
        raise faults.unfollowable(operator.name, str(error)) from error


def _whole(graph: Graph, kernels: Mapping[tuple[int, int], Kernel]) -> set[str]:
    opaque = {step.name for step in graph.steps if step.stage is None}
    by_data = {
        graph.steps[step].operators[position].name
        for (step, position), kernel in kernels.items()
        if kernel.whole
    }
    return opaque | by_data
