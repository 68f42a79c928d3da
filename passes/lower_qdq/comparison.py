"""Rules for comparisons, whose results are bool, and for `where`."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.comparison import RELATIONS, comparable
from tvm_tiny.reference.quantization import Rounding, quantize

from .expression import DOMAIN
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
_PREDICATES = (*RELATIONS, *_LOGIC, "isinf", "isnan")

# An int8 expression, and the real value to compare for each of its values -128 .. 127.
Side = tuple[relax.Expr, np.ndarray]


def gives_bool(call: Call) -> bool:
    """Whether an operator's result is a condition: a relation, logic, or a cast to bool."""
    name = _name(call)
    return name in _PREDICATES or (name == "astype" and str(call.attrs.dtype) == "bool")


def predicate(island: Island, call: Call) -> relax.Expr | None:
    """A condition on one tensor -> lut to bool; a relation of two -> compare.

    A condition is a relation, logic on conditions, or a cast to bool.
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
    return str(getattr(call.op, "name", "")).removeprefix("relax.")


def _of_quantized(island: Island, call: Call, operands: list[Quantized]) -> Found | None:
    """A relation of functions of one tensor, or of a tensor and a quantized number."""
    rounding = island.reference_rounding

    def relation(*codes: np.ndarray) -> np.ndarray:
        quants = (x.quant for x in operands)
        values = (comparable(*pair, rounding) for pair in zip(codes, quants, strict=True))
        return RELATIONS[_name(call)](*values)

    return function_of_one(island, operands, relation)


def _compared(island: Island, call: Call, tensors: list[Quantized | None]) -> relax.Expr | None:
    # TFLite never compares int8 with float; here an int8 value counts as its dequantized value.
    rounding = Rounding.FLOAT32 if None in tensors else island.reference_rounding
    sides = [
        _thresholds(island, arg) if x is None else (x.expr, comparable(DOMAIN, x.quant, rounding))
        for x, arg in zip(tensors, call.args, strict=True)
    ]
    if None in sides:
        return None
    (a, a_values), (b, b_values) = (side for side in sides if side is not None)
    return ops.call("compare", [a, b, *_ranks(a_values, b_values)], relation=_name(call))


def _thresholds(island: Island, expr: relax.Expr) -> Side | None:
    """A constant float tensor of at most 256 different values, as int8 codes of these."""
    array = array_of(island.value(expr))
    if array is None or array.dtype != np.float32 or np.isnan(array).any():
        return None
    values, codes = np.unique(array, return_inverse=True)
    if len(values) > len(DOMAIN):
        island.decline(f"a constant of more than {len(DOMAIN)} different numbers")
        return None
    coded = constant(codes.reshape(array.shape) - 128, "int8")
    return coded, np.pad(values, (0, len(DOMAIN) - len(values)), mode="edge")


def _ranks(a: np.ndarray, b: np.ndarray) -> list[relax.Expr]:
    """Tables from codes of a and b to ranks that compare as their values do.

    Empty where the codes themselves compare so.
    """
    if np.array_equal(a, b) and np.all(np.diff(a) > 0):
        return []
    known = np.unique(np.concatenate([a, b]))
    return [constant(np.searchsorted(known, values), "int16") for values in (a, b)]


def select(island: Island) -> relax.Expr | None:
    """quantize(where(condition, a, b)) -> select of a and b in the output's quantization."""
    call = island.match(island.core, "where")
    if call is None or str(call.args[0].ty.dtype) != "bool":
        return None
    choices = [operand(island, arg) for arg in call.args[1:]]
    operands = [requantized(island, x) for x in choices if x is not None]
    if len(operands) < len(choices):
        return None
    return clamped(island, ops.call("select", [call.args[0], *operands]))


def from_bool(island: Island) -> relax.Expr | None:
    """quantize(astype(condition, float32)) -> select of the int8 values of 1 and 0."""
    call = island.match(island.core, "astype")
    if call is None or str(call.args[0].ty.dtype) != "bool":
        return None
    numbers = np.array([1, 0], "float32")
    codes = quantize(numbers, island.quant, rounding=island.reference_rounding)
    extents = [1] * len(call.ty.shape)
    chosen = np.clip(codes, island.low, island.high)
    operands = [constant(code.reshape(extents), "int8") for code in chosen]
    return ops.call("select", [call.args[0], *operands])
