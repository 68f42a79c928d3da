"""Row kernels: what they are, how they are registered, and the builder for pointwise ones.

A row kernel is a TIR function that computes one row of one operator's output. Its parameters
are the operator's tensors, then constants the compiler adds, then the output, then the row
index. What a row is follows from the output's shape (see `row_split`), so that layer-by-layer,
streamed and patched execution are only different loops around the same kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import tvm_ffi
from tvm import relax, s_tir, tirx
from tvm.ir import Call, Expr

Made = TypeVar("Made")
Index = tuple[Expr, ...]
Spec = tuple[tuple[int, ...], str]


@dataclass(frozen=True)
class RowKernel:
    """One operator as rows.

    func: PrimFunc in buffer form: (tensors..., integers if any, output, row: int32).
    rows: how often it runs, for row 0, 1, ...: once for each row of the whole output, and for an
    accumulator, whose one output row every run adds to, once for each row of the input.
    """

    func: tirx.PrimFunc
    rows: int


# Stands for the output where operands are numbered.
OUT = -1

# Operand -> columns of a row of it that there is memory for.
Pitches = Mapping[int, int]


@dataclass(frozen=True)
class Rings:
    """Where a kernel finds the rows of its tensors, and which part of a row it computes.

    operands: tensors (and OUT) whose row r is at row r modulo R of its memory, where R is data:
    element `first` + k of the kernel's integers for the k-th of them. R is all rows of a whole
    tensor and fewer of one that streams. logical: address every tensor as a whole one, for
    analysis.

    pitches: None where the kernel computes whole rows. Else the two integers behind the ring
    sizes are the first column to compute and how many, and these operands have memory for so
    many columns of a row only: from the first one computed on of OUT, of an input from the
    column on that is one more integer.
    """

    first: int = 0
    operands: tuple[int, ...] = ()
    logical: bool = False
    pitches: Pitches | None = None

    @property
    def integers(self) -> int:
        """Elements of the kernel's integer array: scalars, ring sizes, columns and origins."""
        return self.bounds if self.pitches is None else self.bounds + 2 + len(self.origins)

    @property
    def bounds(self) -> int:
        """The integer that is the first column to compute; how many is the next one."""
        return self.first + len(self.operands)

    @property
    def origins(self) -> tuple[int, ...]:
        """The inputs that have memory for some columns only."""
        return tuple(operand for operand in self.pitches or () if operand != OUT)

    def moves(self, operand: int) -> bool:
        """Whether an element of the operand may be elsewhere than its index says."""
        ringed = operand in self.operands and not self.logical
        return ringed or operand in (self.pitches or ())

    def pitch(self, operand: int, extent: int) -> int:
        """How many columns of an operand's row of `extent` columns there is memory for."""
        return (self.pitches or {}).get(operand, extent)

    def span(self, extent: int, integers: Expr) -> Expr | int | tuple[Expr, Expr]:
        """The output columns to compute, all `extent` or (first, count), for `T.grid`."""
        if self.pitches is None:
            return extent
        return integers[self.bounds], integers[self.bounds + 1]

    def column(self, operand: int, column: Expr, integers: Expr) -> Expr:
        """The column of the operand's memory that holds its column `column`."""
        if operand not in (self.pitches or ()):
            return column
        first = self.bounds
        first += 0 if operand == OUT else 2 + self.origins.index(operand)
        return column - integers[first]

    def slot(self, operand: int, row: Expr, integers: Expr) -> Expr:
        """The row of the operand's memory that holds its row `row`."""
        if self.logical or operand not in self.operands:
            return row
        size = integers[self.first + self.operands.index(operand)]
        return tirx.truncmod(row, size)

    def tap(self, operand: int, row: Expr, rows: int, integers: Expr) -> Expr:
        """Like `slot` for a row that may lie outside the tensor's `rows`: -1 there.

        Kernels keep it in a local buffer, once for each output row; see `pick`.
        """
        at = self.slot(operand, row, integers)
        return tirx.Select(inside(row, rows), at, tirx.const(-1, "int32"))

    def pick(self, row: Expr, kept: Expr) -> Expr:
        """A row's number itself for analysis, which cannot see into buffers; else what was kept."""
        return row if self.logical else kept


@dataclass(frozen=True)
class Factory:
    """How an operator's row kernel is made.

    build: the kernel of a call. scalars: names of the integer attributes that the kernel reads
    as data. They are one int32 array, its last input, with the sizes of its rings behind them,
    so that layers of equal shape share a kernel whatever their zero points, clamps and rings are.
    streams: the tensor operands of which it reads rows through rings; None: it reads and writes
    whole tensors only. tables: constant operands that say which elements it reads. tiles: whether
    it can compute some columns of a row.

    tensorize: the same kernel in calls of micro-kernels, for C; where it needs memory, `scratch`
    gives its shape and type, and that is one more parameter behind the output.
    """

    build: Callable[[Call, Rings], RowKernel]
    scalars: tuple[str, ...] = ()
    streams: Callable[[Call], tuple[int, ...]] | None = None
    tables: tuple[int, ...] = ()
    tiles: bool = False
    scratch: Callable[[Call], Spec | None] = lambda call: None
    tensorize: Callable[[Call, Rings], tirx.PrimFunc] | None = None

    def kernel(self, call: Call, rings: Rings) -> RowKernel:
        """The kernel of a call."""
        return apart(lambda: self.build(call, rings))

    def micro_kernel(self, call: Call, rings: Rings) -> tirx.PrimFunc | None:
        """The same in calls of micro-kernels, if there is such a form."""
        tensorize = self.tensorize
        return None if tensorize is None else apart(lambda: tensorize(call, rings))

    def rings(self, call: Call, *, logical: bool = False, pitches: Pitches | None = None) -> Rings:
        """The rings this call can have: of tensors with more than one row and no batch."""
        ringed = tuple(k for k, shape in self._shapes(call).items() if _can_ring(shape))
        return Rings(len(self.scalars), ringed, logical, pitches)

    def tiled(self, call: Call) -> tuple[int, ...]:
        """The operands of which some columns are enough, OUT among them if there are any."""
        shapes = self._shapes(call) if self.tiles else {}
        found = tuple(k for k, shape in shapes.items() if _has_columns(shape))
        return found if OUT in found else ()

    def _shapes(self, call: Call) -> dict[int, tuple[int, ...]]:
        """Shapes of the tensors whose rows the kernel looks up."""
        if self.streams is None:
            return {}
        return {k: shape_of(call.args[k]) for k in self.streams(call)} | {OUT: shape_of(call)}

    def integers(
        self, call: Call, sizes: Mapping[int, int], tiles: Sequence[Sequence[int]] = ()
    ) -> list[np.ndarray]:
        """What the kernel takes after the operator's own tensors; sizes: operand -> R.

        tiles: where the kernel computes some columns, the integers that follow, of each tile:
        then the array has a line for each.
        """
        rings = self.rings(call)
        scalars = [int(call.attrs[name]) for name in self.scalars]
        common = [*scalars, *(sizes[k] for k in rings.operands)]
        if tiles:
            return [np.array([[*common, *tile] for tile in tiles], dtype="int32")]
        return [np.array(common, dtype="int32")] if common else []

    def whole(self, call: Call) -> dict[int, int]:
        """Ring sizes of a layer: all rows of every tensor."""
        shapes = {
            k: shape_of(call if k == OUT else call.args[k]) for k in self.rings(call).operands
        }
        return {k: row_count(shape) for k, shape in shapes.items()}

    def key(self, call: Call) -> str:
        """Equal for calls that get the same kernel: shapes, types, and attributes in the code.

        Of the scalars only the sign of a shift shapes the code: shifting to the left too is
        another expression.
        """
        specs = [spec(arg) for arg in call.args] + [spec(call)]
        code = {k: str(v) for k, v in sorted(call.attrs.items()) if k not in self.scalars}
        signs = [int(call.attrs[k]) > 0 for k in self.scalars if k.endswith("shift")]
        return repr((call.op.name, specs, code, signs))


def apart(make: Callable[[], Made]) -> Made:
    """What `make` gives, made in a thread of its own.

    TVM's parser reads the source files of all callers of a TVMScript function, which takes longer
    than parsing it; a new thread has few.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()


def _can_ring(shape: Sequence[int]) -> bool:
    lead, _ = row_split(shape)
    return len(lead) > 0 and lead[-1] > 1 and math.prod(lead[:-1]) == 1


def _has_columns(shape: Sequence[int]) -> bool:
    lead, inner = row_split(shape)
    return len(inner) == 2 and len(lead) > 0 and math.prod(lead[:-1]) == 1


_FACTORIES: dict[str, Factory] = {}


def row_kernel(
    *op_names: str,
    scalars: Sequence[str] = (),
    streams: Callable[[Call], tuple[int, ...]] | None = None,
    tables: Sequence[int] = (),
    tiles: bool = False,
    scratch: Callable[[Call], Spec | None] = lambda call: None,
    tensorize: Callable[[Call, Rings], tirx.PrimFunc] | None = None,
) -> Callable[[Callable[[Call, Rings], RowKernel]], Callable[[Call, Rings], RowKernel]]:
    """Register what builds the row kernel of Relax operators; see `Factory`."""

    def register(build: Callable[[Call, Rings], RowKernel]) -> Callable[[Call, Rings], RowKernel]:
        for name in op_names:
            _FACTORIES[name] = Factory(
                build, tuple(scalars), streams, tuple(tables), tiles, scratch, tensorize
            )
        return build

    return register


def first_operand(call: Call) -> tuple[int, ...]:
    """For `row_kernel(streams=...)`: the data is the first operand."""
    return (0,)


def same_rows(call: Call) -> tuple[int, ...]:
    """For `row_kernel(streams=...)`: the tensors of which an output row reads the same row."""
    shape = shape_of(call)
    lead = row_split(shape)[0]
    return tuple(
        k
        for k, arg in enumerate(call.args)
        if len(shape_of(arg)) == len(shape) and row_split(shape_of(arg))[0] == lead
    )


def lookup(call: Call) -> Factory | None:
    """The factory for this call's operator; None where only TVM's legalization has one."""
    return _FACTORIES.get(getattr(getattr(call, "op", None), "name", ""))


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


def memory_shape(shape: Sequence[int], rows: int | None, width: int | None) -> tuple[int, ...]:
    """The shape of a tensor's memory: of so many of its rows and columns where it is smaller."""
    if rows is None and width is None:
        return tuple(shape)
    lead, inner = row_split(shape)
    count = math.prod(lead) if rows is None else rows
    return (count, *inner) if width is None else (count, width, *inner[1:])


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


def inside(position: Expr, extent: int) -> Expr:
    """Whether 0 <= position < extent."""
    return tirx.all(position >= 0, position < tirx.const(extent, "int32"))


class Steps:
    """Intermediate values of one output element, each in a local variable.

    An expression that uses another several times, which does the same in turn, makes TVM's
    simplifier exponentially slow; and its bounds of shifts by a variable are too tight, so that
    it drops clamps. Neither looks behind a load.
    """

    def __init__(self, name: str = "step") -> None:
        self._name = name
        self._kept: list[tuple[tirx.Var, Expr]] = []

    def keep(self, value: Expr) -> Expr:
        """`value`, computed once at this point, to be used any number of times."""
        for buffer, known in self._kept:
            if tvm_ffi.structural_equal(known, value):
                return buffer[0]
        buffer = tirx.decl_buffer((1,), str(value.ty.dtype), f"{self._name}{len(self._kept)}")
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


class _View:
    """A buffer as an element's expression sees it: rows and columns are looked up."""

    def __init__(
        self, operand: int, buffer: tirx.Var, rings: Rings, slots: Steps, integers: tirx.Var
    ) -> None:
        self._operand, self._buffer, self._rings = operand, buffer, rings
        self._slots, self._integers = slots, integers
        self._axis = len(row_split([int(d) for d in buffer.shape])[0]) - 1

    def place(self, index: Sequence[Expr]) -> list[Expr]:
        """Where the element is in memory. Its row is looked up once, before the loops."""
        at = list(index)
        slot = self._rings.slot(self._operand, at[self._axis], self._integers)
        at[self._axis] = self._slots.keep(slot)
        if len(at) > self._axis + 2:
            column = at[self._axis + 1]
            at[self._axis + 1] = self._rings.column(self._operand, column, self._integers)
        return at

    def __getitem__(self, index: Sequence[Expr]) -> Expr:
        return self._buffer[self.place(index)]


Value = Callable[[Sequence[Any], Index], Expr]


def pointwise(
    inputs: Sequence[Spec],
    output: Spec,
    value: Value,
    rings: Rings,
    steps: Steps | None = None,
) -> tirx.PrimFunc:
    """A row kernel in which every output element is one expression of its own index.

    inputs: (shape, dtype) of the tensors and constants read; output: the same of the result.
    value: from the input buffers and the output index to the element; it may keep values in
    `steps`. Rows of tensors in `rings` may depend on the row only, not on the column.
    """
    buffers = [_declared(k, s, f"in{k}", rings) for k, s in enumerate(inputs)]
    out = _declared(OUT, output, "out", rings)
    row = tirx.Var("row", "int32")
    lead, inner = row_split(output[0])
    loops = [tirx.Var(f"i{k}", "int32") for k in range(len(inner))]
    index = (*row_indices(row, lead), *loops)
    slots = Steps("slot")
    views = [
        _View(k, buffer, rings, slots, buffers[-1]) if rings.moves(k) else buffer
        for k, buffer in enumerate(buffers)
    ]
    view = _View(OUT, out, rings, slots, buffers[-1])
    target = view.place(index) if rings.moves(OUT) else index
    body: tirx.Stmt = tirx.BufferStore(out, value(views, index), target)
    body = steps.before(body) if steps is not None else body
    spans: list[Any] = [*inner]
    if inner:
        spans[0] = rings.span(inner[0], buffers[-1])
    for var, span in reversed(list(zip(loops, spans, strict=True))):
        first, extent = span if isinstance(span, tuple) else (0, span)
        body = tirx.For(var, first, extent, tirx.ForKind.SERIAL, body)
    return tirx.PrimFunc([*buffers, out, row], slots.before(body))


def _declared(operand: int, tensor: Spec, name: str, rings: Rings) -> tirx.Var:
    """The buffer of a tensor, as many columns wide as it has memory for."""
    shape, dtype = tensor
    lead, inner = row_split(shape)
    inner = (rings.pitch(operand, inner[0]), *inner[1:]) if inner else inner
    return tirx.decl_buffer((*lead, *inner), dtype, name)


def row_count(shape: Sequence[int]) -> int:
    """Rows of a tensor of this shape."""
    return math.prod(row_split(shape)[0])


def pointwise_kernel(
    call: Call, rings: Rings, value: Value, *, steps: Steps | None = None
) -> RowKernel:
    """`pointwise` for a Relax call: its tensors first, then its integers."""
    tensors = [arg for arg in call.args if isinstance(arg.ty, relax.TensorType)]
    integers = [((rings.integers,), "int32")] if rings.integers else []
    inputs = [*map(spec, tensors), *integers]
    return RowKernel(pointwise(inputs, spec(call), value, rings, steps), row_count(shape_of(call)))
