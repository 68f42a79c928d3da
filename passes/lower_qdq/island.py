"""Islands: `quantize(float operators(dequantize(...), ...))`, and how rules look into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tvm import relax, tirx
from tvm.ir import Call, GenericConst

from tvm_tiny.reference.arithmetic import round_half_away

INT8_MIN, INT8_MAX = -128, 127


@dataclass(frozen=True)
class Quantized:
    """A quantized tensor that enters an island.

    expr: int8 (or int32 for a bias) Relax expression; scale float32 [] or [channels];
    zero_point of the same shape; axis: the channel axis where there are several.
    """

    expr: relax.Expr
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Static shape."""
        return tuple(int(d) for d in self.expr.ty.shape)

    @property
    def dtype(self) -> str:
        """Element type."""
        return str(self.expr.ty.dtype)

    @property
    def array(self) -> np.ndarray | None:
        """The values, where they are constant."""
        return array_of(self.expr)

    @property
    def per_tensor(self) -> bool:
        """True for an int8 tensor with one scale."""
        return self.dtype == "int8" and self.scale.size == 1 and self.zero_point.size == 1

    @property
    def real_scale(self) -> float:
        """The scale of a per-tensor quantization: the float32 value, in double."""
        return float(self.scale.reshape(-1)[0])

    @property
    def zp(self) -> int:
        """The zero point of a per-tensor quantization."""
        return int(self.zero_point.reshape(-1)[0])


@dataclass(frozen=True)
class Island:
    """One quantize and the float expression below it.

    emit binds an expression in the new module; lookup gives the value a variable is bound to.
    low, high: clamp of the fused activation, in quantized units.
    """

    emit: Callable[[relax.Expr], relax.Var]
    lookup: Callable[[relax.Var], relax.Expr | None]
    core: relax.Expr
    scale: float
    zp: int
    low: int = INT8_MIN
    high: int = INT8_MAX

    def value(self, expr: relax.Expr) -> relax.Expr:
        """The expression behind variables."""
        while isinstance(expr, relax.Var):
            bound = self.lookup(expr)
            if bound is None:
                return expr
            expr = bound
        return expr

    def match(self, expr: relax.Expr, *names: str) -> Call | None:
        """The call of one of the Relax operators `names` that `expr` stands for, or None."""
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
        """A leaf that is an int8 tensor with one scale."""
        leaf = self.leaf(expr)
        return leaf if leaf is not None and leaf.per_tensor else None

    def scalar(self, expr: relax.Expr) -> float | None:
        """The value of a float constant with one element."""
        array = array_of(self.value(expr))
        return None if array is None or array.size != 1 else float(array.reshape(-1)[0])

    def clamp(self) -> dict[str, int]:
        """The fused activation's limits as operator attributes."""
        return {"act_min": self.low, "act_max": self.high}

    def without_activation(self) -> Island:
        """The island with a fused relu or clip taken off `core` and into `low` and `high`.

        An activation directly on a dequantize is an operator of its own and stays.
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
        steps = np.float32(real) / np.float32(self.scale)
        return max(INT8_MIN, min(INT8_MAX, self.zp + round_half_away(float(steps))))


def number(expr: relax.Expr) -> float:
    """Value of a clip bound (a PrimValue or a TIR constant)."""
    inner = getattr(expr, "value", expr)
    return float(getattr(inner, "value", inner))


def array_of(expr: relax.Expr) -> np.ndarray | None:
    """The values of a constant tensor or scalar; None for anything else."""
    if isinstance(expr, GenericConst):
        return np.asarray(expr.value.numpy())
    if isinstance(expr, tirx.IntImm | tirx.FloatImm):
        return np.array(expr.value, str(expr.dtype))
    return None


def constant(array: np.ndarray, dtype: str = "int32") -> GenericConst:
    """A Relax constant of the given element type."""
    return relax.const(np.ascontiguousarray(array, dtype=dtype))
