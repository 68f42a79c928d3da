"""Which values each channel of a tensor can have: bounds for every input there is.

Quantizers leave channels whose weights are so small that they always give one value; what is
known to be constant need not be computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from tvm import relax
from tvm.ir import Call, Expr, GenericConst

from tvm_tiny.schedules.shapes import shape_of

# Lowest and highest value of each channel: int64 [C, 2].
Ranges = np.ndarray
POOLS = ("tvm_tiny.qavg_pool2d", "tvm_tiny.qmax_pool2d")
PRODUCTS = ("tvm_tiny.qconv2d", "tvm_tiny.qdense")

_INT32 = 1 << 31
# Sums below this are exact in float32, so that its rounding keeps their order.
_FLOAT_EXACT = 1 << 24


def name_of(expr: Expr) -> str:
    """The operator of a call, "" for anything else."""
    return str(getattr(getattr(expr, "op", None), "name", ""))


def is_depthwise(call: Expr) -> bool:
    """Whether each channel of a convolution is made from the same one of its input."""
    if name_of(call) != "tvm_tiny.qconv2d" or _is_constant(call.args[0]):
        return False
    return 1 < int(call.attrs["groups"]) == shape_of(call.args[0])[3] == shape_of(call)[3]


def keeps_channels(call: Expr) -> bool:
    """Whether an operator's channels are those of its first operand, one by one."""
    if isinstance(call, Call) and call.args and _is_constant(call.args[0]):
        return False
    if name_of(call) == "relax.reshape":
        before, after = shape_of(call.args[0]), shape_of(call)
        return len(before) > 1 and before[-1] == after[-1] == int(np.prod(after))
    return name_of(call) in POOLS or is_depthwise(call)


def is_product(call: Expr) -> bool:
    """Whether every channel is made from all of the input's: convolutions, dense layers."""
    if name_of(call) not in PRODUCTS or not all(map(_is_constant, call.args[1:])):
        return False
    if _is_constant(call.args[0]):
        return False
    return name_of(call) == "tvm_tiny.qdense" or int(call.attrs["groups"]) == 1


def channel_ranges(call: Expr, known: Mapping[relax.Var, Ranges]) -> Ranges:
    """Channel ranges of an operator's results, worked out from those of its operands."""
    shape = shape_of(call)
    if is_product(call) or (is_depthwise(call) and all(map(_is_constant, call.args[1:]))):
        return _of_products(call, known[call.args[0]])
    if keeps_channels(call) and name_of(call) != "tvm_tiny.qconv2d":
        ranges = known[call.args[0]]
        if name_of(call) in POOLS:
            low, high = int(call.attrs["act_min"]), int(call.attrs["act_max"])
            ranges = np.clip(ranges, low, high)
        return ranges
    return any_value(shape)


def any_value(shape: tuple[int, ...]) -> Ranges:
    """Nothing is known."""
    return np.tile(np.array([-128, 127], dtype=np.int64), (shape[-1] if shape else 1, 1))


def pads(call: Call) -> bool:
    """Whether a window may reach beyond the input."""
    return "padding" in call.attrs and any(int(v) for v in call.attrs["padding"])


def _is_constant(expr: Expr) -> bool:
    return isinstance(expr, GenericConst)


def _of_products(call: Call, inputs: Ranges) -> Ranges:
    weights, bias, multiplier, shift = (a.value.numpy() for a in call.args[1:])
    wide = weights.astype(np.int64).reshape(len(weights), -1, weights.shape[-1])
    low, high = (inputs - int(call.attrs["x_zp"])).T
    if pads(call):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    if is_depthwise(call):
        low, high = low[:, None, None], high[:, None, None]
    terms = np.minimum(wide * low, wide * high), np.maximum(wide * low, wide * high)
    sums = np.stack([part.sum(axis=(1, 2)) + bias for part in terms], axis=1)
    results = _rescaled(call, sums, multiplier, np.broadcast_to(shift, multiplier.shape))
    limit = _FLOAT_EXACT if str(call.attrs["rounding"]) == "float32" else _INT32
    surprising = (np.abs(sums) >= limit).any(axis=1)
    results[surprising] = int(call.attrs["act_min"]), int(call.attrs["act_max"])
    return results


def _rescaled(call: Call, sums: np.ndarray, multiplier: Any, shift: Any) -> np.ndarray:
    """int8 of int32 sums [C, 2]; grows with the sum, so bounds stay bounds."""
    zero_point = int(call.attrs["y_zp"])
    low, high = int(call.attrs["act_min"]), int(call.attrs["act_max"])
    if str(call.attrs["rounding"]) == "float32":
        scaled = sums.astype(np.float32) * multiplier.astype(np.float32)[:, None]
        rounded = np.rint(scaled).astype(np.int64)
    else:
        left = sums << np.maximum(shift, 0)[:, None]
        product = (left * multiplier.astype(np.int64)[:, None] + (1 << 30)) >> 31
        right = np.maximum(-shift, 0).astype(np.int64)[:, None]
        half = (np.int64(1) << right) >> 1
        rounded = (product + half - ((product < 0) & (right > 0))) >> right
    return np.asarray(np.clip(rounded + zero_point, low, high))
