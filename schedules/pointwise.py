"""The builder of row kernels whose elements are expressions of their own index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tvm_ffi
from tvm import relax, s_tir, tirx
from tvm.ir import Call, Expr

from .addressing import OUT, Addressing
from .kernel import RowKernel
from .shapes import Index, Spec, row_count, row_indices, row_split, shape_of, spec


class Steps:
    """The intermediate values of one output element, each in a local variable.

    They keep TVM's simplifier from two faults, since it does not look behind loads: it takes
    exponential time where an expression uses another several times, and that one a third; and it
    bounds shifts by a variable too tightly, so that it drops clamps.
    """

    def __init__(self, name: str = "step") -> None:
        self._name = name
        self._kept: list[tuple[tirx.Var, Expr]] = []

    def keep(self, value: Expr) -> Expr:
        """A load of `value`, which is computed once, for use any number of times."""
        for buffer, known in self._kept:
            if tvm_ffi.structural_equal(known, value):
                return buffer[0]
        buffer = tirx.decl_buffer((1,), str(value.ty.dtype), f"{self._name}{len(self._kept)}")
        self._kept.append((buffer, value))
        return buffer[0]

    def before(self, body: tirx.Stmt) -> tirx.Stmt:
        """A block that computes all kept values and then runs `body`."""
        if not self._kept:
            return body
        zero = [tirx.const(0, "int32")]
        stores = [tirx.BufferStore(buffer, value, zero) for buffer, value in self._kept]
        block = s_tir.SBlock(
            [], [], [], "element", tirx.SeqStmt([*stores, body]), None, [b for b, _ in self._kept]
        )
        return s_tir.SBlockRealize([], True, block)


class _View:
    """A buffer that an element's expression indexes by the tensor's rows and columns.

    Their places in memory are looked up here.
    """

    def __init__(
        self,
        operand: int,
        buffer: tirx.Var,
        addressing: Addressing,
        slots: Steps,
        integers: tirx.Var,
    ) -> None:
        self._operand, self._buffer, self._addressing = operand, buffer, addressing
        self._slots, self._integers = slots, integers
        self._axis = len(row_split([int(d) for d in buffer.shape])[0]) - 1

    def place(self, index: Sequence[Expr]) -> list[Expr]:
        """The index of an element in memory, with its row looked up before the loops."""
        at = list(index)
        slot = self._addressing.slot(self._operand, at[self._axis], self._integers)
        at[self._axis] = self._slots.keep(slot)
        if len(at) > self._axis + 2:
            column = at[self._axis + 1]
            at[self._axis + 1] = self._addressing.column(self._operand, column, self._integers)
        return at

    def __getitem__(self, index: Sequence[Expr]) -> Expr:
        return self._buffer[self.place(index)]


Value = Callable[[Sequence[Any], Index], Expr]


def pointwise(
    inputs: Sequence[Spec],
    output: Spec,
    value: Value,
    addressing: Addressing,
    steps: Steps | None = None,
) -> tirx.PrimFunc:
    """A row kernel in which every output element is one expression of its own index.

    inputs: (shape, dtype) of the tensors and constants that are read. output: the same of the
    result. value: function of the input buffers and the output index to the element; it may keep
    values in `steps`. It may choose the row of a tensor with a line buffer by the output's row,
    not by its column.
    """
    buffers = [_declared(k, s, f"in{k}", addressing) for k, s in enumerate(inputs)]
    out = _declared(OUT, output, "out", addressing)
    row = tirx.Var("row", "int32")
    lead, inner = row_split(output[0])
    loops = [tirx.Var(f"i{k}", "int32") for k in range(len(inner))]
    index = (*row_indices(row, lead), *loops)
    slots = Steps("slot")
    views = [
        _View(k, buffer, addressing, slots, buffers[-1]) if addressing.moves(k) else buffer
        for k, buffer in enumerate(buffers)
    ]
    view = _View(OUT, out, addressing, slots, buffers[-1])
    target = view.place(index) if addressing.moves(OUT) else index
    body: tirx.Stmt = tirx.BufferStore(out, value(views, index), target)
    body = steps.before(body) if steps is not None else body
    spans: list[Any] = [*inner]
    if inner:
        spans[0] = addressing.span(inner[0], buffers[-1])
    for var, span in reversed(list(zip(loops, spans, strict=True))):
        first, extent = span if isinstance(span, tuple) else (0, span)
        body = tirx.For(var, first, extent, tirx.ForKind.SERIAL, body)
    return tirx.PrimFunc([*buffers, out, row], slots.before(body))


def _declared(operand: int, tensor: Spec, name: str, addressing: Addressing) -> tirx.Var:
    """The buffer of a tensor, as wide as its memory."""
    shape, dtype = tensor
    lead, inner = row_split(shape)
    inner = (addressing.pitch(operand, inner[0]), *inner[1:]) if inner else inner
    return tirx.decl_buffer((*lead, *inner), dtype, name)


def pointwise_kernel(
    call: Call, addressing: Addressing, value: Value, *, steps: Steps | None = None
) -> RowKernel:
    """`pointwise` for a Relax call, with its tensors and then its integers as inputs."""
    tensors = [arg for arg in call.args if isinstance(arg.ty, relax.TensorType)]
    integers = [((addressing.integers,), "int32")] if addressing.integers else []
    inputs = [*map(spec, tensors), *integers]
    return RowKernel(
        pointwise(inputs, spec(call), value, addressing, steps), row_count(shape_of(call))
    )
