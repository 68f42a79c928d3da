"""Rules for comparisons, whose results are bool, and for the choice between two tensors."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.comparison import RELATIONS, comparable
from tvm_tiny.reference.quantization import Rounding

from .expression import quant
from .island import Island
from .movement import operand
from .quantized import Quantized, array_of, constant, ints
from .tables import clamped, requantized

_DOMAIN = np.arange(-128, 128).astype("int8")


def compare(island: Island, call: Call) -> relax.Expr | None:
    """relation(a, b) -> a table where one of them is one number, else `compare`."""
    relation = call.op.name.removeprefix("relax.")
    rounding = island.reference_rounding
    sides = [island.activation(arg) for arg in call.args]
    numbers = [
        _number(island, arg, side, rounding) for arg, side in zip(call.args, sides, strict=True)
    ]
    for k, (x, other) in enumerate(zip(sides, reversed(numbers), strict=True)):
        if x is not None and other is not None:
            values = comparable(_DOMAIN, quant(x), rounding)
            pair = (values, other) if k == 0 else (other, values)
            return _table(island, x, RELATIONS[relation](*pair), ints(call.ty.shape))
    a, b = sides
    if a is None or b is None:
        return None
    operands = [a.expr, b.expr, *_ranks(a, b, rounding)]
    return ops.call("compare", operands, relation=relation)


def _number(
    island: Island, expr: relax.Expr, side: Quantized | None, rounding: Rounding
) -> np.ndarray | None:
    """What is compared of a constant of one element; None for anything else."""
    if side is not None:
        values = side.array
        if values is None or values.size != 1:
            return None
        return comparable(values, quant(side), rounding).reshape(())
    array = array_of(island.value(expr))
    if array is None or array.size != 1 or rounding is not Rounding.FLOAT32:
        return None
    return array.astype("float32").reshape(())


def _table(island: Island, x: Quantized, table: np.ndarray, shape: list[int]) -> relax.Expr:
    looked_up = ops.call("lut", [x.expr, constant(table, "bool")])
    if list(x.shape) == shape:
        return looked_up
    return relax.op.reshape(island.emit(looked_up), shape)


def _ranks(a: Quantized, b: Quantized, rounding: Rounding) -> list[relax.Expr]:
    """Tables of the place of each value of a and b among all of them; none where none is needed."""
    values = [comparable(_DOMAIN, quant(x), rounding) for x in (a, b)]
    if quant(a) == quant(b) and np.all(np.diff(values[0]) > 0):
        return []
    known = np.unique(np.concatenate(values))
    return [constant(np.searchsorted(known, v), "int16") for v in values]


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
