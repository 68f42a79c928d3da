"""Finds which numbers of a row kernel are known without its data."""

from __future__ import annotations

from dataclasses import dataclass

import tvm_ffi
from tvm import tirx
from tvm.ir import Call, Expr, PointerType
from tvm.ir.expr import TensorLoad

from .expressions import Bounds, bounds


class UnfollowableError(Exception):
    """The checker cannot tell what some code of a kernel does to memory."""


@dataclass(frozen=True)
class _Store:
    """A store to a local buffer.

    on: expressions that decide whether and where it happens. loops: those around it. certain: no
    loop around it ends by a condition.
    """

    target: tirx.Var
    value: Expr
    on: tuple[Expr, ...]
    loops: tuple[tirx.For, ...]
    certain: bool


class Numbers:
    """The buffers of a row kernel, and whether their elements are known.

    pointers: parameters of the kernel. places: buffer -> position of the pointer that it is a view
    of. locals: buffer -> the local buffer that it is, or is a view of. tensors: positions of the
    pointers whose elements are data; the elements of all others are known.
    """

    def __init__(self, func: tirx.PrimFunc, tensors: frozenset[int]) -> None:
        self.pointers = [p for p in func.params if isinstance(p.ty, PointerType)]
        self.places: dict[tirx.Var, int] = {}
        self.locals: dict[tirx.Var, tirx.Var] = {}
        self._tensors = tensors
        self._data: set[tirx.Var] = set()
        tvm_ffi.structural_walk(
            func.body, [(tirx.DeclBuffer, self._declare), (tirx.AllocBuffer, self._allocate)]
        )
        self._stores: list[_Store] = []
        self._collect(func.body, (), (), certain=True)
        while found := {s.target for s in self._stores if self._holds_data(s)} - self._data:
            self._data |= found

    def _declare(self, declared: tirx.DeclBuffer) -> None:
        data = declared.data
        if isinstance(data, Call):  # the pointer of another buffer
            (source,) = data.args
            known = self.places if source in self.places else self.locals
            known[declared.buffer] = known[source]
        else:
            self.places[declared.buffer] = next(
                k for k, pointer in enumerate(self.pointers) if pointer.same_as(data)
            )

    def _allocate(self, allocated: tirx.AllocBuffer) -> None:
        self.locals[allocated.buffer] = allocated.buffer

    def _collect(
        self,
        stmt: tirx.Stmt,
        on: tuple[Expr, ...],
        loops: tuple[tirx.For, ...],
        *,
        certain: bool,
    ) -> None:
        """Note the stores to local buffers in a statement."""
        if isinstance(stmt, tirx.SeqStmt):
            for part in stmt.seq:
                self._collect(part, on, loops, certain=certain)
        elif isinstance(stmt, tirx.For):
            on = (*on, stmt.min, stmt.extent)
            self._collect(stmt.body, on, (*loops, stmt), certain=certain)
        elif isinstance(stmt, tirx.While):
            self._collect(stmt.body, on, loops, certain=False)
        elif isinstance(stmt, tirx.AttrStmt):
            self._collect(stmt.body, on, loops, certain=certain)
        elif isinstance(stmt, tirx.IfThenElse):
            for case in (stmt.then_case, stmt.else_case):
                if case is not None:
                    self._collect(case, (*on, stmt.condition), loops, certain=certain)
        elif isinstance(stmt, tirx.BufferStore) and stmt.buffer in self.locals:
            target = self.locals[stmt.buffer]
            self._stores.append(_Store(target, stmt.value, (*on, *stmt.indices), loops, certain))

    def _holds_data(self, store: _Store) -> bool:
        return not store.certain or not all(map(self.known, (store.value, *store.on)))

    def is_data(self, buffer: tirx.Var) -> bool:
        """Whether elements of a buffer are values of tensors, or computed from such values."""
        if buffer in self.places:
            return self.places[buffer] in self._tensors
        return self.locals[buffer] in self._data

    def is_written(self, buffer: tirx.Var) -> bool:
        """Whether anything is ever stored in a local buffer."""
        return any(s.target.same_as(self.locals[buffer]) for s in self._stores)

    def known(self, expr: Expr) -> bool:
        """Whether the checker can compute an expression: an integer that depends on no data."""
        found: list[Expr] = []

        def note(part: Expr) -> None:
            name = getattr(getattr(part, "op", None), "name", "")
            is_load = isinstance(part, TensorLoad)
            if self.is_data(part.source) if is_load else name != "prim.if_then_else":
                found.append(part)

        tvm_ffi.structural_walk(expr, [((TensorLoad, Call, tirx.FloatImm), note)])
        return not found

    def unknown_loads(self, expr: Expr) -> list[Expr]:
        """The loads of data in an expression."""
        found: list[Expr] = []

        def note(load: Expr) -> None:
            if self.is_data(load.source):
                found.append(load)

        tvm_ffi.structural_walk(expr, [(TensorLoad, note)])
        return found

    def bounds(self, buffer: tirx.Var) -> Bounds | None:
        """The least and the largest number stored to a local buffer; None where unknown."""
        target = self.locals.get(buffer)
        stores = [s for s in self._stores if target is not None and s.target.same_as(target)]
        spans = [bounds(store.value, store.loops) for store in stores]
        known = [span for span in spans if span is not None]
        if not known or len(known) < len(spans):
            return None
        return min(low for low, _ in known), max(high for _, high in known)
