"""Where a row kernel finds the rows of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tvm import tirx
from tvm.ir import Expr

from .shapes import inside

# Stands for the output where operands are numbered.
OUT = -1

# Operand -> columns of a row of it that there is memory for.
Pitches = Mapping[int, int]


@dataclass(frozen=True)
class Addressing:
    """How a kernel finds the rows of its tensors, and which columns it computes.

    operands: tensors (and OUT) whose row r is at row r modulo R of its memory, where R is data:
    element `first` + k of the kernel's integers for the k-th of them. R is all rows of a whole
    tensor and fewer of one that streams. logical: address every tensor as a whole one, for
    analysis.

    pitches: None where the kernel computes whole rows. Else the two integers behind the
    sizes of line buffers are the first column to compute and how many, and these operands have
    memory for so many columns of a row only: from the first one computed on of OUT, of an input
    from the column on that is one more integer.
    """

    first: int = 0
    operands: tuple[int, ...] = ()
    logical: bool = False
    pitches: Pitches | None = None

    @property
    def integers(self) -> int:
        """Elements of the kernel's integer array: scalars, line buffers, columns, origins."""
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
        buffered = operand in self.operands and not self.logical
        return buffered or operand in (self.pitches or ())

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
