"""Rules for pooling, mean, softmax and argmax."""

from __future__ import annotations

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference import activation, fixed_point
from tvm_tiny.reference.arithmetic import multiply_by_quantized_multiplier
from tvm_tiny.reference.pooling import mean_multiplier
from tvm_tiny.reference.quantization import Quant

from .elementwise import finish, quant
from .island import Island
from .quantized import Quantized, constant, ints


def pool2d(island: Island) -> relax.Expr | None:
    """quantize(avg_pool2d(x)) and max_pool2d -> qavg_pool2d, qmax_pool2d."""
    call = island.match(island.core, "nn.avg_pool2d", "nn.max_pool2d")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None or str(call.attrs.layout) != "NHWC":
        return None
    attrs, name = call.attrs, call.op.name.removeprefix("relax.nn.")
    padding = ints(attrs.padding)
    counts_padding = name == "avg_pool2d" and bool(attrs.count_include_pad) and any(padding)
    if ints(attrs.dilation) != [1, 1] or not (counts_padding or _has_taps(call, x)):
        return None
    if counts_padding and bool(attrs.ceil_mode):
        return None
    operand, padding = (
        (_padded(island, x, padding), [0, 0, 0, 0])
        if counts_padding
        else (x.expr, _fit(padding, call, x))
    )
    keeps_scale = quant(x) == Quant(island.scale, island.zp)
    pooled = ops.call(
        f"q{name}",
        [operand],
        pool_size=ints(attrs.pool_size),
        strides=ints(attrs.strides),
        padding=padding,
        **(island.clamp() if keeps_scale else {"act_min": -128, "act_max": 127}),
    )
    return pooled if keeps_scale else finish(island, pooled, x)


def _padded(island: Island, x: Quantized, padding: list[int]) -> relax.Expr:
    """`x` with real zeros around it that an average counts."""
    top, left, bottom, right = padding
    n, h, w, c = x.shape
    shape = [n, h + top + bottom, w + left + right, c]
    return island.emit(
        ops.call("pad", [x.expr], before=[0, top, left, 0], value=x.zp, shape=shape)
    )


def _has_taps(call: Call, x: Quantized) -> bool:
    """False where a window lies wholly in the padding: an average of nothing."""
    axes = zip(
        ints(call.ty.shape)[1:3],
        ints(call.attrs.strides),
        ints(call.attrs.pool_size),
        ints(call.attrs.padding)[:2],
        x.shape[1:3],
        strict=True,
    )
    return all(
        before < size and (out - 1) * stride - before < total
        for out, stride, size, before, total in axes
    )


def _fit(padding: list[int], call: Call, x: Quantized) -> list[int]:
    """Padding that gives the call's output size; ceil_mode adds to the end of each axis."""
    top, left, bottom, right = padding
    need = [
        (int(out) - 1) * stride + size - total
        for out, stride, size, total in zip(
            ints(call.ty.shape)[1:3],
            ints(call.attrs.strides),
            ints(call.attrs.pool_size),
            x.shape[1:3],
            strict=True,
        )
    ]
    return [top, left, max(bottom, need[0] - top), max(right, need[1] - left)]


def mean(island: Island) -> relax.Expr | None:
    """quantize(mean(x, axes)) and global average pooling -> qmean."""
    call = island.match(island.core, "mean", "nn.adaptive_avg_pool2d")
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    axes = _mean_axes(call, len(x.shape))
    if axes is None:
        return None
    count = int(np.prod([x.shape[a] for a in axes], dtype="int64"))
    multiplier, shift = mean_multiplier(x.real_scale, island.scale, count)
    operand, run = _adjacent(island, x, axes)
    reduced = ops.call(
        "qmean",
        [operand],
        axes=run,
        shape=ints(call.ty.shape),
        x_zp=x.zp,
        y_zp=island.zp,
        multiplier=multiplier,
        shift=shift,
        ratio=float(np.float32(x.real_scale) / (np.float32(count) * np.float32(island.scale))),
        rounding=island.rounding,
    )
    if (island.low, island.high) == (-128, 127):
        return reduced
    scale, zero_point = np.float32(island.scale), np.int32(island.zp)
    return finish(island, reduced, Quantized(x.expr, np.array(scale), np.array(zero_point), 0))


def _mean_axes(call: Call, rank: int) -> list[int] | None:
    if call.op.name == "relax.nn.adaptive_avg_pool2d":
        whole = str(call.attrs.layout) == "NHWC" and ints(call.ty.shape)[1:3] == [1, 1]
        return [1, 2] if whole else None
    axes = call.attrs.axis
    return sorted(a % rank for a in ints(axes)) if axes is not None else list(range(rank))


def _adjacent(island: Island, x: Quantized, axes: list[int]) -> tuple[relax.Expr, list[int]]:
    """`x` with the reduced axes next to each other, and where they are; order kept."""
    if not axes or axes[-1] - axes[0] + 1 == len(axes):
        return x.expr, axes
    kept = [a for a in range(len(x.shape)) if a not in axes]
    moved = island.emit(ops.call("transpose", [x.expr], axes=kept + axes))
    return moved, list(range(len(kept), len(x.shape)))


def softmax(island: Island) -> relax.Expr | None:
    """quantize(softmax(beta * x)) over the last axis -> qsoftmax."""
    call = island.match(island.core, "nn.softmax")
    if call is None:
        return None
    x, beta = island.activation(call.args[0]), 1.0
    if x is None:
        scaled = island.match(call.args[0], "multiply")
        factor = island.scalar(scaled.args[1]) if scaled is not None else None
        if scaled is None or factor is None:
            return None
        x, beta = island.activation(scaled.args[0]), factor
    # The sum of the exponentials has 12 integer bits.
    if x is None or x.shape[-1] > 4095:
        return None
    rank = len(x.shape)
    axis = int(call.attrs.axis) % rank
    swap = [a for a in range(rank) if a != axis] + [axis]
    operand = x.expr
    if axis != rank - 1:
        if x.shape[axis] > 4095:
            return None
        operand = island.emit(ops.call("transpose", [operand], axes=swap))
    result = ops.call("qsoftmax", [operand, constant(exp_table(x.real_scale, beta))])
    if axis != rank - 1:
        back = [swap.index(a) for a in range(rank)]
        result = ops.call("transpose", [island.emit(result)], axes=back)
    canonical = activation.SOFTMAX_OUTPUT
    source = Quantized(
        x.expr, np.array(canonical.scale, "float32"), np.array(canonical.zero_point), 0
    )
    return finish(island, result, source)


def exp_table(x_scale: float, beta: float) -> np.ndarray:
    """exp(-beta * x_scale * d) in Q0.31 for d = 0..255; 0 where TFLite leaves the term out."""
    multiplier, shift = activation.softmax_multiplier(x_scale, beta)
    steps = np.arange(256, dtype="int64")
    kept = steps <= activation.input_radius(activation.SOFTMAX_INPUT_BITS, shift)
    exponents = multiply_by_quantized_multiplier(np.where(kept, -steps, 0), multiplier, shift)
    exponentials = fixed_point.exp_on_negative_values(exponents, activation.SOFTMAX_INPUT_BITS)
    return np.where(kept, exponentials, 0)
