"""Row kernels and their registry.

A row kernel is a TIR function that computes one row of an operator's output. Its parameters are
the operator's tensors, constants that the compiler adds, the output and the number of the row.
`row_split` defines rows by the output's shape. So layer-by-layer, streamed and patched execution
are different loops around the same kernel.
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

from .addressing import OUT, Addressing, Pitches
from .shapes import Spec, row_count, row_split, shape_of, spec

Made = TypeVar("Made")


@dataclass(frozen=True)
class RowKernel:
    """The row kernel of one call of an operator.

    func: PrimFunc in buffer form: (tensors..., integers if any, output, row: int32). rows: how
    often it runs, for row 0, 1, ...: once for each row of the output, or, for an accumulator that
    adds to one output row, once for each row of the input.
    """

    func: tirx.PrimFunc
    rows: int


@dataclass(frozen=True)
class Factory:
    """The builder of an operator's row kernels.

    build: makes the kernel of a call. scalars: names of the integer attributes that the kernel
    reads as data. They are in one int32 array, its last input, followed by the sizes of its line
    buffers, so that layers of equal shape share a kernel whatever these values are. streams: gives
    the tensor operands that may be in line buffers; None: the kernel reads and writes whole tensors
    only. tables: positions of constant operands that determine which elements it reads. tiles:
    whether it can compute some columns of a row.

    tensorize: makes the kernel as calls of micro-kernels, for C. scratch: gives shape and type of
    the memory that this needs, which is one more parameter behind the output.
    """

    build: Callable[[Call, Addressing], RowKernel]
    scalars: tuple[str, ...] = ()
    streams: Callable[[Call], tuple[int, ...]] | None = None
    tables: tuple[int, ...] = ()
    tiles: bool = False
    scratch: Callable[[Call], Spec | None] = lambda call: None
    tensorize: Callable[[Call, Addressing], tirx.PrimFunc] | None = None

    def kernel(self, call: Call, addressing: Addressing) -> RowKernel:
        """The kernel of a call."""
        return apart(lambda: self.build(call, addressing))

    def micro_kernel(self, call: Call, addressing: Addressing) -> tirx.PrimFunc | None:
        """The kernel of a call as calls of micro-kernels, or None."""
        tensorize = self.tensorize
        return None if tensorize is None else apart(lambda: tensorize(call, addressing))

    def addressing(
        self, call: Call, *, logical: bool = False, pitches: Pitches | None = None
    ) -> Addressing:
        """The addressing of a call, whose tensors of several rows may be in line buffers.

        logical: see `schedules.addressing`. pitches: columns in memory, for a kernel of tiles.
        """
        buffered = tuple(k for k, shape in self._shapes(call).items() if _can_line_buffer(shape))
        return Addressing(len(self.scalars), buffered, logical, pitches)

    def tiled(self, call: Call) -> tuple[int, ...]:
        """The operands of which a tile has some columns, including OUT; empty without tiles."""
        shapes = self._shapes(call) if self.tiles else {}
        found = tuple(k for k, shape in shapes.items() if _has_columns(shape))
        return found if OUT in found else ()

    def _shapes(self, call: Call) -> dict[int, tuple[int, ...]]:
        """The shapes of the tensors that may be in line buffers."""
        if self.streams is None:
            return {}
        return {k: shape_of(call.args[k]) for k in self.streams(call)} | {OUT: shape_of(call)}

    def integers(
        self, call: Call, sizes: Mapping[int, int], tiles: Sequence[Sequence[int]] = ()
    ) -> list[np.ndarray]:
        """The integer array that the kernel takes after the tensors, or none.

        sizes: operand -> rows of its line buffer. tiles: for a kernel of tiles, the further
        integers of each column of tiles; then the array has a line for each.
        """
        addressing = self.addressing(call)
        scalars = [int(call.attrs[name]) for name in self.scalars]
        common = [*scalars, *(sizes[k] for k in addressing.operands)]
        if tiles:
            return [np.array([[*common, *tile] for tile in tiles], dtype="int32")]
        return [np.array(common, dtype="int32")] if common else []

    def whole(self, call: Call) -> dict[int, int]:
        """The sizes for whole tensors: operand -> all rows."""
        shapes = {
            k: shape_of(call if k == OUT else call.args[k]) for k in self.addressing(call).operands
        }
        return {k: row_count(shape) for k, shape in shapes.items()}

    def key(self, call: Call) -> str:
        """A key that is equal for calls with the same kernel.

        It holds shapes, types, and the attributes that the code depends on. Scalars are data, but
        for the sign of a shift: a shift that may go to the left has other code.
        """
        specs = [spec(arg) for arg in call.args] + [spec(call)]
        code = {k: str(v) for k, v in sorted(call.attrs.items()) if k not in self.scalars}
        signs = [int(call.attrs[k]) > 0 for k in self.scalars if k.endswith("shift")]
        return repr((call.op.name, specs, code, signs))


def apart(make: Callable[[], Made]) -> Made:
    """The result of `make`, called in a new thread.

    TVM's parser reads the source files of all callers of a TVMScript function, which takes longer
    than parsing it; in a new thread there are few callers.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()


def _can_line_buffer(shape: Sequence[int]) -> bool:
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
    tensorize: Callable[[Call, Addressing], tirx.PrimFunc] | None = None,
) -> Callable[[Callable[[Call, Addressing], RowKernel]], Callable[[Call, Addressing], RowKernel]]:
    """Register a function as builder of the row kernels of operators; see `Factory`."""

    def register(
        build: Callable[[Call, Addressing], RowKernel],
    ) -> Callable[[Call, Addressing], RowKernel]:
        for name in op_names:
            _FACTORIES[name] = Factory(
                build, tuple(scalars), streams, tuple(tables), tiles, scratch, tensorize
            )
        return build

    return register


def first_operand(call: Call) -> tuple[int, ...]:
    """The operand 0, for `row_kernel(streams=...)`."""
    return (0,)


def same_rows(call: Call) -> tuple[int, ...]:
    """The operands with as many rows as the output, for `row_kernel(streams=...)`."""
    shape = shape_of(call)
    lead = row_split(shape)[0]
    return tuple(
        k
        for k, arg in enumerate(call.args)
        if len(shape_of(arg)) == len(shape) and row_split(shape_of(arg))[0] == lead
    )


def lookup(call: Call) -> Factory | None:
    """The factory of a call's operator; None where tvm_tiny has no row kernel."""
    return _FACTORIES.get(getattr(getattr(call, "op", None), "name", ""))
