"""Row kernels: what they are and how they are registered.

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
from typing import TypeVar

import numpy as np
from tvm import tirx
from tvm.ir import Call

from .addressing import OUT, Pitches, Rings
from .shapes import Spec, row_count, row_split, shape_of, spec

Made = TypeVar("Made")


@dataclass(frozen=True)
class RowKernel:
    """One operator as rows.

    func: PrimFunc in buffer form: (tensors..., integers if any, output, row: int32).
    rows: how often it runs, for row 0, 1, ...: once for each row of the whole output, and for an
    accumulator, whose one output row every run adds to, once for each row of the input.
    """

    func: tirx.PrimFunc
    rows: int


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
