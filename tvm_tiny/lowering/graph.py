"""The graph of a lowered main: steps over storage.

The memory planner, the checker and the C generator read it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from tvm import relax
from tvm.ir import Call, Expr, GenericConst, IRModule, Tuple, TupleGetItem

from tvm_tiny.errors import DataError, UnsupportedError
from tvm_tiny.relax_rewrite import bindings_of, results_of
from tvm_tiny.schedules.shapes import memory_shape, row_count
from tvm_tiny.schedules.stages import stage
from tvm_tiny.schedules.stages.serialization import ATTRIBUTE, from_json
from tvm_tiny.schedules.stages.stage import STREAM_ROW, Stage

from .emit_stage import IN_PLACE, MACS, OP


@dataclass
class Storage:
    """A piece of memory that holds a tensor.

    shape: of the memory; rows: of the tensor, which are more than fit in a line buffer (row r
    is then at r modulo shape's rows, or they move: see `with_shifts`). skew: bytes by which each
    row lies behind the place of the one before, which is gone by then (see `Stage.skews`). first,
    last: the steps between which its bytes must stay (-1: before the first step, len(steps): after
    the last). array: the values of a constant.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    first: int
    last: int
    array: np.ndarray | None = None
    rows: int = 1
    skew: int = 0

    @property
    def bytes(self) -> int:
        """Size of the memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize + (self.rows - 1) * self.skew

    @property
    def is_constant(self) -> bool:
        """True where the bytes live in flash."""
        return self.array is not None

    @property
    def buffer_rows(self) -> int:
        """How many rows there is memory for."""
        return row_count(self.shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize // max(self.buffer_rows, 1)


@dataclass(frozen=True)
class Operator:
    """One operator of a step, in terms of storage.

    row_op: the same operator as its stage describes it. scratch: the storage that its kernel uses
    while it runs.
    """

    inputs: tuple[int, ...]
    output: int
    name: str
    row_op: stage.Operator
    scratch: int | None = None


@dataclass(frozen=True)
class Step:
    """One call of main: `function` reads `inputs` and writes `outputs` (storage indices).

    operators: those it runs, in the order of `stage`; none for TVM's own kernels.
    """

    index: int
    function: str
    op: str
    macs: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str
    operators: tuple[Operator, ...] = ()
    stage: stage.Stage | None = None


@dataclass
class Graph:
    """Storage, steps in order, and which storage is an input or an output.

    callers: those of them that may be memory of a caller's, where not all may: the inputs and
    outputs of a model, but not of a part of it.
    """

    storage: list[Storage] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    callers: set[int] | None = None

    @property
    def tensors(self) -> list[Storage]:
        """Storage in SRAM."""
        return [s for s in self.storage if not s.is_constant]

    @property
    def streamed(self) -> set[int]:
        """Inputs that the caller hands over row by row, which take no memory."""
        operators = (operator for step in self.steps for operator in step.operators)
        return {o.inputs[0] for o in operators if o.row_op.op == STREAM_ROW}


def read_graph(mod: IRModule) -> Graph:
    """The graph of a module that LowerToRowKernels has lowered; DataError for any other."""
    reader = _Reader(mod)
    main = mod["main"]
    for param in main.params:
        index = reader.add(str(param.name), param.ty, -1)
        reader.place[param, 0] = index
        reader.graph.inputs.append(index)
    for binding in bindings_of(main):
        reader.read(binding.var, binding.value)
    end = len(reader.graph.steps)
    for result in results_of(main):
        index = reader.find(result)
        reader.graph.outputs.append(index)
        reader.graph.storage[index].last = end
    return reader.graph


class _Reader:
    def __init__(self, mod: IRModule) -> None:
        self.mod = mod
        self.graph = Graph()
        # (variable, position in its tuple) -> storage
        self.place: dict[tuple[Expr, int], int] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], int] = {}

    def add(self, name: str, ty: relax.TensorType, first: int) -> int:
        shape = tuple(int(d) for d in ty.shape)
        index = len(self.graph.storage)
        storage = Storage(index, name, shape, str(ty.dtype), first, first, rows=row_count(shape))
        self.graph.storage.append(storage)
        return index

    def find(self, expr: Expr) -> int:
        if isinstance(expr, GenericConst):
            return self._constant(expr)
        if isinstance(expr, TupleGetItem):
            return self.place[expr.tuple_value, int(expr.index)]
        return self.place[expr, 0]

    def read(self, var: relax.Var, value: Expr) -> None:
        name = getattr(getattr(value, "op", None), "name", "")
        if name == "relax.reshape":
            self.place[var, 0] = self.find(value.args[0])
        elif name == "relax.call_tir":
            self._step(var, value)
        elif isinstance(value, Tuple):
            for position, item in enumerate(value.fields):
                self.place[var, position] = self.find(item)
        elif isinstance(value, Call):
            if name.startswith("tvm_tiny.") or name in ("relax.quantize", "relax.dequantize"):
                raise DataError(
                    f"plan of memory: tensor '{var.name}' is still the operator "
                    f"{name.split('.', 1)[-1]}, not a kernel; run LowerToRowKernels before "
                    "PlanMemory, or all of tvm_tiny.pipeline()"
                )
            raise UnsupportedError(
                f"{name.removeprefix('relax.')} (tensor '{var.name}'): there is no kernel for it; "
                "replace it by supported operators, see `tvm-tiny supported-ops`"
            )
        else:
            self.place[var, 0] = self.find(value)
            if isinstance(value, TupleGetItem):
                self._rename(self.place[var, 0], str(var.name))

    def _rename(self, storage: int, name: str) -> None:
        """Give a layer with scratch the name that its own result has in main."""
        step = self.graph.steps[-1]
        if len(step.operators) == 1 and step.operators[0].output == storage:
            operator = replace(step.operators[0], name=name)
            self.graph.steps[-1] = replace(step, name=name, operators=(operator,))
            self.graph.storage[storage].name = name
            if operator.scratch is not None:
                self.graph.storage[operator.scratch].name = f"scratch of {name}"

    def _step(self, var: relax.Var, call: Call) -> None:
        index = len(self.graph.steps)
        inputs = tuple(self.find(arg) for arg in call.args[1].fields)
        for used in inputs:
            self.graph.storage[used].last = max(self.graph.storage[used].last, index)
        function = call.args[0].name_hint
        attrs = self.mod[call.args[0]].attrs or {}
        plan = from_json(str(attrs[ATTRIBUTE])) if ATTRIBUTE in attrs else None
        types = getattr(call.ty, "fields", [call.ty])
        outputs = []
        for position, ty in enumerate(types):
            suffix = f":{position}" if len(types) > 1 else ""
            in_place = position == 0 and IN_PLACE in attrs
            place = inputs[0] if in_place else self.add(f"{var.name}{suffix}", ty, index)
            self.place[var, position] = place
            outputs.append(place)
        op = str(attrs[OP]) if OP in attrs else self._of_tvm(function, (*inputs, *outputs))
        macs = int(attrs.get(MACS, 0))
        step = Step(index, function, op, macs, inputs, tuple(outputs), str(var.name))
        self.graph.steps.append(step if plan is None else self._staged(step, plan))

    def _of_tvm(self, function: str, parameters: Sequence[int]) -> str:
        """The operator of a kernel that TVM made, such as "float exp" or "cast"."""
        dtypes = (self.graph.storage[place].dtype for place in parameters)
        in_float = any(dtype.startswith("float") for dtype in dtypes)
        return f"float {function}" if in_float else function

    def _staged(self, step: Step, plan: Stage) -> Step:
        """A step of ours, with its operators; their results go by their own names."""
        parameters = (*step.inputs, *step.outputs)
        operators = []
        for operator in plan.operators:
            result = self.graph.storage[parameters[operator.result]]
            result.rows = plan.rows[operator.result]
            # Where operators share memory it goes by the last one's name.
            result.name = operator.tensor or result.name
            inputs = tuple(parameters[p] for p in operator.operands)
            scratch = None
            if operator.scratch and plan.scratch is not None:
                scratch = parameters[plan.scratch]
                self.graph.storage[scratch].name = f"scratch of {step.name}"
            operators.append(Operator(inputs, result.index, result.name, operator, scratch))
        for tensor, skew in plan.skews.items():
            storage = self.graph.storage[parameters[tensor]]
            storage.shape = memory_shape(storage.shape, 1, None)
            storage.skew = skew
        single = plan.operators[0].op if len(operators) == 1 else "stage"
        macs = sum(operator.macs for operator in plan.operators)
        return replace(step, op=single, macs=macs, operators=tuple(operators), stage=plan)

    def _constant(self, expr: GenericConst) -> int:
        array = np.ascontiguousarray(expr.value.numpy())
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            index = self.add(f"constant_{len(self._constants)}", expr.ty, -1)
            self.graph.storage[index].array = array
            self._constants[key] = index
        return self._constants[key]


def live_at(tensors: Sequence[Storage], step: int) -> list[Storage]:
    """Tensors whose bytes must be there while `step` runs."""
    return [t for t in tensors if t.first <= step <= t.last]
