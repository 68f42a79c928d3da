"""Row kernels: what they are, how they are registered, and the builder for pointwise ones.

A row kernel is a TIR function that computes one row of one operator's output. Its parameters
are the operator's tensors, then constants the compiler adds, then the output, then the row
index. What a row is follows from the output's shape (see `row_split`), so that layer-by-layer,
streamed and patched execution are only different loops around the same kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tvm import relax, s_tir, tirx
from tvm.ir import Call, Expr

Index = tuple[Expr, ...]
Spec = tuple[tuple[int, ...], str]


@dataclass(frozen=True)
class RowKernel:
    """One operator as rows.

    func: PrimFunc in buffer form: (tensors..., scalars if any, output, row: int32).
    rows: how many rows the whole output has.
    """

    func: tirx.PrimFunc
    rows: int


@dataclass(frozen=True)
class Factory:
    """How an operator's row kernel is made.

    build: the kernel of a call. scalars: names of the integer attributes that the kernel reads
    as data. They are one int32 array, its last input, so that layers of equal shape share a
    kernel whatever their zero points and clamps are.
    """

    build: Callable[[Call], RowKernel]
    scalars: tuple[str, ...] = ()

    def constants(self, call: Call) -> list[np.ndarray]:
        """What the kernel takes after the operator's own tensors."""
        if not self.scalars:
            return []
        return [np.array([int(call.attrs[name]) for name in self.scalars], dtype="int32")]

    def key(self, call: Call) -> str:
        """Equal for calls that get the same kernel: shapes, types, and attributes in the code.

        Of the scalars only the sign of a shift shapes the code: shifting to the left too is
        another expression.
        """
        specs = [spec(arg) for arg in call.args] + [spec(call)]
        code = {k: str(v) for k, v in sorted(call.attrs.items()) if k not in self.scalars}
        signs = [int(call.attrs[k]) > 0 for k in self.scalars if k.endswith("shift")]
        return repr((call.op.name, specs, code, signs))


_FACTORIES: dict[str, Factory] = {}


def row_kernel(
    *op_names: str, scalars: Sequence[str] = ()
) -> Callable[[Callable[[Call], RowKernel]], Callable[[Call], RowKernel]]:
    """Register what builds the row kernel of Relax operators; see `Factory` for `scalars`."""

    def register(build: Callable[[Call], RowKernel]) -> Callable[[Call], RowKernel]:
        for name in op_names:
            _FACTORIES[name] = Factory(build, tuple(scalars))
        return build

    return register


def lookup(call: Call) -> Factory | None:
    """The factory for this call's operator; None where only TVM's legalization has one."""
    return _FACTORIES.get(getattr(call.op, "name", ""))


def spec(expr: Expr) -> Spec:
    """(shape, dtype) of a Relax tensor expression of static shape."""
    return tuple(int(d) for d in expr.ty.shape), str(expr.ty.dtype)


def shape_of(expr: Expr) -> tuple[int, ...]:
    """Static shape of a Relax tensor expression."""
    return spec(expr)[0]


def row_split(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split a shape into the dimensions that count rows and those inside a row.

    [N, H, W, C] has N * H rows of [W, C]; lower ranks have shape[0] rows; a vector is one row.
    """
    lead = 0 if len(shape) < 2 else max(1, len(shape) - 2)
    return tuple(shape[:lead]), tuple(shape[lead:])


def row_indices(row: Expr, lead: Sequence[int]) -> Index:
    """The leading indices that row number `row` stands for; no division where one suffices."""
    indices: list[Expr] = []
    rest = row
    for extent in reversed(lead):
        if extent == 1:
            indices.append(tirx.const(0, "int32"))
        elif math.prod(lead) == extent:
            indices.append(rest)
        else:
            indices.append(tirx.truncmod(rest, tirx.const(extent, "int32")))
            rest = tirx.truncdiv(rest, tirx.const(extent, "int32"))
    return tuple(reversed(indices))


def batch_and_row(
    batch: int, height: int
) -> tuple[Callable[[Expr], Expr | int], Callable[[Expr], Expr]]:
    """How a row number of [N, H, ...] splits into image and line; no division for one image."""
    if batch == 1:
        return (lambda row: 0), (lambda row: row)
    extent = tirx.const(height, "int32")
    return (lambda row: tirx.truncdiv(row, extent)), (lambda row: tirx.truncmod(row, extent))


class Steps:
    """Intermediate values of one output element, each in a local variable.

    An expression that uses another several times, which does the same in turn, makes TVM's
    simplifier exponentially slow; and its bounds of shifts by a variable are too tight, so that
    it drops clamps. Neither looks behind a load.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[tirx.Var, Expr]] = []

    def keep(self, value: Expr) -> Expr:
        """`value`, computed once at this point, to be used any number of times."""
        buffer = tirx.decl_buffer((1,), str(value.ty.dtype), f"step{len(self._kept)}")
        self._kept.append((buffer, value))
        return buffer[0]

    def before(self, body: tirx.Stmt) -> tirx.Stmt:
        """`body` after the computation of all that was kept."""
        if not self._kept:
            return body
        zero = [tirx.const(0, "int32")]
        stores = [tirx.BufferStore(buffer, value, zero) for buffer, value in self._kept]
        block = s_tir.SBlock(
            [], [], [], "element", tirx.SeqStmt([*stores, body]), None, [b for b, _ in self._kept]
        )
        return s_tir.SBlockRealize([], True, block)


Value = Callable[[Sequence[tirx.Var], Index], Expr]


def pointwise(
    inputs: Sequence[Spec], output: Spec, value: Value, steps: Steps | None = None
) -> tirx.PrimFunc:
    """A row kernel in which every output element is one expression of its own index.

    inputs: (shape, dtype) of the tensors and constants read; output: the same of the result.
    value: from the input buffers and the output index to the element; it may keep values in
    `steps`.
    """
    buffers = [tirx.decl_buffer(s, d, f"in{k}") for k, (s, d) in enumerate(inputs)]
    shape, dtype = output
    out = tirx.decl_buffer(shape, dtype, "out")
    row = tirx.Var("row", "int32")
    lead, inner = row_split(shape)
    loops = [tirx.Var(f"i{k}", "int32") for k in range(len(inner))]
    index = (*row_indices(row, lead), *loops)
    body: tirx.Stmt = tirx.BufferStore(out, value(buffers, index), list(index))
    body = steps.before(body) if steps is not None else body
    for var, extent in reversed(list(zip(loops, inner, strict=True))):
        body = tirx.For(var, 0, extent, tirx.ForKind.SERIAL, body)
    return tirx.PrimFunc([*buffers, out, row], body)


def row_count(shape: Sequence[int]) -> int:
    """Rows of a tensor of this shape."""
    return math.prod(row_split(shape)[0])


def pointwise_kernel(
    call: Call, value: Value, *, scalars: int = 0, steps: Steps | None = None
) -> RowKernel:
    """`pointwise` for a Relax call: its tensors first, then its scalars."""
    tensors = [arg for arg in call.args if isinstance(arg.ty, relax.TensorType)]
    inputs = [*map(spec, tensors), *([((scalars,), "int32")] if scalars else [])]
    return RowKernel(pointwise(inputs, spec(call), value, steps), row_count(shape_of(call)))
