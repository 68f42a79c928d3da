"""Faults for memory plans, as changes of a graph and its plan; some of them do no harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tvm.ir import IRModule

from tvm_tiny.checker.kernels import instrument
from tvm_tiny.lowering.graph import Graph, Operator
from tvm_tiny.lowering.memory_plan import ALIGNMENT, MemoryPlan
from tvm_tiny.schedules.stages.serialization import to_json
from tvm_tiny.schedules.stages.stage import SHIFT, STREAM_ROW, Rows

Plan = tuple[Graph, MemoryPlan]


def copied(graph: Graph) -> Graph:
    """A graph whose lists can be changed."""
    storage = [replace(s) for s in graph.storage]
    return Graph(storage, list(graph.steps), graph.inputs, graph.outputs)


def key(graph: Graph, plan: MemoryPlan) -> tuple[object, ...]:
    """Equal for equal plans."""
    stages = [to_json(step.stage) for step in graph.steps if step.stage is not None]
    line_buffers = [(s.shape, s.skew) for s in graph.storage]
    tables = [graph.storage[o.inputs[0]].array.tobytes() for o in _shifts(graph)]
    return (
        tuple(sorted(plan.offsets.items())),
        plan.backward,
        tuple(stages),
        tuple(line_buffers),
        tuple(tables),
    )


def moved(random: Random, graph: Graph, plan: MemoryPlan, mod: IRModule) -> Plan | None:
    """A tensor some bytes lower or higher."""
    storage = graph.storage[random.choice(sorted(plan.offsets))]
    row = max(storage.row_bytes // ALIGNMENT, 1) * ALIGNMENT
    offset = plan.offsets[storage.index] + random.choice([-row, -ALIGNMENT, ALIGNMENT, row])
    offset = min(max(offset, 0), plan.workspace_bytes - storage.bytes)
    offset = offset // ALIGNMENT * ALIGNMENT
    if offset == plan.offsets[storage.index]:
        return None
    return graph, replace(plan, offsets={**plan.offsets, storage.index: offset})


def over_another(random: Random, graph: Graph, plan: MemoryPlan, mod: IRModule) -> Plan | None:
    """A tensor where another one starts."""
    moved_, other = random.choices(sorted(plan.offsets), k=2)
    offset = plan.offsets[other]
    inside = offset + graph.storage[moved_].bytes <= plan.workspace_bytes
    if not inside or offset == plan.offsets[moved_]:
        return None
    return graph, replace(plan, offsets={**plan.offsets, moved_: offset})


def turned(random: Random, graph: Graph, plan: MemoryPlan, mod: IRModule) -> Plan | None:
    """A layer in the other direction."""
    layers = [s.index for s in graph.steps if len(s.operators) == 1]
    layers = [k for k in layers if graph.steps[k].operators[0].row_op.events > 1]
    if not layers:
        return None
    return graph, replace(plan, backward=tuple({random.choice(layers)} ^ set(plan.backward)))


def early(random: Random, graph: Graph, plan: MemoryPlan, mod: IRModule) -> Plan | None:
    """An operator of a stage that waits for one row less of one operand, always or once."""
    stages = [step for step in graph.steps if len(step.operators) > 1]
    if not stages:
        return None
    step = random.choice(stages)
    index = random.randrange(len(step.operators))
    operator = step.operators[index]
    reads = list(operator.row_op.reads)
    places = [k for k, rows in enumerate(reads) if rows is not None]
    if not places:
        return None
    place = random.choice(places)
    events = range(operator.row_op.events)
    chosen = set(events) if random.random() < 0.5 else {random.choice(events)}
    reads[place] = _one_row_less(reads[place], chosen)
    row_op = replace(operator.row_op, reads=tuple(reads))
    operators = [*step.operators]
    operators[index] = replace(operator, row_op=row_op)
    stage = replace(step.stage, operators=tuple(o.row_op for o in operators))
    changed = copied(graph)
    changed.steps[step.index] = replace(step, operators=tuple(operators), stage=stage)
    return changed, plan


def _one_row_less(rows: Rows, events: set[int]) -> Rows:
    ends = zip(rows.first, rows.end, strict=True)
    return Rows(
        rows.first, tuple(max(a, b - 1) if k in events else b for k, (a, b) in enumerate(ends))
    )


def short_line_buffer(random: Random, graph: Graph, plan: MemoryPlan, mod: IRModule) -> Plan | None:
    """A ring of one row less, for all that write and read it."""
    line_buffers = [
        (step, storage)
        for step in graph.steps
        for storage in sorted({o.output for o in step.operators})
        if len(step.operators) > 1
        and 1 < graph.storage[storage].buffer_rows < graph.storage[storage].rows
        if storage not in {o.output for o in step.operators if o.row_op.op == SHIFT}
    ]
    if not line_buffers:
        return None
    step, storage = random.choice(line_buffers)
    changed = copied(graph)
    tensor = changed.storage[storage]
    rows = tensor.buffer_rows - 1
    tensor.shape = (*(1 for _ in tensor.shape[:-3]), rows, *tensor.shape[-2:])
    users = [
        o for o in step.operators if storage in (*o.inputs, o.output) and o.row_op.op != STREAM_ROW
    ]
    done = all(_set_rows(changed, operator, mod, storage, rows) for operator in users)
    return (changed, plan) if done else None


def _set_rows(graph: Graph, operator: Operator, mod: IRModule, storage: int, rows: int) -> bool:
    """Change the rings' rows among an operator's integers; False where they cannot be told."""
    places = [*operator.inputs, operator.output]
    tensors = [k for k, place in enumerate(places) if graph.storage[place].array is None]
    elements = sorted(instrument(mod[operator.row_op.kernel], frozenset(tensors)).line_buffers)
    if len(elements) != len(tensors):
        return False
    for position, (operand, element) in zip(tensors, elements, strict=True):
        if places[position] == storage:
            integers = graph.storage[operator.inputs[operand]]
            # Equal arrays are one storage: the others' must stay.
            own = replace(integers, index=len(graph.storage), array=integers.array.copy())
            own.array[element] = rows
            graph.storage.append(own)
            operator = _with_input(graph, operator, operand, own.index)
    return True


def _shifts(graph: Graph) -> list[Operator]:
    return [o for step in graph.steps for o in step.operators if o.row_op.op == SHIFT]


def _with_input(graph: Graph, operator: Operator, position: int, storage: int) -> Operator:
    inputs = [*operator.inputs]
    inputs[position] = storage
    changed = replace(operator, inputs=tuple(inputs))
    for step in graph.steps:
        operators = tuple(changed if o is operator else o for o in step.operators)
        graph.steps[step.index] = replace(step, operators=operators)
    return changed


def left_behind(random: Random, graph: Graph, plan: MemoryPlan, mod: IRModule) -> Plan | None:
    """A ring whose rows move, but for one, always or once."""
    shifts = _shifts(graph)
    if not shifts:
        return None
    operator = random.choice(shifts)
    changed = copied(graph)
    table = changed.storage[operator.inputs[0]]
    own = replace(table, index=len(changed.storage), array=table.array.copy())
    row, end, *events = range(len(own.array))
    some = events if random.random() < 0.5 else [random.choice(events)]
    own.array[some] = (own.array[some] + own.array[row]).clip(max=own.array[end])
    changed.storage.append(own)
    _with_input(changed, operator, 0, own.index)
    return changed, plan


def further(random: Random, graph: Graph, plan: MemoryPlan, mod: IRModule) -> Plan | None:
    """A tensor that climbs by some bytes more or less with each row."""
    skewed = [storage for storage in graph.tensors if storage.skew]
    if not skewed:
        return None
    changed = copied(graph)
    storage = changed.storage[random.choice(skewed).index]
    storage.skew = max(storage.skew + random.choice([-16, -8, -4, 4, 8]), 0)
    inside = plan.offsets[storage.index] + storage.bytes <= plan.workspace_bytes
    return (changed, plan) if inside else None


Mutation = Callable[[Random, Graph, MemoryPlan, IRModule], Plan | None]
MUTATIONS: dict[str, Mutation] = {
    "moved": moved,
    "over another": over_another,
    "turned": turned,
    "early": early,
    "short ring": short_line_buffer,
    "left behind": left_behind,
    "further": further,
}
