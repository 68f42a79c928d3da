"""A plan of a large model replayed row by row: each row that is read must be in its place.

Coarser than `byte_trace` and a thousand times faster. Only of what happens within one event it
believes what the stage says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from byte_trace import order

from tvm_tiny.lowering.graph import Graph, Operator, Step
from tvm_tiny.lowering.memory_plan import MemoryPlan
from tvm_tiny.schedules.stages.line_buffers import first_kept
from tvm_tiny.schedules.stages.stage import SHIFT, Rows

Span = tuple[int, int]


@dataclass
class Replay:
    """Memory as identities of bytes: which write of which tensor, and which byte of it."""

    graph: Graph
    plan: MemoryPlan

    def __post_init__(self) -> None:
        self.memory = np.full(self.plan.workspace_bytes, -1, "int64")
        # Identity of the first byte of what each tensor holds now, or will once it is written.
        self.base: dict[int, int] = {}
        self.next = 0
        # Rings whose rows move: the row that their memory begins with.
        self.starts: dict[int, int] = {}
        # What climbs: the row that is there.
        self.skewed_rows: dict[int, int] = {}

    def run(self) -> None:
        """One inference; fails at the first row that is not there."""
        for storage in self.graph.inputs:
            self.begin(storage)
            self.write(storage, (0, self.size(storage)))
        for step in self.graph.steps:
            if step.stage is None:
                self.whole(step)
            else:
                self.rows(step)
        for storage in self.graph.outputs:
            self.read(storage, (0, self.size(storage)), self.base[storage], "output")

    def begin(self, storage: int) -> int:
        self.base[storage], self.next = self.next, self.next + self.size(storage)
        return self.base[storage]

    def size(self, storage: int) -> int:
        tensor = self.graph.storage[storage]
        return tensor.bytes if tensor.buffer_rows >= tensor.rows else tensor.rows * tensor.row_bytes

    def places(self, storage: int, span: Span) -> np.ndarray:
        """Where bytes are in the arena; none for memory of the caller."""
        if storage not in self.plan.offsets:
            return np.empty(0, "int64")
        tensor = self.graph.storage[storage]
        if tensor.skew:
            row = self.skewed_rows[storage]
            places = np.arange(*span) - row * tensor.row_bytes
            assert ((places >= 0) & (places < tensor.row_bytes)).all(), (tensor.name, span)
            return self.plan.offsets[storage] + places + row * tensor.skew
        if storage in self.starts:
            places = np.arange(*span) - self.starts[storage] * tensor.row_bytes
            assert ((places >= 0) & (places < tensor.bytes)).all(), (tensor.name, span)
            return self.plan.offsets[storage] + places
        return self.plan.offsets[storage] + np.arange(*span) % max(tensor.bytes, 1)

    def write(self, storage: int, span: Span) -> None:
        places = self.places(storage, span)
        self.memory[places] = self.base[storage] + np.arange(*span)[: len(places)]

    def read(self, storage: int, span: Span, base: int, who: str) -> None:
        places = self.places(storage, span)
        wanted = base + np.arange(*span)[: len(places)]
        assert (self.memory[places] == wanted).all(), (who, self.graph.storage[storage].name, span)

    def whole(self, step: Step) -> None:
        """Kernels without rows: no result lies over an input, unless it is the same memory."""
        inputs = [s for s in step.inputs if not self.graph.storage[s].is_constant]
        before = {s: self.base[s] for s in inputs}
        for storage in [s for s in step.outputs if s not in inputs]:
            self.begin(storage)
            self.write(storage, (0, self.size(storage)))
        for storage in inputs:
            self.read(storage, (0, self.size(storage)), before[storage], step.name)
        for storage in [s for s in step.outputs if s in inputs]:
            self.begin(storage)
            self.write(storage, (0, self.size(storage)))

    def rows(self, step: Step) -> None:
        assert step.stage is not None
        bases: list[dict[int, int]] = []
        for parameter, k in step.stage.shifts.items():
            self.starts[step.operators[k].output] = -step.stage.lead(parameter)
        for operator in step.operators:
            if operator.row_op.op == SHIFT:
                bases.append({operator.output: self.base[operator.output]})
                continue
            found = {s: self.base[s] for s in operator.inputs if s in self.base}
            bases.append(found | {operator.output: self.begin(operator.output)})
        sources = [self.sources(step, k, bases) for k in range(len(step.operators))]
        events = list(order(step.stage))
        for k, event in events[::-1] if step.index in self.plan.backward else events:
            self.event(step, k, event, sources[k], bases[k][step.operators[k].output])

    def sources(self, step: Step, k: int, bases: list[dict[int, int]]) -> list[int | None]:
        """Per operand, the identities it must find: of the last that wrote the tensor before."""
        found: list[int | None] = []
        for storage, reads in zip(
            step.operators[k].inputs, step.operators[k].row_op.reads, strict=True
        ):
            if reads is None or self.graph.storage[storage].is_constant:
                found.append(None)
                continue
            makers = [j for j in range(k) if step.operators[j].output == storage]
            found.append(bases[makers[-1] if makers else k][storage])
        return found

    def event(self, step: Step, k: int, event: int, sources: list[int | None], own: int) -> None:
        operator = step.operators[k]
        if operator.row_op.op == SHIFT:
            self.shift(step, k, event)
            return
        if self.graph.storage[operator.output].skew:
            self.skewed_rows[operator.output] = event
        written = self.span(
            step, operator.output, operator.row_op.result, operator.row_op.writes, event
        )
        if operator.row_op.accumulates and event:
            self.read(operator.output, written, own, operator.name)
        for position, source in enumerate(sources):
            if source is None:
                continue
            reads = operator.row_op.reads[position]
            parameter, storage = operator.row_op.operands[position], operator.inputs[position]
            assert reads is not None
            span = self.span(step, storage, parameter, reads, event)
            self.read(storage, span, source, operator.name)
            self.within(operator, position, event, span, written)
        self.base[operator.output] = own
        self.write(operator.output, written)

    def shift(self, step: Step, k: int, event: int) -> None:
        """All rows of a ring that are wanted move down by one."""
        assert step.stage is not None
        storage = step.operators[k].output
        tensor, first = self.graph.storage[storage], first_kept(step.stage, k)[event]
        kept = self.memory[self.plan.offsets[storage] :][: tensor.bytes]
        kept[first * tensor.row_bytes : -tensor.row_bytes] = kept[
            (first + 1) * tensor.row_bytes :
        ].copy()
        self.starts[storage] += 1

    def span(self, step: Step, storage: int, parameter: int, rows: Rows, event: int) -> Span:
        assert step.stage is not None
        size = self.size(storage) // max(step.stage.rows[parameter], 1)
        return rows.first[event] * size, rows.end[event] * size

    def within(
        self, operator: Operator, position: int, event: int, read: Span, written: Span
    ) -> None:
        """Writes may lie over what the same event reads only behind its reads."""
        source, target = (
            self.places(*pair)
            for pair in ((operator.inputs[position], read), (operator.output, written))
        )
        if not len(np.intersect1d(source, target)):
            return
        gap = operator.row_op.within[position]
        assert gap is not None
        shift = (target[0] - written[0]) - (source[0] - read[0])
        assert gap[event] + shift <= 0, (operator.name, event)
        assert (np.diff(source) == 1).all(), "reads wrap around where writes lie over them"
        assert (np.diff(target) == 1).all(), "writes wrap around where they lie over reads"
