"""Handlers of the operators that have a layout: convolutions, pooling and resize.

One-dimensional operators become two-dimensional ones on images of one column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import relax

from .emitter import Emitter
from .values import MOVED, TO_NCHW, TO_NHWC, Constant, Dequantized, Value, image, ints

LAYOUTS = {"NCHW": "OIHW", "NCW": "OIW"}


def _pair(values: Any, fill: int = 1) -> tuple[int, ...]:
    """(height, width) of a window attribute; a one-dimensional one gets `fill` for its width."""
    given = ints(values)
    return given if len(given) == 2 else (*given, fill)


def _pads(attrs: Any) -> tuple[int, ...]:
    """(top, left, bottom, right); a one-dimensional (before, after) pads top and bottom."""
    given = ints(attrs.padding)
    return given if len(given) == 4 else (given[0], 0, given[-1], 0)


def conv(emitter: Emitter, call: Any) -> Value | None:
    """A conv1d or conv2d as a conv2d of NHWC data and an OHWI kernel."""
    attrs = call.attrs
    if LAYOUTS.get(str(attrs.data_layout)) != str(attrs.kernel_layout):
        return None
    data, kernel = emitter.nhwc(emitter.find(call.args[0])), _kernel(emitter, call.args[1])
    return Value(
        nhwc=relax.op.nn.conv2d(
            data,
            kernel,
            strides=_pair(attrs.strides),
            padding=_pads(attrs),
            dilation=_pair(attrs.dilation),
            groups=int(attrs.groups),
            data_layout="NHWC",
            kernel_layout="OHWI",
            out_dtype=attrs.out_dtype,
        )
    )


def conv_transpose(emitter: Emitter, call: Any) -> Value | None:
    """A conv1d_transpose or conv2d_transpose, in NCHW between two permute_dims.

    Relax can legalize it in NCHW only.
    """
    attrs = call.attrs
    if str(attrs.data_layout) not in LAYOUTS:
        return None
    data = emitter.nhwc(emitter.find(call.args[0]))
    data = emitter.emit(relax.op.permute_dims(data, TO_NCHW))
    result = relax.op.nn.conv2d_transpose(
        data,
        _plain_kernel(emitter, call.args[1]),
        strides=_pair(attrs.strides),
        padding=_pads(attrs),
        output_padding=_pair(attrs.output_padding, 0),
        dilation=_pair(attrs.dilation),
        groups=int(attrs.groups),
        data_layout="NCHW",
        kernel_layout="IOHW",
        out_dtype=attrs.out_dtype,
    )
    return Value(nhwc=relax.op.permute_dims(emitter.emit(result), TO_NHWC))


def _kernel(emitter: Emitter, expr: Any) -> Any:
    """The kernel of a convolution as [O, KH, KW, I].

    expr: [O, I, KH, KW] or [O, I, K].
    """
    value = emitter.find(expr)
    source = value.source if isinstance(value, Dequantized) else value
    if not isinstance(source, Constant):
        return emitter.emit(emitter.to_nhwc(emitter.plain(value), value.rank))
    lifted = source.array.reshape(image(source.array.shape))
    moved = Constant(np.ascontiguousarray(lifted.transpose(TO_NHWC)))
    if not isinstance(value, Dequantized):
        return emitter.plain(moved)
    axis = MOVED[value.axis] if value.axis >= 0 else value.axis
    return emitter.plain(Dequantized(moved, value.scale, value.zero_point, axis, value.call))


def _plain_kernel(emitter: Emitter, expr: Any) -> Any:
    """The kernel of a transposed convolution as [I, O, KH, KW].

    expr: [I, O, KH, KW] or [I, O, K].
    """
    value = emitter.find(expr)
    if isinstance(value, Dequantized) and isinstance(value.source, Constant):
        array = value.source.array
        lifted = Constant(array.reshape(image(array.shape)))
        value = Dequantized(lifted, value.scale, value.zero_point, value.axis, value.call)
    kernel = emitter.plain(value)
    shape = tuple(int(dim) for dim in kernel.ty.shape)
    return kernel if len(shape) == 4 else emitter.emit(relax.op.reshape(kernel, image(shape)))


_POOLS: dict[str, Callable[..., Any]] = {
    "max_pool": relax.op.nn.max_pool2d,
    "avg_pool": relax.op.nn.avg_pool2d,
}


def pool(emitter: Emitter, call: Any) -> Value | None:
    """A max_pool or avg_pool of one or two dimensions as a two-dimensional one in NHWC."""
    attrs = call.attrs
    if str(attrs.layout) not in LAYOUTS:
        return None
    return Value(
        nhwc=_POOLS[call.op.name.removeprefix("relax.nn.")[:-2]](
            emitter.nhwc(emitter.find(call.args[0])),
            pool_size=_pair(attrs.pool_size),
            strides=_pair(attrs.strides),
            padding=_pads(attrs),
            dilation=_pair(attrs.dilation),
            ceil_mode=bool(attrs.ceil_mode),
            count_include_pad=bool(attrs.count_include_pad),
            layout="NHWC",
        )
    )


def adaptive_pool(emitter: Emitter, call: Any) -> Value | None:
    """An adaptive_avg_pool of one or two dimensions as a two-dimensional one in NHWC."""
    if str(call.attrs.layout) not in LAYOUTS:
        return None
    size = None if call.attrs.output_size is None else _pair(call.attrs.output_size)
    data = emitter.nhwc(emitter.find(call.args[0]))
    return Value(nhwc=relax.op.nn.adaptive_avg_pool2d(data, size, "NHWC"))


def resize2d(emitter: Emitter, call: Any) -> Value | None:
    """An image.resize2d in NHWC, with all its other attributes unchanged."""
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
