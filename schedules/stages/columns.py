"""Which columns of its inputs a row kernel needs for each column of its result.

They are read off the kernel, as `access` reads off rows: it is rewritten to compute one column of
all rows, with that column in place of the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tvm_ffi
from tvm import s_tir, tirx
from tvm.ir import Expr, TensorLoad

from ..access.analysis import Access, analyze
from ..addressing import Addressing
from ..kernel import RowKernel
from ..shapes import row_split


def column_access(
    kernel: RowKernel, addressing: Addressing, columns: int, constants: Mapping[int, np.ndarray]
) -> Access:
    """Accesses with one event a column: elements as if every tensor had one row only.

    kernel: made with the logical `addressing` of no pitches; columns: of a row of its output;
    constants: see `analyze`.
    """
    *buffers, row = kernel.func.params
    column = tirx.Var("column", "int32")
    tensors = [buffer for k, buffer in enumerate(buffers) if k not in constants]
    one = _OneColumn(addressing, buffers[-2], column, tensors)
    body = tvm_ffi.structural_map(
        kernel.func.body, [(TensorLoad, one.load), (tirx.BufferStore, one.store)]
    )
    rows = tirx.For(row, 0, kernel.rows, tirx.ForKind.SERIAL, body)
    return analyze(tirx.PrimFunc([*buffers, column], rows), columns, constants)


class _OneColumn:
    """Rewrites a kernel to compute one column, and every element to be in row 0."""

    def __init__(
        self, addressing: Addressing, integers: tirx.Var, column: Expr, tensors: Sequence[tirx.Var]
    ) -> None:
        self._addressing, self._integers, self._column = addressing, integers, column
        self._leads = {t: len(row_split([int(d) for d in t.shape])[0]) for t in tensors}

    def load(self, load: TensorLoad) -> Expr:
        """A load of one of the integers, or of an element."""
        if load.source.same_as(self._integers):
            return self._bound(load)
        return tirx.BufferLoad(load.source, self._in_row_0(load.source, load.indices))

    def store(self, store: tirx.BufferStore) -> tirx.Stmt:
        """A store of an element."""
        indices = self._in_row_0(store.buffer, store.indices)
        return tirx.BufferStore(store.buffer, store.value, indices)

    def _bound(self, load: TensorLoad) -> Expr:
        """The first column to compute, and how many."""
        which = load.indices[0]
        position = int(which) if isinstance(which, tirx.IntImm) else -1
        if position == self._addressing.bounds:
            return self._column
        return tirx.const(1, "int32") if position == self._addressing.bounds + 1 else load

    def _in_row_0(self, buffer: tirx.Var, indices: Sequence[Expr]) -> list[Expr]:
        lead = self._leads.get(buffer, 0)
        return [tirx.const(0, "int32")] * lead + list(indices)[lead:]


def keep_columns(func: tirx.PrimFunc, addressing: Addressing) -> tirx.PrimFunc:
    """A kernel that loads the integers of its tile once.

    A C compiler would load them after each store, which may alias them.
    """
    if addressing.pitches is None:
        return func
    integers = func.params[-3]
    count = addressing.integers - addressing.bounds
    kept = tirx.decl_buffer((count,), "int32", "columns")

    def load(found: TensorLoad) -> Expr:
        if not found.source.same_as(integers):
            return found
        position = int(found.indices[0]) - addressing.bounds
        return found if position < 0 else kept[position]

    body = tvm_ffi.structural_map(func.body, [(TensorLoad, load)])
    stores = [
        tirx.BufferStore(kept, integers[addressing.bounds + k], [tirx.const(k, "int32")])
        for k in range(count)
    ]
    block = s_tir.SBlock([], [], [], "tile", tirx.SeqStmt([*stores, body]), None, [kept])
    realized = s_tir.SBlockRealize([], True, block)
    return tirx.PrimFunc(func.params, realized, None, func.attrs)
