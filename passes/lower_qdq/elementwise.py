"""The rule for sums, differences, products and quotients of two tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference import elementwise

from .expression import single
from .island import Island
from .products import product
from .quantized import Quantized, constant
from .tables import of_one_tensor

_REFERENCE: dict[str, Callable[..., np.ndarray]] = {
    "add": elementwise.add,
    "subtract": elementwise.sub,
    "multiply": elementwise.mul,
    "divide": elementwise.div,
}


def binary(island: Island) -> relax.Expr | None:
    """quantize(a op b) of two int8 tensors -> qadd, qsubtract, qmultiply, qdivide.

    Where both are functions of one tensor, the result is a table of the operator's values. With
    rounding "float32" the rule `one_tensor` takes an operand that is a number.
    """
    call = island.match(island.core, *_REFERENCE)
    if call is None:
        return None
    a, b = (island.activation(arg) for arg in call.args)
    if a is None or b is None or (island.rounding == "float32" and _has_number(a, b)):
        return None
    name = call.op.name.removeprefix("relax.")
    quants = a.quant, b.quant, island.quant
    options = {"rounding": island.reference_rounding} if name == "multiply" else {}
    table = of_one_tensor(island, [a, b], lambda x, y: _REFERENCE[name](x, y, *quants, **options))
    return _two_tensors(name, a, b, island) if table is None else table


def _has_number(*operands: Quantized) -> bool:
    return any(single(operand) is not None for operand in operands)


def _two_tensors(name: str, a: Quantized, b: Quantized, island: Island) -> relax.Expr:
    if name == "multiply":
        return product(a, b, island)
    if name == "divide":
        reciprocals = elementwise.reciprocals(b.quant, a.real_scale, island.scale)
        attrs = {"a_zp": a.zp, "y_zp": island.zp, **island.clamp()}
        return ops.call("qdivide", [a.expr, b.expr, *map(constant, reciprocals)], **attrs)
    multipliers = elementwise.sub_multipliers if name == "subtract" else elementwise.add_multipliers
    factors = multipliers(a.real_scale, b.real_scale, island.scale)
    return ops.call(f"q{name}", [a.expr, b.expr], **sum_attributes(a, b, island, factors))


def sum_attributes(
    a: Quantized, b: Quantized, island: Island, factors: tuple[elementwise.Pair, ...]
) -> dict[str, int]:
    """Attributes of a sum or difference; factors: (multiplier, shift) of a, b and output."""
    attrs = {"a_zp": a.zp, "b_zp": b.zp, "y_zp": island.zp, **island.clamp()}
    for operand, (multiplier, shift) in zip("aby", factors, strict=True):
        attrs |= {f"{operand}_multiplier": multiplier, f"{operand}_shift": shift}
    return attrs
