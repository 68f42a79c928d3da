"""Graphs of integer operators on one image, random ones and one: for patch stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tvm
from tvm import relax

from tvm_tiny import ops

from .draw import Draw

Shape = tuple[int, ...]

LIMITS = {"act_min": -128, "act_max": 127}
CHANNELS = {"x_zp": 5, "y_zp": -2, "shifts_left": 0, "rounding": "tflite"} | LIMITS
PAIR = {"a_zp": 1, "b_zp": -7, "y_zp": 3, "rounding": "tflite"} | LIMITS
RESCALE = (("multiplier", 1 << 30), ("shift", -2))
SUM = PAIR | {f"{tensor}_{name}": value for tensor in "aby" for name, value in RESCALE}
PRODUCT = PAIR | {"multiplier": 1 << 30, "shift": -6, "headroom": 0, "rounding": "tflite"}


class ImageGraph:
    """main(x0) of `count` operators; `names` are those of their results, in order."""

    def __init__(self, seed: int, count: int = 6) -> None:
        self.draw = Draw(seed)
        self.shape: Shape = (1, self._extent(), self._extent(), self.draw.integer(1, 4))
        self.names: list[str] = []
        self.module = self._module(count)

    def stage(self) -> tuple[str, str]:
        """A run of operators."""
        first = self.draw.integer(0, len(self.names) - 1)
        return self.names[first], self.names[self.draw.integer(first, len(self.names) - 1)]

    def split_of(self, name: str) -> tuple[int, int]:
        """Any number of tiles that the operator's result can have."""
        _, rows, columns, _ = self.shapes[name]
        return self.draw.integer(1, min(rows, 4)), self.draw.integer(1, min(columns, 5))

    @property
    def shapes(self) -> dict[str, Shape]:
        block = self.module["main"].body.blocks[0]
        return {b.var.name: _shape(b.var) for b in block.bindings}

    def image(self, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).integers(-128, 128, self.shape).astype("int8")

    def _extent(self) -> int:
        return self.draw.integer(3, 14)

    def _module(self, count: int) -> tvm.IRModule:
        x = relax.Var("x0", relax.TensorType(self.shape, "int8"))
        builder = relax.BlockBuilder()
        with builder.function("main", [x]):
            with builder.dataflow():
                results = [builder.emit_output(t) for t in self._grow(builder.emit, x, count)]
            builder.emit_func_output(results[0] if len(results) == 1 else relax.Tuple(results))
        return builder.get()

    def _grow(self, emit: Callable[..., relax.Var], x: relax.Var, count: int):
        pool, read = [x], set()
        for k in range(count):
            source = pool[-1] if self.draw.chance(0.7) else self.draw.choice(pool)
            make = self.draw.choice((_conv, _conv, _depthwise, _pool, _pair, _pair, _move))
            self.names.append(f"t{k}")
            value = make(self.draw, source, pool)
            read |= {arg for arg in value.args if isinstance(arg, relax.Var)}
            pool.append(emit(value, name_hint=f"t{k}"))
        # What nothing reads, and now and then another.
        return [t for t in pool[1:] if t not in read or self.draw.chance(0.15)]


def _shape(x: relax.Expr) -> Shape:
    return tuple(int(d) for d in x.ty.shape)


def _window(draw: Draw, x: relax.Expr) -> tuple[list[int], dict[str, object]]:
    """A window that fits: its size, strides, padding and dilation."""
    sizes = [draw.integer(1, min(4, n)) for n in _shape(x)[1:3]]
    dilation = [draw.choice((1, 1, 2)) for _ in sizes]
    spans = [(k - 1) * d for k, d in zip(sizes, dilation, strict=True)]
    padding = [draw.integer(0, span) for span in (*spans, *spans)]
    for axis, extent in enumerate(_shape(x)[1:3]):
        if extent + padding[axis] + padding[axis + 2] <= spans[axis]:
            padding[axis] = padding[axis + 2] = spans[axis]
    strides = [draw.choice((1, 1, 2, 3)) for _ in sizes]
    return sizes, {"strides": strides, "padding": padding, "dilation": dilation}


def _weights(draw: Draw, outputs: int, sizes: Sequence[int], inputs: int) -> list[relax.Expr]:
    kernel = draw.integers((outputs, *sizes, inputs), -127, 127, "int8")
    bias = draw.integers((outputs,), -500, 500, "int32")
    multiplier, shift = np.full(outputs, 1 << 30, "int32"), np.full(outputs, -7, "int32")
    return [relax.const(array) for array in (kernel, bias, multiplier, shift)]


def _conv(draw: Draw, x: relax.Expr, pool: Sequence[relax.Var]) -> relax.Expr:
    sizes, attrs = _window(draw, x)
    operands = _weights(draw, draw.integer(1, 4), sizes, _shape(x)[3])
    return ops.call("qconv2d", [x, *operands], **attrs, groups=1, **CHANNELS)


def _depthwise(draw: Draw, x: relax.Expr, pool: Sequence[relax.Var]) -> relax.Expr:
    sizes, attrs = _window(draw, x)
    channels = _shape(x)[3]
    operands = _weights(draw, channels, sizes, 1)
    return ops.call("qconv2d", [x, *operands], **attrs, groups=channels, **CHANNELS)


def _pool(draw: Draw, x: relax.Expr, pool: Sequence[relax.Var]) -> relax.Expr:
    sizes = [draw.integer(1, min(3, n)) for n in _shape(x)[1:3]]
    padding = [draw.integer(0, k - 1) for k in sizes * 2]
    attrs = {"strides": [draw.integer(1, 2) for _ in sizes], "padding": padding}
    name = draw.choice(("qavg_pool2d", "qmax_pool2d"))
    return ops.call(name, [x], pool_size=sizes, **attrs, **LIMITS)


def _pair(draw: Draw, x: relax.Expr, pool: Sequence[relax.Var]) -> relax.Expr:
    """Two tensors of one shape, or where there is no other, one that is broadcast."""
    other = draw.choice([t for t in pool if _shape(t) == _shape(x)])
    kind = draw.integer(0, 3)
    if kind == 0:
        channel = relax.const(draw.integers((1, 1, 1, _shape(x)[3]), -128, 127, "int8"))
        return ops.call("qmultiply", [x, channel], **PRODUCT)
    if kind == 1:
        return ops.call("concat", [other, x], axis=draw.integer(1, 3))
    return ops.call("qadd", draw.choice(([x, other], [other, x])), **SUM)


def _move(draw: Draw, x: relax.Expr, pool: Sequence[relax.Var]) -> relax.Expr:
    return draw.choice((_lut, _pad, _slice, _nearest, _transposed))(draw, x)


def _lut(draw: Draw, x: relax.Expr) -> relax.Expr:
    return ops.call("lut", [x, relax.const(draw.integers((256,), -128, 127, "int8"))])


def _pad(draw: Draw, x: relax.Expr) -> relax.Expr:
    before, after = ([0, draw.integer(0, 2), draw.integer(0, 2), 0] for _ in range(2))
    shape = [sum(dims) for dims in zip(_shape(x), before, after, strict=True)]
    return ops.call("pad", [x], before=before, value=-9, shape=shape)


def _slice(draw: Draw, x: relax.Expr) -> relax.Expr:
    strides = [1, *(draw.choice((-2, -1, 1, 2)) for _ in range(2)), 1]
    begin = [0 if s > 0 else n - 1 for s, n in zip(strides, _shape(x), strict=True)]
    shape = [-(-n // abs(s)) for s, n in zip(strides, _shape(x), strict=True)]
    return ops.call("strided_slice", [x], begin=begin, strides=strides, shape=shape)


def _nearest(draw: Draw, x: relax.Expr) -> relax.Expr:
    tables = (
        sorted(draw.integers((draw.integer(1, 9),), 0, n - 1, "int32").tolist())
        for n in _shape(x)[1:3]
    )
    rows, columns = (relax.const(np.array(table, "int32")) for table in tables)
    return ops.call("resize_nearest", [x, rows, columns])


def _transposed(draw: Draw, x: relax.Expr) -> relax.Expr:
    _, height, width, channels = _shape(x)
    sizes = [draw.integer(1, 3), draw.integer(1, 3)]
    stride = draw.integer(1, 2)
    shape = [1, *((n - 1) * stride + k for n, k in zip((height, width), sizes, strict=True)), 3]
    operands = _weights(draw, 3, sizes, channels)
    attrs = {"strides": [stride] * 2, "padding": [0] * 4, "shape": shape}
    return ops.call("qconv2d_transpose", [x, *operands], **attrs, **CHANNELS)


def _square(x: relax.Expr, outputs: int, size: int, stride: int = 1, groups: int = 1) -> relax.Expr:
    rng = np.random.default_rng(outputs)
    inputs = int(x.ty.shape[3]) // groups
    operands = [
        rng.integers(-127, 128, (outputs, size, size, inputs)).astype("int8"),
        rng.integers(-500, 500, outputs).astype("int32"),
        np.full(outputs, 1 << 30, "int32"),
        np.full(outputs, -8, "int32"),
    ]
    attrs = {"strides": [stride] * 2, "padding": [size // 2] * 4, "dilation": [1, 1]}
    args = [x, *map(relax.const, operands)]
    return ops.call("qconv2d", args, groups=groups, **attrs, **CHANNELS)


def inverted_residuals() -> tvm.IRModule:
    """A stem, a block with a residual sum, and two strides."""
    x = relax.Var("x", relax.TensorType((1, 32, 32, 3), "int8"))
    builder = relax.BlockBuilder()
    emit = builder.emit
    with builder.function("main", [x]):
        with builder.dataflow():
            a = emit(_square(x, 8, 3), "a")
            b = emit(_square(a, 24, 1), "b")
            c = emit(_square(b, 24, 3, groups=24), "c")
            d = emit(_square(c, 8, 1), "d")
            e = emit(ops.call("qadd", [a, d], **SUM), "e")
            f = emit(_square(e, 16, 3, 2), "f")
            g = builder.emit_output(_square(f, 4, 3, 2), "g")
        builder.emit_func_output(g)
    return builder.get()
