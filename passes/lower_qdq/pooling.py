"""The rule for average and max pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops

from .island import Island
from .quantized import Quantized, ints
from .tables import finish


def pool2d(island: Island) -> relax.Expr | None:
    """quantize(avg_pool2d(x)), max_pool2d -> qavg_pool2d, qavg_pool2d_rescaled, qmax_pool2d."""
    call = island.match(island.core, "nn.avg_pool2d", "nn.max_pool2d")
    x = _source(island, call.args[0]) if call is not None else None
    if call is None or x is None or str(call.attrs.layout) != "NHWC":
        return None
    attrs, name = call.attrs, call.op.name.removeprefix("relax.nn.")
    padding = ints(attrs.padding)
    if name == "avg_pool2d" and bool(attrs.count_include_pad) and any(padding):
        if bool(attrs.ceil_mode):
            return island.decline("an average that counts its padding, in ceil mode")
        top, left, bottom, right = padding
        x = _padded(island, x, [0, 0, top, bottom, left, right, 0, 0])
        padding = [0, 0, 0, 0]
    if not _has_taps(call, x, padding):
        return island.decline("a window lies in the padding alone")
    window = {
        "pool_size": ints(attrs.pool_size),
        "strides": ints(attrs.strides),
        "dilation": ints(attrs.dilation),
        "padding": _fit(padding, call, x),
    }
    if name == "avg_pool2d" and island.rounding == "float32":
        scales = {"x_scale": x.real_scale, "y_scale": island.scale}
        changes = {"x_zp": x.zp, "y_zp": island.zp, **scales, **island.clamp()}
        return ops.call("qavg_pool2d_rescaled", [x.expr], **window, **changes)
    if x.quant == island.quant:
        return ops.call(f"q{name}", [x.expr], **window, **island.clamp())
    pooled = ops.call(f"q{name}", [x.expr], **window, act_min=-128, act_max=127)
    return finish(island, pooled, x.quant)


def _source(island: Island, expr: relax.Expr) -> Quantized | None:
    """The tensor to pool: an activation, or one behind an nn.pad with zeros."""
    pad = island.match(expr, "nn.pad")
    if pad is None:
        return island.activation(expr)
    x, fill = island.activation(pad.args[0]), island.pad_value(pad)
    widths = ints(pad.attrs.pad_width)
    if x is None or fill != 0.0 or min(widths) < 0:
        return None
    return _padded(island, x, widths)


def _padded(island: Island, x: Quantized, widths: list[int]) -> Quantized:
    """`x` padded with real zeros; widths: (before, after) of each axis, flat."""
    before, after = widths[::2], widths[1::2]
    shape = [b + n + a for b, n, a in zip(before, x.shape, after, strict=True)]
    padded = ops.call("pad", [x.expr], before=before, value=x.zp, shape=shape)
    return replace(x, expr=island.emit(padded))


def _axes(call: Call, x: Quantized) -> Iterator[tuple[int, int, int, int, int]]:
    """The tuple (outputs, stride, dilation, taps, inputs) for height, then for width."""
    attrs = call.attrs
    windows = (ints(v) for v in (attrs.strides, attrs.dilation, attrs.pool_size))
    return zip(ints(call.ty.shape)[1:3], *windows, x.shape[1:3], strict=True)


def _has_taps(call: Call, x: Quantized, padding: list[int]) -> bool:
    """Whether each window has at least one tap outside of the padding."""
    return all(
        any(0 <= out * stride + tap * dilation - before < total for tap in range(taps))
        for (outputs, stride, dilation, taps, total), before in zip(
            _axes(call, x), padding[:2], strict=True
        )
        for out in range(outputs)
    )


def _fit(padding: list[int], call: Call, x: Quantized) -> list[int]:
    """The padding that gives the call's output size; ceil_mode adds some at each end."""
    top, left, bottom, right = padding
    rows, columns = (
        (outputs - 1) * stride + (taps - 1) * dilation + 1 - total
        for outputs, stride, dilation, taps, total in _axes(call, x)
    )
    return [top, left, max(bottom, rows - top), max(right, columns - left)]
