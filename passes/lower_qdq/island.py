"""Islands, `quantize(float operators(dequantize(...), ...))`, and how rules match them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny.reference.quantization import Quant, Rounding, quantize_value

from . import moves
from .move import Move
from .quantized import Quantized, array_of, constant, number

INT8_MIN, INT8_MAX = -128, 127


@dataclass(frozen=True)
class Island:
    """One quantize and the float expression that it reads.

    emit: binds an expression in the new module. lookup: gives the value that a variable is bound
    to. core: the float expression. scale, zp: those of the quantize. low, high: limits of the
    fused activation, in quantized units. rounding: how sums are rounded, "tflite" or "float32" (as
    onnxruntime does it). reasons: those of rules that declined, see `decline`.
    """

    emit: Callable[[relax.Expr], relax.Var]
    lookup: Callable[[relax.Var], relax.Expr | None]
    core: relax.Expr
    scale: float
    zp: int
    low: int = INT8_MIN
    high: int = INT8_MAX
    rounding: str = "tflite"
    reasons: list[str] = field(default_factory=list, compare=False)

    def decline(self, reason: str) -> Any:
        """Note why a rule cannot lower an operator that it matches; returns None.

            return island.decline("weights have several zero points")

        The user reads the first reason, as `operator (tensor): reason, runs in float`, unless
        `seen_reason` finds one in the operands. So a rule must not decline other rules' operators.
        """
        self.reasons.append(reason)
        return None

    @property
    def reference_rounding(self) -> Rounding:
        """The member of the reference's `Rounding` for `rounding`."""
        return Rounding(self.rounding)

    @property
    def quant(self) -> Quant:
        """Scale and zero point of the result."""
        return Quant(self.scale, self.zp)

    def value(self, expr: relax.Expr) -> relax.Expr:
        """The expression that `expr` is bound to, through any number of variables."""
        while isinstance(expr, relax.Var):
            bound = self.lookup(expr)
            if bound is None:
                return expr
            expr = bound
        return expr

    def match(self, expr: relax.Expr, *names: str) -> Call | None:
        """The value of `expr`, where it calls one of the Relax operators `names`; else None."""
        value = self.value(expr)
        is_match = isinstance(value, Call) and getattr(value.op, "name", "") in {
            f"relax.{name}" for name in names
        }
        return value if is_match else None

    def leaf(self, expr: relax.Expr) -> Quantized | None:
        """The quantized tensor that `expr` dequantizes, or None."""
        call = self.match(expr, "dequantize")
        if call is None:
            return None
        scale, zero_point = (array_of(self.value(arg)) for arg in call.args[1:3])
        if scale is None or zero_point is None:
            return None
        data = self.value(call.args[0])
        source = call.args[0] if array_of(data) is None else data
        axis = int(call.attrs.axis)
        rank = len(source.ty.shape)
        return Quantized(source, scale, zero_point, axis % rank if rank else 0)

    def activation(self, expr: relax.Expr) -> Quantized | None:
        """The int8 tensor with one scale that `expr` dequantizes, or None.

        `expr` may also move (reshape, transpose, slice) what it dequantizes. Then the int8 values
        are moved instead, which gives the same.
        """
        leaf = self.leaf(expr)
        if leaf is not None:
            return leaf if leaf.per_tensor else None
        move = moves.find(self.value(expr), self.value)
        source = self.activation(move.source) if move is not None else None
        if move is None or source is None:
            return None
        return replace(source, expr=self.moved(source.expr, move))

    def moved(self, expr: relax.Expr, move: Move) -> relax.Expr:
        """The int8 tensor `expr` with its values moved; a constant is moved at compile time."""
        values = array_of(expr)
        if values is not None and move.values is not None:
            return constant(move.values(values), "int8")
        return self.emit(move.call(expr))

    def scalar(self, expr: relax.Expr) -> float | None:
        """The value of a constant with one element, or None."""
        array = array_of(self.value(expr))
        return None if array is None or array.size != 1 else float(array.reshape(-1)[0])

    def constant(self, expr: relax.Expr) -> np.ndarray | None:
        """The real values of a float constant or of a dequantized constant, or None."""
        array = array_of(self.value(expr))
        leaf = self.leaf(expr) if array is None else None
        if leaf is None or leaf.array is None:
            return array
        shape = [1] * leaf.array.ndim
        if leaf.scale.size > 1:
            shape[leaf.axis] = -1
        scale, zero = (a.astype("float64").reshape(shape) for a in (leaf.scale, leaf.zero_point))
        return np.asarray((leaf.array - zero) * scale)

    def pad_value(self, call: Call) -> float | None:
        """The real number that a constant nn.pad writes; None for another mode."""
        if str(call.attrs.pad_mode) != "constant":
            return None
        return number(call.args[1]) if len(call.args) > 1 else float(call.attrs.pad_value)

    def clamp(self) -> dict[str, int]:
        """The limits of the fused activation as operator attributes."""
        return {"act_min": self.low, "act_max": self.high}

    def without_activation(self) -> Island:
        """The island with outer relus and clips moved from its core into `low` and `high`.

        An activation directly on a dequantize stays: it is an operator of its own.
        """
        island, limits = self, self.limits(self.core)
        while limits is not None and island.leaf(island.value(island.core).args[0]) is None:
            low, high = limits
            inner = island.value(island.core).args[0]
            island = replace(
                island, core=inner, low=max(island.low, low), high=min(island.high, high)
            )
            limits = island.limits(inner)
        return island

    def without_factor(self) -> Island | None:
        """The island with an outer product with a positive constant moved into its scale.

        quantize(c * x, s) = quantize(x, s / c). None where the core is no such product or quotient.
        """
        call = self.match(self.core, "multiply", "divide")
        if call is None:
            return None
        divides = call.op.name == "relax.divide"
        for inner, other in [call.args] if divides else [call.args, reversed(call.args)]:
            factor = self.scalar(other)
            if factor is not None and factor > 0 and np.isfinite(factor):
                scale = self.scale * factor if divides else self.scale / factor
                return replace(self, core=inner, scale=scale).without_activation()
        return None

    def limits(self, expr: relax.Expr) -> tuple[int, int] | None:
        """Quantized limits of a relu or clip (CalculateActivationRangeQuantized of TFLite)."""
        call = self.match(expr, "nn.relu", "nn.relu6", "clip")
        if call is None:
            return None
        name = call.op.name.removeprefix("relax.")
        if name == "clip":
            low, high = (number(a) for a in call.args[1:3])
        else:
            low, high = 0.0, 6.0 if name == "nn.relu6" else np.inf
        return self._quantized(low, INT8_MIN), self._quantized(high, INT8_MAX)

    def _quantized(self, real: float, unlimited: int) -> int:
        if not np.isfinite(real):
            return unlimited
        value = quantize_value(real, self.quant, self.reference_rounding)
        return max(INT8_MIN, min(INT8_MAX, value))
