"""Random small graphs of integer operators that stream: windows, joins, moves and sums."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tvm
from islands import module
from tvm import relax

from tvm_tiny import ops

LIMITS = {"act_min": -128, "act_max": 127}
CONVOLUTION = {"shifts_left": 0, "rounding": "tflite", "x_zp": 5, "y_zp": -2, **LIMITS}
ADD = {"a_zp": 1, "b_zp": 2, "y_zp": 3, **LIMITS} | {
    f"{tensor}_{name}": value
    for tensor in "aby"
    for name, value in (("multiplier", 1 << 30), ("shift", -8 if tensor == "y" else 8))
}
MEAN = {"x_zp": 5, "y_zp": -2, "multiplier": 1 << 30, "shift": -4, "rounding": "tflite"}

Maker = Callable[[np.random.Generator, relax.Var, list[relax.Var]], relax.Call]


def dims(x: relax.Var) -> tuple[int, ...]:
    return tuple(int(d) for d in x.ty.shape)


def conv(
    x: relax.Var, outputs: int, *, kernel: int = 3, stride: int = 1, groups: int = 1, seed: int = 0
) -> relax.Call:
    """Padded such that a stride of 1 keeps the shape."""
    rng, channels = np.random.default_rng(seed), dims(x)[3]
    operands = [
        relax.const(rng.integers(-128, 128, (outputs, kernel, kernel, channels // groups), "int8")),
        relax.const(rng.integers(-500, 500, outputs).astype("int32")),
        relax.const(rng.integers(1 << 30, 1 << 31, outputs).astype("int32")),
        relax.const(np.full(outputs, -9, "int32")),
    ]
    pad = kernel // 2
    attrs = {"strides": [stride] * 2, "padding": [pad] * 4, "dilation": [1, 1], "groups": groups}
    return ops.call("qconv2d", [x, *operands], **attrs, **CONVOLUTION)


def pool(x: relax.Var, size: int, stride: int, kind: str = "qmax_pool2d") -> relax.Call:
    padding = [0, 0, size - 1, size - 1]
    window = {"pool_size": [size] * 2, "strides": [stride] * 2, "padding": padding}
    return ops.call(kind, [x], **window, **LIMITS)


def add(a: relax.Var, b: relax.Var) -> relax.Call:
    return ops.call("qadd", [a, b], **ADD)


def upsample(x: relax.Var, factor: int) -> relax.Call:
    _, height, width, _ = dims(x)
    lines, columns = (np.arange(n * factor) // factor for n in (height, width))
    tables = [relax.const(table.astype("int32")) for table in (lines, columns)]
    return ops.call("resize_nearest", [x, *tables])


def crop(x: relax.Var, top: int, step: int) -> relax.Call:
    batch, height, width, channels = dims(x)
    shape = [batch, -(-(height - top) // step), width, channels]
    return ops.call(
        "strided_slice", [x], begin=[0, top, 0, 0], strides=[1, step, 1, 1], shape=shape
    )


def concat(xs: list[relax.Var], axis: int) -> relax.Call:
    return ops.call("concat", xs, axis=axis)


def mean(x: relax.Var) -> relax.Call:
    return ops.call("qmean", [x], axes=[1, 2], shape=[1, dims(x)[3]], **MEAN)


def _conv(rng: np.random.Generator, x: relax.Var, _: list[relax.Var]) -> relax.Call:
    kernel, stride = int(rng.choice([1, 3])), int(rng.choice([1, 1, 2]))
    seed = int(rng.integers(1 << 30))
    return conv(x, int(rng.integers(1, 5)), kernel=kernel, stride=stride, seed=seed)


def _depthwise(rng: np.random.Generator, x: relax.Var, _: list[relax.Var]) -> relax.Call:
    channels = dims(x)[3]
    return conv(x, channels, groups=channels, seed=int(rng.integers(1 << 30)))


def _pool(rng: np.random.Generator, x: relax.Var, _: list[relax.Var]) -> relax.Call:
    kind = str(rng.choice(["qmax_pool2d", "qavg_pool2d"]))
    return pool(x, int(rng.integers(1, 4)), int(rng.integers(1, 3)), kind)


def _add(rng: np.random.Generator, x: relax.Var, others: list[relax.Var]) -> relax.Call:
    return add(x, rng.choice([y for y in others if dims(y) == dims(x)]))


def _upsample(rng: np.random.Generator, x: relax.Var, _: list[relax.Var]) -> relax.Call:
    return upsample(x, 2 if dims(x)[1] < 10 else 1)


def _concat(rng: np.random.Generator, x: relax.Var, others: list[relax.Var]) -> relax.Call:
    axis = int(rng.choice([1, 3]))
    fitting = [y for y in others if all(dims(y)[k] == dims(x)[k] for k in range(4) if k != axis)]
    return concat([x, rng.choice(fitting)], axis)


def _crop(rng: np.random.Generator, x: relax.Var, _: list[relax.Var]) -> relax.Call:
    return crop(x, int(rng.integers(0, dims(x)[1])), int(rng.integers(1, 3)))


MAKERS: tuple[Maker, ...] = (_conv, _conv, _depthwise, _pool, _add, _upsample, _concat, _crop)


def random_graph(seed: int, operators: int = 7) -> tvm.IRModule:
    """Chains with branches; what nobody reads is an output, and sometimes an inner tensor."""
    rng = np.random.default_rng(seed)

    def build(emit: Callable[..., relax.Var], x: relax.Var) -> list[relax.Expr]:
        made, read = [x], set()
        for k in range(operators):
            source = made[-1] if rng.random() < 0.7 else made[int(rng.integers(len(made)))]
            call = MAKERS[int(rng.integers(len(MAKERS)))](rng, source, made)
            read |= {a for a in call.args if isinstance(a, relax.Var)}
            made.append(emit(call, name_hint=f"t{k}"))
        if rng.random() < 0.5:
            read.add(made[-1])
            made.append(emit(mean(made[-1]), name_hint="pooled"))
        kept = [t for t in made[1:] if t not in read]
        inner = [t for t in made[1:] if t in read and rng.random() < 0.1]
        return kept + inner

    return module(build, (1, int(rng.integers(4, 11)), int(rng.integers(2, 6)), 3))


def random_input(mod: tvm.IRModule, seed: int) -> np.ndarray:
    shape = [int(d) for d in mod["main"].params[0].ty.shape]
    return np.random.default_rng(seed).integers(-128, 128, shape).astype("int8")
