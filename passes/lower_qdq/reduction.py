"""Rules for reductions over any axes: mean, sum, largest and smallest element."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.arithmetic import quantize_multiplier
from tvm_tiny.reference.reduction import mean_multiplier, mean_ratio

from .island import Island
from .quantized import Quantized, ints
from .tables import clamped, finish


def mean(island: Island) -> relax.Expr | None:
    """quantize(mean(x, axes)), sum(x, axes) and global average pooling -> qmean.

    A sum is a mean whose multiplier does not hold 1 / count.
    """
    found = _reduction(island, "mean", "sum", "nn.adaptive_avg_pool2d", "nn.avg_pool2d")
    if found is None:
        return None
    call, x, axes = found
    if not axes:
        return finish(island, x.expr, x.quant)
    count = int(np.prod([x.shape[a] for a in axes], dtype="int64"))
    operand, run = _adjacent(island, x, axes)
    reduced = ops.call(
        "qmean",
        [operand],
        axes=run,
        shape=ints(call.ty.shape),
        x_zp=x.zp,
        y_zp=island.zp,
        rounding=island.rounding,
        **_factors(x, island, 1 if call.op.name == "relax.sum" else count),
    )
    return clamped(island, reduced)


def _factors(x: Quantized, island: Island, count: int) -> dict[str, int | float]:
    """Attributes that scale a sum by s_x / (count * s_y), in either rounding."""
    multiplier, shift = (
        quantize_multiplier(x.real_scale / island.scale)
        if count == 1
        else mean_multiplier(x.real_scale, island.scale, count)
    )
    ratio = mean_ratio(x.real_scale, island.scale, count)
    return {"multiplier": multiplier, "shift": shift, "ratio": float(ratio)}


def _reduction(island: Island, *names: str) -> tuple[Call, Quantized, list[int]] | None:
    """The island's call of one of `names`, its int8 operand, and its reduced axes."""
    call = island.match(island.core, *names)
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    axes = _reduced_axes(island, call, len(x.shape))
    return None if axes is None else (call, x, axes)


def _reduced_axes(island: Island, call: Call, rank: int) -> list[int] | None:
    if call.op.name in ("relax.nn.adaptive_avg_pool2d", "relax.nn.avg_pool2d"):
        return [1, 2] if _is_global(island, call) else None
    axes = call.attrs.axis
    return sorted(a % rank for a in ints(axes)) if axes is not None else list(range(rank))


def _is_global(island: Island, call: Call) -> bool:
    """Whether a pooling may become a mean over height and width.

    With TFLite's rounding only adaptive_avg_pool2d may: its avg_pool2d rounds differently.
    """
    whole = str(call.attrs.layout) == "NHWC" and ints(call.ty.shape)[1:3] == [1, 1]
    if call.op.name == "relax.nn.adaptive_avg_pool2d" or not whole:
        return whole
    size, extents = ints(call.attrs.pool_size), ints(call.args[0].ty.shape)[1:3]
    return island.rounding == "float32" and size == extents and not any(ints(call.attrs.padding))


def _adjacent(island: Island, x: Quantized, axes: list[int]) -> tuple[relax.Expr, list[int]]:
    """`x` with the reduced axes moved next to each other, and their new positions."""
    if axes[-1] - axes[0] + 1 == len(axes):
        return x.expr, axes
    kept = [a for a in range(len(x.shape)) if a not in axes]
    moved = island.emit(ops.call("transpose", [x.expr], axes=kept + axes))
    return moved, list(range(len(kept), len(x.shape)))


def extreme(island: Island) -> relax.Expr | None:
    """quantize(max(x, axes)), min(x, axes) -> qreduce_max, qreduce_min of int8 values."""
    found = _reduction(island, "max", "min")
    if found is None:
        return None
    call, x, axes = found
    if not axes:
        return finish(island, x.expr, x.quant)
    operand, run = _adjacent(island, x, axes)
    name = "qreduce_" + call.op.name.removeprefix("relax.")
    reduced = ops.call(name, [operand], axes=run, shape=ints(call.ty.shape))
    return finish(island, reduced, x.quant)
