"""Convolutions, pooling and resize: what names its layout."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from .emitter import Emitter
from .values import MOVED, TO_NCHW, TO_NHWC, Constant, Dequantized, Value, ints


def conv2d(emitter: Emitter, call: Any) -> Value | None:
    """Data to NHWC, kernel to OHWI."""
    attrs = call.attrs
    if (str(attrs.data_layout), str(attrs.kernel_layout)) != ("NCHW", "OIHW"):
        return None
    data, kernel = emitter.nhwc(emitter.find(call.args[0])), _kernel(emitter, call.args[1])
    return Value(
        nhwc=relax.op.nn.conv2d(
            data,
            kernel,
            strides=ints(attrs.strides),
            padding=ints(attrs.padding),
            dilation=ints(attrs.dilation),
            groups=int(attrs.groups),
            data_layout="NHWC",
            kernel_layout="OHWI",
            out_dtype=attrs.out_dtype,
        )
    )


def conv2d_transpose(emitter: Emitter, call: Any) -> Value | None:
    """As it is, between two permute_dims: Relax can legalize it in NCHW only."""
    if str(call.attrs.data_layout) != "NCHW":
        return None
    data = emitter.nhwc(emitter.find(call.args[0]))
    data = emitter.emit(relax.op.permute_dims(data, TO_NCHW))
    kernel = emitter.plain(emitter.find(call.args[1]))
    result = emitter.emit(relax.Call(call.op, [data, kernel], call.attrs, call.ty_args))
    return Value(nhwc=relax.op.permute_dims(result, TO_NHWC))


def _kernel(emitter: Emitter, expr: Any) -> Any:
    """A kernel [O, I, KH, KW] as [O, KH, KW, I]."""
    value = emitter.find(expr)
    source = value.source if isinstance(value, Dequantized) else value
    if not isinstance(source, Constant):
        return emitter.emit(relax.op.permute_dims(emitter.plain(value), TO_NHWC))
    moved = Constant(np.ascontiguousarray(source.array.transpose(TO_NHWC)))
    if not isinstance(value, Dequantized):
        return emitter.plain(moved)
    axis = MOVED[value.axis] if value.axis >= 0 else value.axis
    return emitter.plain(Dequantized(moved, value.scale, value.zero_point, axis, value.call))


def pool(emitter: Emitter, call: Any) -> Value | None:
    """max_pool2d, avg_pool2d."""
    attrs = call.attrs
    if str(attrs.layout) != "NCHW":
        return None
    make = {
        "relax.nn.max_pool2d": relax.op.nn.max_pool2d,
        "relax.nn.avg_pool2d": relax.op.nn.avg_pool2d,
    }[call.op.name]
    return Value(
        nhwc=make(
            emitter.nhwc(emitter.find(call.args[0])),
            pool_size=ints(attrs.pool_size),
            strides=ints(attrs.strides),
            padding=ints(attrs.padding),
            dilation=ints(attrs.dilation),
            ceil_mode=bool(attrs.ceil_mode),
            count_include_pad=bool(attrs.count_include_pad),
            layout="NHWC",
        )
    )


def adaptive_pool(emitter: Emitter, call: Any) -> Value | None:
    """adaptive_avg_pool2d: its windows follow from the extents."""
    if str(call.attrs.layout) != "NCHW":
        return None
    size = None if call.attrs.output_size is None else ints(call.attrs.output_size)
    data = emitter.nhwc(emitter.find(call.args[0]))
    return Value(nhwc=relax.op.nn.adaptive_avg_pool2d(data, size, "NHWC"))


def resize2d(emitter: Emitter, call: Any) -> Value | None:
    """image.resize2d, by the same rules along height and width."""
    attrs = call.attrs
    if str(attrs.layout) != "NCHW":
        return None
    return Value(
        nhwc=relax.op.image.resize2d(
            emitter.nhwc(emitter.find(call.args[0])),
            ints(call.args[1]),
            roi=[float(getattr(item, "value", item)) for item in attrs.roi],
            layout="NHWC",
            method=attrs.method,
            coordinate_transformation_mode=attrs.coordinate_transformation_mode,
            rounding_method=attrs.rounding_method,
            cubic_alpha=float(attrs.cubic_alpha),
            cubic_exclude=int(attrs.cubic_exclude),
            extrapolation_value=float(attrs.extrapolation_value),
        )
    )
