"""Rules for sums and extremes of several tensors, and for squared differences."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference import elementwise
from tvm_tiny.reference.quantization import requantize

from .elementwise import sum_attributes
from .island import Island
from .quantized import Quantized, constant
from .tables import of_one_tensor, requantized


def squared_difference(island: Island) -> relax.Expr | None:
    """quantize((a - b) * (a - b)) or (a - b) ** 2 -> qsquared_difference."""
    difference = _squared(island)
    call = island.match(difference, "subtract") if difference is not None else None
    if call is None:
        return None
    a, b = (island.activation(arg) for arg in call.args)
    if a is None or b is None:
        return None
    quants = a.quant, b.quant, island.quant
    table = of_one_tensor(
        island, [a, b], lambda x, y: elementwise.squared_difference(x, y, *quants)
    )
    if table is not None:
        return table
    factors = elementwise.squared_difference_multipliers(a.real_scale, b.real_scale, island.scale)
    attrs = sum_attributes(a, b, island, factors)
    return ops.call("qsquared_difference", [a.expr, b.expr], **attrs)


def _squared(island: Island) -> relax.Expr | None:
    """The expression that the island squares, or None."""
    call = island.match(island.core, "multiply", "power", "square")
    if call is None:
        return None
    first, *rest = (island.value(arg) for arg in call.args)
    name = call.op.name.removeprefix("relax.")
    if name == "multiply" and not first.same_as(rest[0]):
        return None
    if name == "power" and island.scalar(rest[0]) != 2.0:
        return None
    return first


def extremes(island: Island) -> relax.Expr | None:
    """quantize(max(a, b, ...)), min(...) -> a chain of qmaximum, qminimum."""
    call = island.match(island.core, "maximum", "minimum")
    name = call.op.name.removeprefix("relax.") if call is not None else ""
    terms = _terms(island, island.core, name) if name else None
    if terms is None:
        return None
    table = of_one_tensor(island, terms, partial(_extreme, island, name, terms))
    if table is not None:
        return table
    first, *rest = (requantized(island, term) for term in terms)
    for position, other in enumerate(rest):
        first = island.emit(first) if position else first
        first = ops.call(f"q{name}", [first, other], **island.clamp())
    return first


def _extreme(
    island: Island, name: str, terms: Sequence[Quantized], *values: np.ndarray
) -> np.ndarray:
    """The largest or smallest of int8 arrays, quantized as `terms`, elementwise."""
    pick = np.maximum if name == "maximum" else np.minimum
    moved = [
        requantize(value, term.quant, island.quant, rounding=island.reference_rounding)
        for value, term in zip(values, terms, strict=True)
    ]
    return np.asarray(reduce(pick, moved))


def add_n(island: Island) -> relax.Expr | None:
    """quantize(a + b + c + ...) of three and more int8 tensors -> qadd_n."""
    terms = _terms(island, island.core, "add")
    if terms is None or len(terms) < 3:
        return None
    if len(terms) > elementwise.MOST_TERMS:
        return island.decline(f"it adds more than {elementwise.MOST_TERMS} tensors")
    return sum_of(island, terms)


def sum_of(island: Island, terms: list[Quantized]) -> relax.Expr:
    """A qadd_n of int8 tensors that broadcast, with the island's quantization."""
    *inputs, output = elementwise.add_n_multipliers(
        [term.real_scale for term in terms], island.scale
    )
    rows = [(term.zp, *factor) for term, factor in zip(terms, inputs, strict=True)]
    return ops.call(
        "qadd_n",
        [*(term.expr for term in terms), constant(np.array(rows).reshape(-1))],
        y_zp=island.zp,
        y_multiplier=output[0],
        y_shift=output[1],
        **island.clamp(),
    )


def _terms(island: Island, expr: relax.Expr, name: str) -> list[Quantized] | None:
    """The int8 leaves of a tree of one operator, in order; else None."""
    call = island.match(expr, name)
    if call is None:
        term = island.activation(expr)
        return None if term is None else [term]
    left, right = (_terms(island, arg, name) for arg in call.args)
    return None if left is None or right is None else left + right
