"""Rules for pooling."""

from __future__ import annotations

from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.quantization import Quant

from .elementwise import finish, quant
from .island import Island
from .quantized import Quantized, ints


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
