"""MemoryAwareSchedule: operators in the order that needs the least memory."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np
import tvm
from tvm import relax
from tvm.ir import Call, Expr, IRModule, Tuple, TupleGetItem

from tvm_tiny.errors import UnsupportedError
from tvm_tiny.lowering.memory_plan import align
from tvm_tiny.planning.ordering import Dag, Operator, best_order, peak
from tvm_tiny.relax_rewrite import Binding, bindings_of, results_of, with_main

ATTRIBUTE = "tvm_tiny.order"

# Call -> {position of an argument: how many bytes of the result may overlap it}, where the call is
# the argument's last reader.
Overlap = Callable[[Call], Mapping[int, int]]

# The number of a tensor, None for a constant or shape, or a list of these for a tuple.
Place: TypeAlias = "int | list[Place] | None"


@dataclass(frozen=True)
class OrderReport:
    """Peaks of live bytes, with tensors rounded up to the arena's alignment.

    peak_before: of the given order. peak: of the order found. lower_bound: no order has a smaller
    peak; where it equals `peak`, the order is proven to be optimal.
    """

    peak_before: int
    peak: int
    lower_bound: int

    @property
    def gap(self) -> int:
        """The bytes by which another order might be better, at most."""
        return self.peak - self.lower_bound

    def to_json(self) -> str:
        """The report as the text of the attribute."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> OrderReport:
        """The report that the text of the attribute holds."""
        return OrderReport(**{str(k): int(v) for k, v in json.loads(text).items()})


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.MemoryAwareSchedule")
class MemoryAwareSchedule:
    """Reorder main's operators so that the peak of live bytes is least.

    Before::

        main(x): a = qconv2d(x); b = qconv2d(x); c = pool(a); d = pool(b); return qadd(c, d)

    After::

        main(x): a = qconv2d(x); c = pool(a); b = qconv2d(x); d = pool(b); return qadd(c, d)

    io_in_arena: count inputs and outputs. overlap: function from a call to {position of an
    argument: bytes of the result that may overlap it}, for a call that is the argument's last
    reader; None allows no overlap. max_states: the number of states after which the search for the
    optimum ends, see `tvm_tiny.planning.ordering.best_order`. seconds: the time after which it
    ends; None sets no limit, any other makes the result depend on the machine's speed.

    Requires: one pure function "main" of plain bindings with constant shapes. A step is a binding
    that is neither a renaming nor a reshape.
    Ensures: the same bindings in an order whose peak is not larger than before; main's attribute
    `tvm_tiny.order` (an `OrderReport`) holds the peaks and a lower bound of all orders.
    Does nothing when: no better order is found, except for setting the attribute.
    Raises: UnsupportedError where main is not pure, has a branch or match_cast, or has a tensor of
    unknown size.
    """

    def __init__(
        self,
        io_in_arena: bool = True,
        *,
        overlap: Overlap | None = None,
        max_states: int = 20_000,
        seconds: float | None = None,
    ) -> None:
        self.io_in_arena = io_in_arena
        self.overlap = overlap
        self.max_states = max_states
        self.seconds = seconds

    def transform_module(self, mod: IRModule, ctx: tvm.transform.PassContext) -> IRModule:
        """Reorder a copy of main; the module given is not changed."""
        main = mod["main"]
        _check(main)
        reader = _Reader(main, self.io_in_arena, self.overlap or (lambda call: {}))
        dag, given = reader.dag(), range(len(reader.steps))
        found = best_order(dag, max_states=self.max_states, seconds=self.seconds)
        if found.order != tuple(given):
            main = _reordered(main, [reader.steps[k] for k in found.order])
        report = OrderReport(peak(dag, given), found.peak, found.lower_bound)
        scheduled = with_main(mod, main.with_attr(ATTRIBUTE, report.to_json()))
        # The new sequence of bindings has no inferred type yet.
        return relax.transform.Normalize()(scheduled)


def _check(main: relax.Function) -> None:
    """Raise UnsupportedError where main's bindings may not be reordered."""
    if not main.is_pure:
        raise UnsupportedError(
            "MemoryAwareSchedule: main is not pure, so its calls must keep their order; "
            "leave the pass out, or build main of pure calls in a dataflow block"
        )
    for binding in bindings_of(main):
        if not isinstance(binding, relax.VarBinding) or isinstance(binding.value, relax.If):
            raise UnsupportedError(
                f"MemoryAwareSchedule: tensor '{binding.var.name}' is bound by a branch or a "
                "match_cast; only plain bindings can be reordered: resolve it before this pass"
            )


class _Reader:
    """Main as operators over numbered tensors; constants and shapes have no number.

    steps: the bindings that are operators, in order.
    """

    def __init__(self, main: relax.Function, io_in_arena: bool, overlap: Overlap) -> None:
        self.steps: list[Binding] = []
        self._overlap = overlap
        self._sizes: list[int] = []
        self._operators: list[Operator] = []
        self._places: dict[Expr, Place] = {p: self._add(p.ty, p.name) for p in main.params}
        self._inputs = tuple(range(len(self._sizes)))
        for binding in bindings_of(main):
            self._read(binding)
        results = [tensor for result in results_of(main) for tensor in self._memory(result)]
        self._outputs = tuple(sorted(set(results)))
        if not io_in_arena:
            for tensor in {*self._inputs, *self._outputs}:
                self._sizes[tensor] = 0

    def dag(self) -> Dag:
        return Dag(tuple(self._sizes), tuple(self._operators), self._inputs, self._outputs)

    def _add(self, ty: relax.Type, name: str) -> Place:
        if isinstance(ty, relax.TupleType):
            return [self._add(field, name) for field in ty.fields]
        self._sizes.append(_bytes(ty, name))
        return len(self._sizes) - 1

    def _read(self, binding: Binding) -> None:
        var, value = binding.var, binding.value
        if not isinstance(value, Call) or _is_reshape(value):
            self._places[var] = self._find(value)
            return
        inputs = tuple(sorted({tensor for arg in value.args for tensor in self._memory(arg)}))
        self._places[var] = self._add(var.ty, var.name)
        outputs = tuple(self._memory(var))
        self._operators.append(Operator(inputs, outputs, self._overlaps(value)))
        self.steps.append(binding)

    def _overlaps(self, call: Call) -> dict[int, int]:
        """Input tensor -> bytes of the result that may overlap it.

        Where several arguments are one tensor, the least that is allowed for any of them.
        """
        allowed = self._overlap(call)
        found: dict[int, int] = {}
        for position, arg in enumerate(call.args):
            for tensor in self._memory(arg):
                room = allowed.get(position, 0)
                found[tensor] = min(found.get(tensor, room), room)
        return found

    def _memory(self, expr: Expr) -> list[int]:
        """The numbers of all tensors that an expression holds."""
        return list(_flat(self._find(expr)))

    def _find(self, expr: Expr) -> Place:
        if expr in self._places:
            return self._places[expr]
        if isinstance(expr, Tuple):
            return [self._find(field) for field in expr.fields]
        if isinstance(expr, TupleGetItem):
            place = self._find(expr.tuple_value)
            assert isinstance(place, list), expr
            return place[int(expr.index)]
        if isinstance(expr, Call) and _is_reshape(expr):
            return self._find(expr.args[0])
        return None


def _flat(place: Place) -> Iterator[int]:
    if isinstance(place, list):
        for field in place:
            yield from _flat(field)
    elif place is not None:
        yield place


def _is_reshape(call: Call) -> bool:
    """Whether a call moves no bytes, so that its result has its operand's memory."""
    return getattr(call.op, "name", "") == "relax.reshape"


def _bytes(ty: relax.Type, name: str) -> int:
    """Bytes of a tensor in the arena.

    Raises UnsupportedError for a shape that is not constant.
    """
    shape = getattr(ty, "shape", None)
    is_known = isinstance(shape, relax.ShapeExpr) and all(
        isinstance(extent, tvm.tirx.IntImm) for extent in shape
    )
    if shape is None or not is_known:
        raise UnsupportedError(
            f"MemoryAwareSchedule: the size of tensor '{name}' is not known (its type is {ty}); "
            "bind all dimensions to constants before this pass"
        )
    elements: int = math.prod([int(extent) for extent in shape])
    return align(elements * np.dtype(str(ty.dtype)).itemsize)


def _reordered(main: relax.Function, steps: Sequence[Binding]) -> relax.Function:
    block = relax.DataflowBlock(list(_arranged(bindings_of(main), steps)))
    body = relax.SeqExpr([block], main.body.body)
    return relax.Function(main.params, body, main.ret_ty, main.is_pure, main.attrs)


def _arranged(bindings: Sequence[Binding], steps: Sequence[Binding]) -> Iterator[Binding]:
    """The steps in order, with each renaming just before the first step that reads it."""
    turns = {step.var: turn for turn, step in enumerate(steps)}
    last = len(steps)
    first_read: dict[Expr, int] = {}
    keys: dict[Expr, tuple[int, bool]] = {}
    for binding in reversed(bindings):
        turn = turns.get(binding.var, first_read.get(binding.var, last))
        keys[binding.var] = turn, binding.var in turns
        for var in relax.analysis.free_vars(binding.value):
            first_read[var] = min(first_read.get(var, last), turn)
    yield from sorted(bindings, key=lambda b: keys[b.var])
