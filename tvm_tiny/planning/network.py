"""Integer operators as the search for stages sees them: rows read and written, no code.

A network and a partition give a `Graph` like that of the lowered module, so that a plan can be
tried without lowering anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from tvm import relax
from tvm.ir import Expr, IRModule, Tuple, TupleGetItem

from tvm_tiny.lowering import graph as graphs
from tvm_tiny.lowering.graph import Graph, Step, Storage
from tvm_tiny.lowering.row_kernels import (
    describe,
    describe_columns,
    line_buffer_operands,
    tiled_operands,
)
from tvm_tiny.relax_rewrite import bindings_of, results_of
from tvm_tiny.schedules import kernel as kernels
from tvm_tiny.schedules.addressing import OUT
from tvm_tiny.schedules.shapes import memory_shape, row_count, shape_of
from tvm_tiny.schedules.stages.builder import StageTensor, build_stage
from tvm_tiny.schedules.stages.stage import STEADY, STREAM_ROW, BufferPolicy, Operator, Stage

Range = tuple[int, int]


@dataclass
class Tensor:
    """A tensor in SRAM: its name, shape and type.

    can_line_buffer, can_tile: whether all its users take rows of a line buffer, or some columns of
    a row.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    can_line_buffer: bool = True
    can_tile: bool = True
    is_input: bool = False
    is_output: bool = False

    @property
    def rows(self) -> int:
        """Rows of the whole tensor."""
        return row_count(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the whole tensor."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass
class Node:
    """One binding of main that computes: tensors it reads and writes.

    operator: None for what has no row kernel. view: a renaming or reshape; it costs nothing but
    no stage runs across it.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operator: Operator | None
    view: bool = False

    @property
    def takes_streamed_row(self) -> bool:
        """Whether it takes rows from the caller; its input is nobody's memory then."""
        return self.operator is not None and self.operator.op == STREAM_ROW


@dataclass
class Network:
    """main's bindings in order; positions in `nodes` are positions in main.

    views: (tensor, rows of another shape of it) -> what operators that take it in that shape have
    as their parameter; all other parameters are tensors.
    """

    tensors: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    views: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def made(self) -> dict[int, int]:
        """Tensor -> the node that makes it, for all but inputs."""
        return {t: k for k, n in enumerate(self.nodes) if not n.view for t in n.outputs}

    @property
    def used(self) -> dict[int, int]:
        """Tensor -> the last node that reads it, one behind the last for outputs."""
        used = {t: k for k, node in enumerate(self.nodes) for t in node.inputs}
        return used | {t: len(self.nodes) for t, x in enumerate(self.tensors) if x.is_output}

    def inside(self, first: int, last: int) -> set[int]:
        """The tensors that nodes `first` to `last` make for themselves only."""
        used = self.used
        made = {t for node in self.nodes[first : last + 1] if not node.view for t in node.outputs}
        return {t for t in made if used.get(t, -1) <= last}

    def stages(self, partition: Sequence[Range]) -> list[Range]:
        """The ranges that are stages: more than one operator."""
        return [(first, last) for first, last in partition if last > first]


def read_network(mod: IRModule, *, patches: bool = False) -> Network:
    """The network of a main of integer operators.

    patches: describe columns as well, which patch stages need.
    """
    reader = _Reader(patches)
    main = mod["main"]
    for param in main.params:
        reader.tensor(param, param.name).is_input = True
    for binding in bindings_of(main):
        reader.node(binding.var, binding.value)
    for result in reader.tensors_of(results_of(main)):
        reader.network.tensors[result].is_output = True
    return reader.network


class _Reader:
    def __init__(self, patches: bool) -> None:
        self.network = Network()
        self._patches = patches
        # (variable, position in its tuple) -> tensor; None where it names a constant.
        self._place: dict[tuple[Expr, int], int | None] = {}

    def tensor(self, var: Expr, name: str, position: int = 0) -> Tensor:
        ty = getattr(var.ty, "fields", [var.ty])[position]
        tensor = Tensor(name, tuple(int(d) for d in ty.shape), str(ty.dtype))
        self._place[var, position] = len(self.network.tensors)
        self.network.tensors.append(tensor)
        return tensor

    def find(self, expr: Expr) -> int | None:
        """The tensor that an expression is; None for constants and what is no tensor."""
        if isinstance(expr, TupleGetItem):
            return self._place[expr.tuple_value, int(expr.index)]
        is_variable = isinstance(expr, relax.Var) and isinstance(expr.ty, relax.TensorType)
        return self._place[expr, 0] if is_variable else None

    def tensors_of(self, exprs: Sequence[Expr]) -> tuple[int, ...]:
        """The tensors among some expressions, those in tuples included."""
        flat = [part for e in exprs for part in (e.fields if isinstance(e, Tuple) else [e])]
        return tuple(t for t in map(self.find, flat) if t is not None)

    def node(self, var: relax.Var, value: Expr) -> None:
        name = getattr(getattr(value, "op", None), "name", "")
        if name == "relax.reshape" or not isinstance(value, relax.Call):
            self._view(var, value.args[0] if name == "relax.reshape" else value)
            return
        inputs = self.tensors_of(value.args)
        count = len(getattr(var.ty, "fields", [var.ty]))
        for position in range(count):
            self.tensor(var, var.name, position)
        outputs = tuple(range(len(self.network.tensors) - count, len(self.network.tensors)))
        operator = None
        if kernels.lookup(value) is not None:
            found = {k: self.find(a) for k, a in enumerate(value.args)}
            places = {k: tensor for k, tensor in found.items() if tensor is not None}
            seen = {k: self._parameter(value.args[k], place) for k, place in places.items()}
            columns = describe_columns(value, seen) if self._patches else None
            described = describe(value, seen, outputs[0])
            operator = replace(described, tensor=var.name, columns=columns)
            self._restrict(value, {**places, OUT: outputs[0]})
        self.network.nodes.append(Node(var.name, inputs, outputs, operator))

    def _parameter(self, operand: Expr, tensor: int) -> int:
        rows, views = row_count(shape_of(operand)), self.network.views
        if rows == self.network.tensors[tensor].rows:
            return tensor
        return views.setdefault((tensor, rows), -1 - len(views))

    def _view(self, var: relax.Var, value: Expr) -> None:
        """Note another name or shape of a tensor.

        It gets no line buffer then, since rows of the two shapes differ.
        """
        parts = value.fields if isinstance(value, Tuple) else [value]
        for position, part in enumerate(parts):
            self._place[var, position] = self.find(part)
        places = self.tensors_of(parts)
        for place in places:
            self.network.tensors[place].can_line_buffer = False
            self.network.tensors[place].can_tile = False
        self.network.nodes.append(Node(var.name, places, places, None, view=True))

    def _restrict(self, call: relax.Call, places: Mapping[int, int]) -> None:
        buffered, tiled = line_buffer_operands(call), tiled_operands(call)
        for position, place in places.items():
            tensor = self.network.tensors[place]
            tensor.can_line_buffer = tensor.can_line_buffer and position in buffered
            tensor.can_tile = tensor.can_tile and position in tiled


def sketch(
    network: Network,
    partition: Sequence[Range],
    policies: Mapping[Range, BufferPolicy] | None = None,
) -> Graph:
    """The graph that lowering ranges of nodes as steps would give, without constants.

    partition: ranges one behind the other; they need not cover the network. Tensors that are
    needed before or behind them count as inputs and outputs, whole. policies: of those ranges that
    are not STEADY.
    """
    first, last = partition[0][0], partition[-1][1]
    nodes = network.nodes
    made, used = network.made, network.used
    graph = Graph(
        [
            Storage(index, t.name, t.shape, t.dtype, -1, -1, rows=t.rows)
            for index, t in enumerate(network.tensors)
        ],
        inputs=[t for t in sorted(used) if made.get(t, -1) < first <= used[t]],
        outputs=[t for t in sorted(used) if made.get(t, -1) <= last < used[t]],
        callers={k for k, t in enumerate(network.tensors) if t.is_input or t.is_output},
    )
    for begin, end in partition:
        body = [node for node in nodes[begin : end + 1] if not node.view]
        if body:
            policy = (policies or {}).get((begin, end), STEADY)
            graph.steps.append(_step(network, graph, body, network.inside(begin, end), policy))
    return graph


def _step(
    network: Network,
    graph: Graph,
    body: Sequence[Node],
    inside: set[int],
    policy: BufferPolicy,
) -> Step:
    inputs = tuple(sorted({t for node in body for t in node.inputs}))
    outputs = tuple(sorted({t for node in body for t in node.outputs}))
    operators = tuple(node.operator for node in body if node.operator is not None)
    step = Step(len(graph.steps), "", "", 0, inputs, outputs, body[-1].name)
    if not operators:
        return step
    tensors = {t: _stage_tensor(network, t, inside) for t in sorted({*inputs, *outputs})}
    stage = build_stage(operators, tensors, policy)
    # Operators may take a tensor in another shape than the one that it is made in.
    views = {view: rows for (_, rows), view in network.views.items()}
    stage = replace(stage, rows=stage.rows | views)
    _set_memory(graph, stage)
    scratch = _add_scratch(graph, operators, step.name)
    placed = tuple(_placed(network, operator, scratch) for operator in stage.operators)
    macs = sum(operator.macs for operator in operators)
    return replace(step, operators=placed, stage=stage, macs=macs)


def _stage_tensor(network: Network, index: int, inside: set[int]) -> StageTensor:
    tensor = network.tensors[index]
    return StageTensor(tensor.shape, tensor.dtype, index in inside, tensor.can_line_buffer)


def _set_memory(graph: Graph, stage: Stage) -> None:
    """Give the storage of a stage's results the shape that the stage has memory for."""
    for tensor in {operator.result for operator in stage.operators}:
        storage = graph.storage[tensor]
        rows, width = stage.line_buffers.get(tensor), stage.widths.get(tensor)
        storage.shape = memory_shape(storage.shape, rows, width)
        storage.skew = stage.skews.get(tensor, 0)


def _placed(network: Network, operator: Operator, scratch: int | None) -> graphs.Operator:
    """An operator of a stage in terms of storage."""
    viewed = {view: tensor for (tensor, _), view in network.views.items()}
    inputs = tuple(viewed.get(p, p) for p in operator.operands)
    used = scratch if operator.scratch else None
    return graphs.Operator(inputs, operator.result, operator.tensor, operator, used)


def _add_scratch(graph: Graph, operators: Sequence[Operator], name: str) -> int | None:
    """The storage that kernels of a step need while they run; None if none does."""
    size = max(operator.scratch for operator in operators)
    if not size:
        return None
    index = len(graph.storage)
    graph.storage.append(Storage(index, f"scratch of {name}", (size,), "int8", -1, -1))
    return index
