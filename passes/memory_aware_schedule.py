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

# A call -> {position of an argument: bytes of the result that may lie over it, if it dies there}.
Overlap = Callable[[Call], Mapping[int, int]]

# Number of a tensor; None where there is none; for a tuple a list.
Place: TypeAlias = "int | list[Place] | None"


@dataclass(frozen=True)
class OrderReport:
    """Peaks of live bytes, tensors rounded up as in the arena.

    peak_before: in the order given. peak: in the order now. lower_bound: no order has a smaller
    peak; equal to `peak` where the order is proven to be the best.
    """

    peak_before: int
    peak: int
    lower_bound: int

    @property
    def gap(self) -> int:
        """How much smaller the peak of another order might be at most, in bytes."""
        return self.peak - self.lower_bound

    def to_json(self) -> str:
        """As the attribute's text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> OrderReport:
        """From the attribute's text."""
        return OrderReport(**{str(k): int(v) for k, v in json.loads(text).items()})


@tvm.transform.module_pass(opt_level=0, name="tvm_tiny.MemoryAwareSchedule")
class MemoryAwareSchedule:
    """Reorder main's operators so that the peak of live bytes is the least; record the peaks.

    Before::

        main(x): a = qconv2d(x); b = qconv2d(x); c = pool(a); d = pool(b); return qadd(c, d)

    After::

        main(x): a = qconv2d(x); c = pool(a); b = qconv2d(x); d = pool(b); return qadd(c, d)

    Requires: one pure function "main" of plain bindings with constant shapes; each binding that is
    no renaming and no reshape is a step of its own. UnsupportedError otherwise.
    Ensures: the same bindings in an order whose peak is not larger than the given one's; main's
    attribute `tvm_tiny.order` (an `OrderReport`) holds the peaks and what is proven.
    Does nothing when: the given order is the best known; the attribute is set all the same.

    io_in_arena: count inputs and outputs. overlap: what the planner may lay over dying inputs.
    max_states, seconds: limits of the search, see `tvm_tiny.planning.ordering.best_order`; with
    `seconds` the result depends on the machine's speed.
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
        # The sequence that _reordered makes has no type yet.
        return relax.transform.Normalize()(scheduled)


def _check(main: relax.Function) -> None:
    """UnsupportedError where bindings may not change places."""
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
    """Main as operators over memory, which has numbers; constants and shapes have none.

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
        """Input -> bytes; where several arguments are one tensor, what all of them allow."""
        allowed = self._overlap(call)
        found: dict[int, int] = {}
        for position, arg in enumerate(call.args):
            for tensor in self._memory(arg):
                room = allowed.get(position, 0)
                found[tensor] = min(found.get(tensor, room), room)
        return found

    def _memory(self, expr: Expr) -> list[int]:
        """All tensors that an expression holds."""
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
    """True for what moves no bytes: its result is its operand's memory."""
    return getattr(call.op, "name", "") == "relax.reshape"


def _bytes(ty: relax.Type, name: str) -> int:
    """Bytes in the arena. UnsupportedError where they are not known."""
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
    """The steps in their order, every renaming just before the first step that reads it."""
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
