"""Costs of operators that run in float, with the reason for each.

LowerQDQ writes both down as main's attribute `tvm_tiny.float`, a JSON text, by the variable that
holds the operator's result; `analyze` reads it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tvm import relax
from tvm.ir import Call

from tvm_tiny.schedules.shapes import shape_of

ATTRIBUTE = "tvm_tiny.float"

# Instructions for a multiply-accumulate, another result, a result of a function of libm: measured
# on a Cortex-M4 at -O2. Without a floating-point unit all take about so many times as many.
_MAC, _RESULT, _FUNCTION = 10, 20, 100
_WITHOUT_UNIT = 8

# Operators whose every result is a call of libm, or a loop as long as one.
_FUNCTIONS = frozenset(
    {
        *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erf", "exp", "log"),
        *("nn.gelu", "nn.log_softmax", "nn.silu", "nn.softmax", "nn.softplus", "power"),
        *("sigmoid", "sin", "sinh", "sqrt", "rsqrt", "tan", "tanh"),
    }
)


@dataclass(frozen=True)
class FloatCost:
    """A float operator's work. results: elements of its result; functions: of these from libm."""

    reason: str
    macs: int
    results: int
    functions: int

    @property
    def bytes(self) -> int:
        """Bytes of the float32 result."""
        return 4 * self.results

    def instructions(self, *, unit: bool) -> int:
        """An estimate. unit: whether the processor has one for float32."""
        plain = 0 if self.macs else self.results - self.functions
        total = _MAC * self.macs + _RESULT * plain + _FUNCTION * self.functions
        return total if unit else _WITHOUT_UNIT * total


def cost_of(call: Call, result: relax.Var, reason: str) -> FloatCost:
    """The cost of one operator whose result is `result`."""
    results = math.prod(shape_of(result))
    functions = results if call.op.name.removeprefix("relax.") in _FUNCTIONS else 0
    return FloatCost(reason, float_macs(call, result), results, functions)


def float_macs(call: Call, result: relax.Var) -> int:
    """Multiply-accumulates of a Relax operator; 0 for one that does not multiply and add."""
    name = str(getattr(call.op, "name", ""))
    if name == "relax.matmul":
        return math.prod(shape_of(result)) * shape_of(call.args[0])[-1]
    if not name.startswith("relax.nn.conv"):
        return 0
    # A weight is used once for every element of one channel of what the kernel moves along.
    moved, axis = (call.args[0], "I") if "transpose" in name else (result, "O")
    weights = shape_of(call.args[1])
    channels = weights[str(call.attrs.kernel_layout).index(axis)]
    return math.prod(shape_of(moved)) * math.prod(weights) // channels


def to_json(costs: Mapping[str, FloatCost]) -> str:
    """As the attribute's text."""
    return json.dumps({name: asdict(cost) for name, cost in costs.items()}, sort_keys=True)


def read_costs(main: relax.Function) -> dict[str, FloatCost]:
    """The costs of main's float operators, by the variables that hold their results."""
    text = main.attrs.get(ATTRIBUTE) if main.attrs else None
    entries = json.loads(str(text)) if text is not None else {}
    return {name: FloatCost(**fields) for name, fields in entries.items()}
