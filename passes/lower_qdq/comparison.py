"""Rules for comparisons, whose results are bool, and for the choice between two tensors."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.comparison import RELATIONS, comparable

from .expression import DOMAIN, quant
from .island import Island
from .movement import operand
from .quantized import Quantized, array_of, constant
from .tables import (
    Found,
    clamped,
    condition_table,
    expression_of_one,
    function_of_one,
    requantized,
)

_LOGIC = ("logical_and", "logical_not", "logical_or", "logical_xor")
# What gives bool, by Relax's names.
PREDICATES = (*RELATIONS, *_LOGIC, "isinf", "isnan")

# An int8 expression, and what is compared for each of the values -128 .. 127.
Side = tuple[relax.Expr, np.ndarray]


def predicate(island: Island, call: Call) -> relax.Expr | None:
    """A condition on one tensor -> a table of bool; a relation of two tensors -> `compare`.

    A condition is a relation, or logic on conditions.
    """
    tensors = [island.activation(arg) for arg in call.args]
    quantized = [x for x in tensors if x is not None]
    related = _name(call) in RELATIONS
    if related and len(quantized) == 2:
        found = _of_quantized(island, call, quantized)
    else:
        found = expression_of_one(island)
    if found is not None:
        return condition_table(island, found)
    return _compared(island, call, tensors) if related and quantized else None


def _name(call: Call) -> str:
    return str(call.op.name.removeprefix("relax."))


def _of_quantized(island: Island, call: Call, operands: list[Quantized]) -> Found | None:
    """A relation of functions of one tensor, or of a tensor and a quantized number."""

    def relation(*codes: np.ndarray) -> np.ndarray:
        values = (_values(island, x, c) for x, c in zip(operands, codes, strict=True))
        return RELATIONS[_name(call)](*values)

    return function_of_one(island, operands, relation)


def _values(island: Island, x: Quantized, codes: np.ndarray = DOMAIN) -> np.ndarray:
    return comparable(codes, quant(x), island.reference_rounding)


def _compared(
    island: Island, call: Call, tensors: list[Quantized | None]
) -> relax.Expr | None:
    sides = [
        (x.expr, _values(island, x)) if x is not None else _thresholds(island, arg)
        for x, arg in zip(tensors, call.args, strict=True)
    ]
    if any(side is None for side in sides):
        return None
    (a, a_values), (b, b_values) = (side for side in sides if side is not None)
    return ops.call("compare", [a, b, *_ranks(a_values, b_values)], relation=_name(call))


def _thresholds(island: Island, expr: relax.Expr) -> Side | None:
    """A constant tensor of at most 256 different floats, as int8 codes of them."""
    array = array_of(island.value(expr))
    if array is None or array.dtype != np.float32 or np.isnan(array).any():
        return None
    values, codes = np.unique(array, return_inverse=True)
    if len(values) > len(DOMAIN):
        return None
    coded = constant(codes.reshape(array.shape) - 128, "int8")
    return coded, np.pad(values, (0, len(DOMAIN) - len(values)), mode="edge")


def _ranks(a: np.ndarray, b: np.ndarray) -> list[relax.Expr]:
    """Tables of the place of each value of a and b among all of them; none where none is needed."""
    if np.array_equal(a, b) and np.all(np.diff(a) > 0):
        return []
    known = np.unique(np.concatenate([a, b]))
    return [constant(np.searchsorted(known, values), "int16") for values in (a, b)]


def select(island: Island) -> relax.Expr | None:
    """quantize(where(condition, a, b)) -> select of both at the output's quantization."""
    call = island.match(island.core, "where")
    if call is None or str(call.args[0].ty.dtype) != "bool":
        return None
    choices = [operand(island, arg) for arg in call.args[1:]]
    operands = [requantized(island, x) for x in choices if x is not None]
    if len(operands) < len(choices):
        return None
    return clamped(island, ops.call("select", [call.args[0], *operands]))
