"""Elementwise float expressions of an island, evaluated on all 256 int8 values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny.reference.quantization import Quant, dequantize
from tvm_tiny.reference.real import FUNCTIONS

from . import moves
from .island import Island
from .move import Move
from .quantized import Quantized, array_of, bool_table, int8_table, number

# All int8 values in the order of a table: value x has index x + 128.
DOMAIN = np.arange(-128, 128).astype("int8")

# Operator -> its attributes that its function in `FUNCTIONS` takes as further arguments.
_ATTRIBUTES = {"nn.leakyrelu": ("alpha",), "nn.softplus": ("beta",)}
_CASTS = ("float32", "bool")

Path = tuple[Move, ...]


@dataclass(frozen=True, eq=False)
class Occurrence:
    """A place where a quantized tensor enters an expression, behind the moves of `path`."""

    leaf: Quantized
    path: Path

    def values(self, table: np.ndarray) -> np.ndarray:
        """The real values that enter the expression, given int8 values of the leaf."""
        return dequantize(table, self.leaf.quant)

    def order(self) -> np.ndarray | None:
        """The index in the leaf of each moved element; None if known at run time."""
        places = np.arange(int(np.prod(self.leaf.shape))).reshape(self.leaf.shape)
        for move in reversed(self.path):
            if move.values is None:
                return None
            places = move.values(places)
        return places


@dataclass(frozen=True, eq=False)
class Application:
    """A function of float32 arrays; `args` are positions in the list of parts."""

    function: Callable[..., np.ndarray]
    args: tuple[int, ...]


class Reader:
    """The float expression of an island as a list of parts, operands before their users."""

    def __init__(self, island: Island) -> None:
        self._island = island
        self._known: dict[tuple[relax.Expr, Path], int | None] = {}
        self._parts: list[Application | Occurrence | np.ndarray] = []

    @property
    def occurrences(self) -> list[Occurrence]:
        """Where quantized tensors enter the expression."""
        return [part for part in self._parts if isinstance(part, Occurrence)]

    def read(self, expr: relax.Expr, path: Path = ()) -> int | None:
        """The position of `expr` among the parts; None where it is not elementwise.

        Results are kept, so that the time does not grow with the number of paths to an expression.
        """
        if (expr, path) not in self._known:
            self._known[expr, path] = self._read(expr, path)
        return self._known[expr, path]

    def evaluate(self, tables: Sequence[np.ndarray]) -> np.ndarray:
        """The float32 values of the part read last, given the int8 values of each occurrence."""
        given = iter(tables)
        values: list[np.ndarray] = []
        for part in self._parts:
            if isinstance(part, Application):
                values.append(part.function(*(values[k] for k in part.args)))
            elif isinstance(part, Occurrence):
                values.append(part.values(next(given)))
            else:
                values.append(part)
        return values[-1]

    def _read(self, expr: relax.Expr, path: Path) -> int | None:
        value = self._island.value(expr)
        array = array_of(value)
        if array is not None:
            return self._constant(array)
        leaf = self._island.leaf(expr)
        if leaf is not None:
            return self._leaf(leaf, path)
        move = moves.find(value, self._island.value)
        if move is not None:
            return self.read(move.source, (*path, move))
        condition = bool_table(value)
        if condition is not None:
            return self._condition(value.args[0], condition, path)
        return self._application(value, path) if isinstance(value, Call) else None

    def _append(self, part: Application | Occurrence | np.ndarray) -> int:
        self._parts.append(part)
        return len(self._parts) - 1

    def _constant(self, array: np.ndarray) -> int | None:
        return self._append(array.reshape(())) if array.size == 1 else None

    def _leaf(self, leaf: Quantized, path: Path) -> int | None:
        one = single(leaf)
        if one is not None:
            return self._append(dequantize(one, leaf.quant))
        return self._append(Occurrence(leaf, path)) if leaf.per_tensor else None

    def _condition(self, x: relax.Expr, table: np.ndarray, path: Path) -> int:
        """A condition that was lowered to a table of bool over the int8 tensor `x`."""
        entered = self._append(Occurrence(Quantized.of(x, Quant(1.0, 0)), path))
        return self._append(Application(lambda q: table[q.astype("int32") + 128], (entered,)))

    def _application(self, call: Call, path: Path) -> int | None:
        name = str(getattr(call.op, "name", "")).removeprefix("relax.")
        if name == "astype":
            return self._cast(call, path)
        function = FUNCTIONS.get(name.removeprefix("nn."))
        if function is None:
            return None
        args = [self._argument(arg, path) for arg in call.args]
        args += [
            self._append(np.asarray(getattr(call.attrs, key))) for key in _ATTRIBUTES.get(name, ())
        ]
        known = tuple(arg for arg in args if arg is not None)
        return self._append(Application(function, known)) if len(known) == len(args) else None

    def _cast(self, call: Call, path: Path) -> int | None:
        """A cast between float32 and bool; every number but 0 is true."""
        dtype = str(call.attrs.dtype)
        read = self.read(call.args[0], path) if dtype in _CASTS else None
        if read is None:
            return None
        return self._append(Application(lambda values: values.astype(dtype), (read,)))

    def _argument(self, arg: relax.Expr, path: Path) -> int | None:
        is_tensor = isinstance(getattr(arg, "ty", None), relax.TensorType)
        return self.read(arg, path) if is_tensor else self._append(np.asarray(number(arg)))


def single(leaf: Quantized) -> np.ndarray | None:
    """The value of a constant of one element, as an array without axes."""
    array = leaf.array
    return None if array is None or array.size != 1 else array.reshape(())


def common_root(
    island: Island, exprs: Sequence[relax.Expr]
) -> tuple[relax.Expr, list[np.ndarray]] | None:
    """The nearest int8 tensor that all of `exprs` are functions of, with their tables.

    The result of a lut is a function of the tensor that the lut reads. None without such a tensor.
    """
    chains = [_sources(island, expr) for expr in exprs]
    for root, _ in chains[0]:
        found = [table for chain in chains for source, table in chain if source.same_as(root)]
        if len(found) == len(chains):
            return root, found
    return None


def _sources(island: Island, expr: relax.Expr) -> list[tuple[relax.Expr, np.ndarray]]:
    """The tensors behind `expr` through luts, each with `expr` as a table over it.

    The first one is `expr` itself.
    """
    chain, table = [(expr, DOMAIN)], DOMAIN
    while (step := int8_table(island.value(expr))) is not None:
        expr, table = island.value(expr).args[0], table[step.astype("int32") + 128]
        chain.append((expr, table))
    return chain
