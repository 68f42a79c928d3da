"""A planned module run natively, its row kernels on one arena of bytes, as the C driver does.

    machine = PlanMachine(mod)
    outputs = machine.run(graph, plan, inputs)      # bytes; graph and plan may be faulty

It knows nothing of the checker: what a fault does to the outputs shows whether it is one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np
import tvm
from tvm import s_tir, tirx
from tvm.ir import IRModule
from tvm.target import Target

from tvm_tiny.lowering.graph import Graph, Operator, Step, read_graph
from tvm_tiny.lowering.memory_plan import MemoryPlan
from tvm_tiny.schedules.stages.stage import SHIFT, STREAM_ROW, order

MARGIN = 1 << 16  # bytes around the arena that no kernel may write


class PlanMachine:
    """Runs plans of one module; all its steps must be row kernels."""

    def __init__(self, mod: IRModule) -> None:
        operators = [o for step in read_graph(mod).steps for o in step.operators]
        names = sorted({o.row_op.kernel for o in operators if o.row_op.op != STREAM_ROW})
        functions = {
            name: mod[name].without_attr("calling_conv").with_attr("global_symbol", name)
            for name in names
        }
        built = _compiled(IRModule(functions)) if functions else {}
        self._kernels = {name: built[name] for name in names}

    def run(
        self, graph: Graph, plan: MemoryPlan, inputs: Sequence[np.ndarray], noise: int = 0
    ) -> list[bytes] | None:
        """The outputs; None if bytes beside the arena were written. noise: seed of stale bytes."""
        memory = _Memory(graph, plan, noise)
        for storage, array in zip(graph.inputs, inputs, strict=True):
            memory.of(storage)[:] = array
        for step in graph.steps:
            memory.begin(step)
            for operator, event in _events(step, plan):
                self._run(graph, memory, operator, event)
        return memory.outputs()

    def _run(self, graph: Graph, memory: _Memory, operator: Operator, event: int) -> None:
        if operator.row_op.op == STREAM_ROW:
            target = graph.storage[operator.output]
            size = target.row_bytes
            row = memory.of(operator.inputs[0])[event * size :][:size]
            start = memory.starts.get(operator.output)
            slot = event % target.buffer_rows if start is None else event - start
            memory.of(operator.output)[slot * size :][:size] = row
            return
        if graph.storage[operator.output].skew:
            memory.skewed_rows[operator.output] = event
        shifts = operator.row_op.op == SHIFT
        pointers = [memory.address(k, shifts) for k in (*operator.inputs, operator.output)]
        self._kernels[operator.row_op.kernel](*pointers, event)
        if shifts:
            memory.starts[operator.output] += 1


def _compiled(module: IRModule) -> tvm.runtime.Module:
    """Native code of lowered kernels, quickly."""
    target = Target({"kind": "llvm", "opt-level": 0})
    passes = (
        tirx.transform.BindTarget(target.with_host(target)),
        s_tir.transform.RewriteUnsafeSelect(),
        tirx.transform.MakePackedAPI(),
        tirx.transform.LowerTVMBuiltin(),
        tirx.transform.LowerIntrin(),
    )
    for step in passes:
        module = step(module)
    return tvm.get_global_func("target.build.llvm")(module, target)


def _events(step: Step, plan: MemoryPlan) -> Iterator[tuple[Operator, int]]:
    assert step.stage is not None, "only row kernels"
    if len(step.operators) > 1:
        return ((step.operators[k], event) for k, event in order(step.stage))
    events = range(step.operators[0].row_op.events)
    turned = reversed(events) if step.index in plan.backward else events
    return ((step.operators[0], event) for event in turned)


class _Memory:
    """The arena, noise at first, between margins; and all that is not in it."""

    def __init__(self, graph: Graph, plan: MemoryPlan, noise: int) -> None:
        self._graph, self._plan = graph, plan
        random = np.random.default_rng(noise)
        self._arena = random.integers(0, 256, plan.workspace_bytes + 2 * MARGIN).astype(np.uint8)
        self._before = self._arena.copy()
        # Kernels take int64 elements only where they are aligned, as C does.
        self.starts: dict[int, int] = {}
        self.skewed_rows: dict[int, int] = {}
        self._shift = -self._arena.ctypes.data % 16
        self._others = {
            s.index: np.zeros(s.bytes, np.uint8)
            for s in graph.tensors
            if s.index not in plan.offsets
        }

    def begin(self, step: Step) -> None:
        """Of rings whose rows move, the row that their memory begins with."""
        assert step.stage is not None, "only row kernels"
        self.starts = {
            step.operators[k].output: -step.stage.lead(parameter)
            for parameter, k in step.stage.shifts.items()
        }

    def of(self, storage: int) -> np.ndarray:
        tensor = self._graph.storage[storage]
        if storage in self._others:
            return self._others[storage]
        start = MARGIN + self._shift + self._plan.offsets[storage]
        return self._arena[start : start + tensor.bytes]

    def address(self, storage: int, of_memory: bool) -> ctypes.c_void_p:
        """Of row 0, wherever it would be; of_memory: of what the memory begins with."""
        tensor = self._graph.storage[storage]
        start = 0 if of_memory else self.starts.get(storage, 0) * tensor.row_bytes
        first = (self.of(storage) if tensor.array is None else tensor.array).ctypes.data
        skewed_rows = self.skewed_rows.get(storage, 0) * tensor.skew
        return ctypes.c_void_p(first - start + skewed_rows)

    def outputs(self) -> list[bytes] | None:
        end = MARGIN + self._shift + self._plan.workspace_bytes
        for side in (slice(0, MARGIN), slice(end, None)):
            if (self._arena[side] != self._before[side]).any():
                return None
        return [self.of(storage).tobytes() for storage in self._graph.outputs]
