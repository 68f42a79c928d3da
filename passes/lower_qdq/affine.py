"""The rule for gain * x + offset: batch normalization, products and sums with constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.reference.affine import (
    Channels,
    as_channels,
    is_sum,
    quantize_affine,
    split_constant,
)
from tvm_tiny.reference.quantization import Quant

from .convolution import channel_factors, epilogue
from .island import Island
from .moves import reordered
from .quantized import Quantized, constant, ints
from .sums import sum_of


@dataclass(frozen=True)
class _Line:
    """The function gain * x + offset, whose constants broadcast to x."""

    x: Quantized
    gain: np.ndarray
    offset: np.ndarray


def affine(island: Island) -> relax.Expr | None:
    """quantize(gain * x + offset) -> a depthwise 1x1 qconv2d, or qadd_n without a gain."""
    line = _line(island, island.core)
    if line is None or line.x.shape != tuple(ints(island.value(island.core).ty.shape)):
        return None
    if is_sum(line.gain, line.offset):
        return sum_of(island, [line.x, *map(_term, split_constant(line.offset))])
    x, view = line.x, as_channels(line.gain, line.offset, line.x.shape)
    if view is None:
        return None
    return reordered(
        island.emit, x.expr, view.order, lambda moved: _on_image(island, x, moved, view)
    )


def _term(term: tuple[np.ndarray, Quant]) -> Quantized:
    codes, quant = term
    return Quantized.of(constant(codes, "int8"), quant)


def _on_image(island: Island, x: Quantized, moved: relax.Expr, view: Channels) -> relax.Expr:
    """The depthwise convolution of `moved` as an image; its channels are its last axis."""
    shape, channels = ints(moved.ty.shape), len(view.gains)
    if len(shape) == 4 and shape[3] == channels:
        return _depthwise(island, x, moved, view)
    image = relax.op.reshape(moved, (1, math.prod(shape) // channels, 1, channels))
    result = _depthwise(island, x, island.emit(image), view)
    return relax.op.reshape(island.emit(result), shape)


def _depthwise(island: Island, x: Quantized, image: relax.Expr, view: Channels) -> relax.Expr:
    channels = len(view.gains)
    made = quantize_affine(view.gains, view.offsets, x.real_scale)
    zero = np.zeros(channels, "int8")
    w = Quantized(constant(made.weights.reshape(-1, 1, 1, 1), "int8"), made.scales, zero, 0)
    factors = channel_factors(x, w, island.scale)
    operands, common = epilogue(x, w, made.bias, factors, island)
    return ops.call(
        "qconv2d",
        [image, w.expr, *operands],
        strides=[1, 1],
        padding=[0, 0, 0, 0],
        dilation=[1, 1],
        groups=channels,
        **common,
    )


def _line(island: Island, expr: relax.Expr) -> _Line | None:
    """`expr` as gain * x + offset of one int8 tensor x, or None."""
    x = island.activation(expr)
    if x is not None:
        return _Line(x, np.ones(()), np.zeros(())) if x.array is None else None
    call = island.match(expr, *_STEPS)
    if call is None:
        return None
    for position, other in enumerate(call.args):
        value = island.constant(other)
        inner = _line(island, call.args[1 - position]) if value is not None else None
        if value is not None and inner is not None:
            step = _STEPS[call.op.name.removeprefix("relax.")]
            return step(inner, value.astype("float64"), position)
    return None


def _subtract(line: _Line, value: np.ndarray, position: int) -> _Line:
    if position == 1:
        return replace(line, offset=line.offset - value)
    return replace(line, gain=-line.gain, offset=value - line.offset)


def _divide(line: _Line, value: np.ndarray, position: int) -> _Line | None:
    if position == 0 or not value.all():
        return None
    return replace(line, gain=line.gain / value, offset=line.offset / value)


# Operator -> function of (line, constant operand, position of the other operand) -> new line.
_STEPS: dict[str, Callable[[_Line, np.ndarray, int], _Line | None]] = {
    "add": lambda line, value, _: replace(line, offset=line.offset + value),
    "subtract": _subtract,
    "multiply": lambda line, value, _: replace(
        line, gain=line.gain * value, offset=line.offset * value
    ),
    "divide": _divide,
}
