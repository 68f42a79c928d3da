"""Merges chains of transposes and reshapes to one transpose between two reshapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tvm import relax
from tvm.ir import Call, Expr, IRModule

from tvm_tiny import ops
from tvm_tiny.relax_rewrite import bindings_of, emit_named, rebuild_main, results_of

from .lower_qdq.moves import joined_axes
from .lower_qdq.quantized import ints

_TRANSPOSE, _RESHAPE = "tvm_tiny.transpose", "relax.reshape"


@dataclass
class _Parts:
    """The axes of a tensor as products of parts, during a chain of moves.

    A transpose reorders axes; a reshape regroups parts and may divide one in two. sizes: extent of
    each part. source: all parts in the order of the tensor that the chain reads. axes: for each
    current axis the parts that it consists of, outermost first.
    """

    sizes: list[int]
    source: list[int] = field(default_factory=list)
    axes: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = list(range(len(self.sizes)))
        self.axes = [[part] for part in self.source]

    def transpose(self, order: Sequence[int]) -> None:
        self.axes = [self.axes[axis] for axis in order]

    def reshape(self, shape: Sequence[int]) -> bool:
        """Regroup the parts to axes of `shape`, and return whether that is possible.

        It is not where an axis would begin or end inside a part at no divisor of its size.
        """
        left = [part for axis in self.axes for part in axis]
        self.axes = []
        for extent in shape:
            taken: list[int] = []
            while (missing := extent // math.prod(self.sizes[part] for part in taken)) > 1:
                if math.gcd(missing, self.sizes[left[0]]) not in (missing, self.sizes[left[0]]):
                    return False
                if self.sizes[left[0]] > missing:
                    left.insert(1, self._divide(left[0], missing))
                taken.append(left.pop(0))
            self.axes.append(taken)
        return True

    def _divide(self, part: int, outer: int) -> int:
        """Divide a part into one of extent `outer` and a new inner one; return that."""
        inner = len(self.sizes)
        self.sizes.append(self.sizes[part] // outer)
        self.sizes[part] = outer
        self.source.insert(self.source.index(part) + 1, inner)
        return inner

    def merged(self) -> tuple[list[int], list[int]]:
        """The shape and the order of axes of one transpose that equals the whole chain."""
        order = [self.source.index(part) for axis in self.axes for part in axis]
        known = set(order)
        rest = [k for k in range(len(self.source)) if k not in known]  # of extent 1
        return joined_axes(order + rest, [self.sizes[part] for part in self.source])


def merge_moves(mod: IRModule) -> IRModule:
    """`mod` with one transpose for each chain of transposes with reshapes between them.

    Only the chain itself reads its intermediate tensors. A chain stays as it is where no single
    transpose equals it.
    """
    main = mod["main"]
    chains = _Chains(main)
    if not chains.found:
        return mod
    env: dict[Expr, Expr] = {}

    def emit(builder: relax.BlockBuilder, binding: relax.VarBinding, value: Expr) -> Expr:
        source, parts = chains.found.get(binding.var, (None, None))
        if source is None or parts is None:
            return emit_named(builder, binding.var.name, value)
        shape, order = parts.merged()
        moved = builder.emit(relax.op.reshape(env.get(source, source), shape))
        if order != sorted(order):
            moved = builder.emit(ops.call("transpose", [moved], axes=order))
        shape = ints(binding.var.ty.shape)
        return emit_named(builder, binding.var.name, relax.op.reshape(moved, shape))

    merged = rebuild_main(mod, main.params, env, results_of(main), emit)
    return relax.transform.DeadCodeElimination(["main"])(merged)


class _Chains:
    """The chains of main that can be merged.

    found: last tensor of a chain -> (tensor that the chain reads, its axes after the chain).
    """

    def __init__(self, main: relax.Function) -> None:
        self._values = {binding.var: binding.value for binding in bindings_of(main)}
        self._readers: dict[Expr, int] = {}
        for expr in (*results_of(main), *self._values.values()):
            for var in _read(expr):
                self._readers[var] = self._readers.get(var, 0) + 1
        self.found: dict[Expr, tuple[Expr, _Parts]] = {}
        taken: set[Expr] = set()
        for var in reversed(list(self._values)):
            chain = self._chain(var) if var not in taken else []
            parts = _parts(chain)
            if parts is not None:
                self.found[var] = chain[0].args[0], parts
                taken.update(call.args[0] for call in chain)

    def _chain(self, last: Expr) -> list[Call]:
        """The chain whose last move computes `last`, from its first transpose; else empty."""
        chain: list[Call] = []
        var = last
        while _is(self._values.get(var), _TRANSPOSE, *([_RESHAPE] if chain else [])):
            if chain and self._readers[var] > 1:
                break
            chain.insert(0, self._values[var])
            var = chain[0].args[0]
        while chain and not _is(chain[0], _TRANSPOSE):
            chain.pop(0)
        return chain


def _read(expr: Expr) -> list[Expr]:
    if isinstance(expr, relax.Var):
        return [expr]
    inner = expr.args if isinstance(expr, Call) else getattr(expr, "fields", [])
    whole = [expr.tuple_value] if isinstance(expr, relax.TupleGetItem) else []
    return [var for part in (*inner, *whole) for var in _read(part)]


def _is(value: Expr | None, *names: str) -> bool:
    return isinstance(value, Call) and getattr(value.op, "name", "") in names


def _parts(chain: Sequence[Call]) -> _Parts | None:
    """The axes after a chain that has a reshape, if one transpose can equal it."""
    if not any(_is(call, _RESHAPE) for call in chain):
        return None
    parts = _Parts(ints(chain[0].args[0].ty.shape))
    for call in chain:
        if _is(call, _TRANSPOSE):
            parts.transpose(ints(call.attrs["axes"]))
        elif not parts.reshape(ints(call.ty.shape)):
            return None
    return parts
