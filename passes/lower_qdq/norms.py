"""The rule for layer, RMS, group and instance normalization."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops
from tvm_tiny.reference.norms import Norm, norm_of

from .island import Island
from .moves import reordered
from .quantized import Quantized, constant, ints


@dataclass(frozen=True)
class _Rows:
    """The view [rows, outer, inner] of a tensor of which each row is normalized.

    order: the axes of the tensor in the order of this view. period: the number of rows after which
    the gains repeat; there are period * outer gains.
    """

    order: list[int]
    outer: int
    inner: int
    period: int


def normalize(island: Island) -> relax.Expr | None:
    """quantize(layer_norm(x)), rms_norm, group_norm, instance_norm -> qnormalize."""
    names = ("nn.layer_norm", "nn.rms_norm", "nn.group_norm", "nn.instance_norm")
    call = island.match(island.core, *names)
    x = island.activation(call.args[0]) if call is not None else None
    if call is None or x is None:
        return None
    rows = _rows(call, x.shape)
    norm = _norm(island, call, x, rows)
    if norm is None:
        return island.decline("its rows, gains or scales leave no room for integers")
    return _emit(island, x, rows, norm)


def _rows(call: Call, shape: tuple[int, ...]) -> _Rows:
    rank = len(shape)
    axes = [a % rank for a in ints(call.attrs.axes)]
    name = call.op.name.removeprefix("relax.nn.")
    if name in ("layer_norm", "rms_norm"):
        kept = [a for a in range(rank) if a not in axes]
        return _Rows(kept + axes, math.prod(shape[a] for a in axes), 1, 1)
    channel = int(call.attrs.channel_axis) % rank
    groups = int(call.attrs.num_groups) if name == "group_norm" else shape[channel]
    axes = [a for a in axes if a != channel]
    kept = [a for a in range(rank) if a not in axes and a != channel]
    inner = math.prod(shape[a] for a in axes)
    return _Rows([*kept, channel, *axes], shape[channel] // groups, inner, groups)


def _norm(island: Island, call: Call, x: Quantized, rows: _Rows) -> Norm | None:
    gains = island.constant(call.args[1])
    offsets = island.constant(call.args[2]) if len(call.args) > 2 else 0.0
    if gains is None or offsets is None:
        island.decline("gains or offsets that are no constants")
        return None
    count = rows.period * rows.outer
    attrs = call.attrs
    gains = gains if getattr(attrs, "scale", True) else np.ones(count)
    offsets = offsets if getattr(attrs, "center", True) else np.zeros(count)
    return norm_of(
        rows.outer * rows.inner,
        x.real_scale,
        np.broadcast_to(np.reshape(gains, -1), count),
        np.broadcast_to(np.reshape(offsets, -1), count),
        island.quant,
        float(attrs.epsilon),
        centred=call.op.name != "relax.nn.rms_norm",
    )


def _emit(island: Island, x: Quantized, rows: _Rows, norm: Norm) -> relax.Expr:
    high, low = divmod(norm.epsilon, 1 << 31)
    attrs = {
        "outer": rows.outer,
        "inner": rows.inner,
        "period": rows.period,
        "centred": int(norm.centred),
        "least": norm.least,
        "x_zp": x.zp,
        "epsilon_high": high,
        "epsilon_low": low,
        "fraction": norm.fraction,
        "most": norm.most,
        "shift": norm.gain_bits - 32 - norm.bits,
        "bits": norm.bits,
        **island.clamp(),
    }
    tables = constant(norm.gains), constant(norm.offsets)

    def normalized(x: relax.Expr) -> relax.Expr:
        return ops.call("qnormalize", [x, *tables], **attrs)

    return reordered(island.emit, x.expr, rows.order, normalized)
