"""Expressions of a row kernel as the checking function computes them."""

from __future__ import annotations

import tvm_ffi
from tvm import tirx
from tvm.ir import Expr
from tvm.ir.expr import TensorLoad

from .numbers import Numbers, UnfollowableError
from .shadow import FAR

_SLOT, _ROW = 0, 1


class Translation:
    """Translates each expression twice: as it is, and as if every tensor were whole.

    The first gives the place of an element in a line buffer, the second the element of the tensor.
    arrays: constants that expressions use, by the position of their pointer. line_buffers:
    (position, element) of the constants that say how many rows a line buffer has.
    """

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self.arrays: dict[int, tirx.Var] = {}
        self.line_buffers: set[tuple[int, int]] = set()
        self._copies: dict[tirx.Var, tuple[tirx.Var, tirx.Var]] = {}

    def slot(self, expr: Expr) -> Expr:
        """The expression as the kernel computes it: a place in memory."""
        return self._translated(expr, _SLOT)

    def row(self, expr: Expr) -> Expr:
        """The expression for whole tensors: without the modulo of line buffers."""
        return self._translated(expr, _ROW)

    def copies(self, buffer: tirx.Var) -> tuple[tirx.Var, tirx.Var]:
        """The two local buffers that keep both versions of one of the kernel's."""
        known = self._numbers.locals[buffer]
        if known not in self._copies:
            slots, rows = (
                tirx.decl_buffer(known.shape, str(known.dtype), f"{known.name}_{suffix}")
                for suffix in ("slot", "row")
            )
            self._copies[known] = slots, rows
        return self._copies[known]

    def _array(self, position: int) -> tirx.Var:
        if position not in self.arrays:
            dtype = str(self._numbers.pointers[position].ty.element_type.dtype)
            self.arrays[position] = tirx.decl_buffer((FAR,), dtype, f"constant{position}")
        return self.arrays[position]

    def _translated(self, expr: Expr, version: int) -> Expr:
        def load(found: Expr) -> Expr:
            position = self._numbers.places.get(found.source)
            if position is None:
                return self.copies(found.source)[version][list(found.indices)]
            return self._array(position)[list(found.indices)]

        def modulo(found: tirx.Mod) -> Expr:
            if not isinstance(found.b, TensorLoad):
                return found
            self.line_buffers.add(self._line_buffer(found.b))
            return found.a if version == _ROW else found

        def choice(select: tirx.Select) -> Expr:
            # C computes only one of the values, LLVM's selection both.
            return tirx.if_then_else(select.condition, select.true_value, select.false_value)

        rules = [(TensorLoad, load), (tirx.Mod, modulo), (tirx.Select, choice)]
        return tvm_ffi.structural_map(expr, rules)

    def _line_buffer(self, rows: Expr) -> tuple[int, int]:
        """The pointer and element of the constant that a line buffer's size is."""
        places = (k for k, array in self.arrays.items() if array.same_as(rows.source))
        position, (element,) = next(places, None), rows.indices
        if position is None or not isinstance(element, tirx.IntImm):
            raise UnfollowableError("a line buffer whose size is none of its constants")
        return position, int(element.value)
