"""Functions of one int8 tensor as tables of 256 values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference.quantization import Quant, requantize
from tvm_tiny.reference.real import quantized

from .expression import DOMAIN, Occurrence, Reader, common_root, single
from .island import Island
from .quantized import Quantized, array_of, constant, ints


def lookup_table(
    expr: relax.Expr, table: np.ndarray, low: int = -128, high: int = 127
) -> relax.Expr:
    """A lut of the table, clamped to [low, high]; of a constant, its result."""
    clamped, values = np.clip(table, low, high), array_of(expr)
    if values is not None:
        return constant(clamped[values.astype("int32") + 128], "int8")
    return ops.call("lut", [expr, constant(clamped, "int8")])


def requantized(island: Island, x: Quantized) -> relax.Expr:
    """`x` in the island's output quantization; `x` itself where it has that already."""
    if x.quant == island.quant:
        return x.expr
    table = requantize(DOMAIN, x.quant, island.quant, rounding=island.reference_rounding)
    moved = lookup_table(x.expr, table)
    return moved if x.array is not None else island.emit(moved)


def finish(island: Island, expr: relax.Expr, source: Quant) -> relax.Expr:
    """`expr`, quantized by `source`, requantized to the island's output and clamped."""
    if source == island.quant:
        return clamped(island, expr)
    table = requantize(DOMAIN, source, island.quant, rounding=island.reference_rounding)
    return lookup_table(island.emit(expr), table, island.low, island.high)


def clamped(island: Island, expr: relax.Expr) -> relax.Expr:
    """`expr`, quantized as the output, clamped to the limits of the fused activation."""
    if (island.low, island.high) == (-128, 127):
        return expr
    return lookup_table(island.emit(expr), DOMAIN, island.low, island.high)


# An int8 tensor, and the value of a function of it for each of -128 .. 127.
Found = tuple[relax.Expr, np.ndarray]


def condition_table(island: Island, found: Found) -> relax.Expr:
    """A lut to bool: the condition that `found` gives, for every element of its tensor."""
    x, table = found
    return shaped(island, ops.call("lut", [x, constant(table, "bool")]), x)


def of_one_tensor(
    island: Island, operands: Sequence[Quantized], function: Callable[..., np.ndarray]
) -> relax.Expr | None:
    """A lut for a function of operands that depend on one tensor only, else None."""
    found = function_of_one(island, operands, function)
    if found is None:
        return None
    root, table = found
    return shaped(island, lookup_table(root, table, island.low, island.high), root)


def function_of_one(
    island: Island, operands: Sequence[Quantized], function: Callable[..., np.ndarray]
) -> Found | None:
    """The tensor that all operands are functions of, and the function's table over it.

    Constants of one element count as numbers. None where there is no such tensor.
    """
    tensors = [x.expr for x in operands if single(x) is None]
    shared = common_root(island, tensors) if tensors else None
    if shared is None:
        return None
    root, tables = shared[0], iter(shared[1])
    return root, function(*(next(tables) if (n := single(x)) is None else n for x in operands))


def one_tensor(island: Island) -> relax.Expr | None:
    """quantize(elementwise expression of one int8 tensor) -> a lut of its values."""
    found = expression_of_one(island)
    if found is None:
        return None
    x, values = found
    table = quantized(values, island.quant, island.reference_rounding)
    return shaped(island, lookup_table(x, table, island.low, island.high), x)


def expression_of_one(island: Island) -> Found | None:
    """The int8 tensor that the island's elementwise expression reads, and its float table.

    The tensor may occur several times, moved in the same way each time; every other operand is a
    constant of one element.
    """
    reader = Reader(island)
    if reader.read(island.core) is None or not reader.occurrences:
        return None
    places = reader.occurrences
    shared = common_root(island, [place.leaf.expr for place in places])
    if shared is None or not _move_alike(places):
        return None
    root, tables = shared
    return _moved(island, root, places[0]), reader.evaluate(tables)


def _move_alike(places: list[Occurrence]) -> bool:
    if len(places) == 1 or not any(place.path for place in places):
        return True
    first, *rest = (place.order() for place in places)
    return first is not None and all(
        order is not None and np.array_equal(first, order) for order in rest
    )


def _moved(island: Island, root: relax.Expr, place: Occurrence) -> relax.Expr:
    """The root, moved as it is where it enters the expression."""
    for move in reversed(place.path):
        root = island.moved(root, move)
    return root


def shaped(island: Island, result: relax.Expr, x: relax.Expr) -> relax.Expr:
    """`result`, which has the shape of `x`, reshaped to the island's shape.

    The shapes differ where a constant of higher rank adds axes of extent 1.
    """
    shape = ints(island.core.ty.shape)
    return result if ints(x.ty.shape) == shape else relax.op.reshape(island.emit(result), shape)
