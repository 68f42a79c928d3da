"""Small modules in QDQ form and of integer operators, and how to look at and run them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import tvm
from tvm import relax

from tvm_tiny import ops
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning, LowerQDQ

Shape = tuple[int, ...]
Build = Callable[..., relax.Expr | Sequence[relax.Expr]]


def module(build: Build, *shapes: Shape, dtype: str = "int8") -> tvm.IRModule:
    """main(x0, x1, ...) of the given shapes; `build` gets the builder's emit and the variables."""
    params = [relax.Var(f"x{k}", relax.TensorType(shape, dtype)) for k, shape in enumerate(shapes)]
    builder = relax.BlockBuilder()
    with builder.function("main", params):
        with builder.dataflow():
            made = build(builder.emit, *params)
            results = [made] if isinstance(made, relax.Expr) else list(made)
            outputs = [builder.emit_output(result) for result in results]
        builder.emit_func_output(outputs[0] if len(outputs) == 1 else relax.Tuple(outputs))
    return builder.get()


def real(x: relax.Expr, scale: float = 0.5, zero_point: int = 3) -> relax.Expr:
    """dequantize(x)."""
    zero = relax.const(zero_point, str(x.ty.dtype))
    return relax.op.dequantize(x, relax.const(scale, "float32"), zero, axis=-1)


def quantized(
    value: relax.Expr, scale: float = 0.5, zero_point: int = 3, dtype: str = "int8"
) -> relax.Expr:
    """quantize(value)."""
    zero = relax.const(zero_point, dtype)
    return relax.op.quantize(value, relax.const(scale, "float32"), zero, -1, out_dtype=dtype)


def weights(shape: Shape, axis: int = 0, dtype: str = "int8", seed: int = 0) -> relax.Expr:
    """A dequantized constant with one scale an extent of `axis`, symmetric."""
    rng = np.random.default_rng(seed)
    scales = rng.uniform(0.005, 0.02, shape[axis]).astype("float32")
    values = relax.const(rng.integers(-127, 128, shape).astype(dtype))
    zeros = relax.const(np.zeros(shape[axis], dtype))
    return relax.op.dequantize(values, relax.const(scales), zeros, axis=axis)


def real_number(value: float) -> relax.Expr:
    """A dequantized constant of one element, the integer part of `value`."""
    return real(relax.const(np.full((1,), value, "int8")))


def convolved(
    x: relax.Expr, groups: int = 1, bias: bool = True, layout: str = "NHWC"
) -> relax.Expr:
    """A 3x3 float convolution of four channels to eight, with dequantized constants."""
    kernel = weights((8, 3, 3, 4 // groups))
    value = relax.op.nn.conv2d(
        x, kernel, (2, 1), (1, 0, 1, 2), (1, 1), groups, layout, "OHWI", layout
    )
    return relax.op.add(value, weights((8,), dtype="int32")) if bias else value


def island(
    build: Callable[..., relax.Expr], *shapes: Shape, scale: float = 0.5, zero_point: int = 3
) -> tvm.IRModule:
    """quantize(build(dequantize(x0), dequantize(x1), ...))."""
    return module(
        lambda emit, *params: quantized(build(*map(real, params)), scale, zero_point), *shapes
    )


def lower(mod: tvm.IRModule) -> tvm.IRModule:
    """LowerQDQ; fails where something stays in float."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return LowerQDQ()(mod)


def float_warning(build: Build, *shapes: Shape, dtype: str = "int8") -> str:
    """The one FloatFallbackWarning of a module."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LowerQDQ()(module(build, *shapes, dtype=dtype))
    (text,) = (str(w.message) for w in caught if w.category is FloatFallbackWarning)
    return text


def calls(mod: tvm.IRModule) -> list[relax.Call]:
    """The operator calls of main, in order."""
    bindings = [b for block in mod["main"].body.blocks for b in block.bindings]
    return [b.value for b in bindings if isinstance(b.value, relax.Call)]


def names(mod: tvm.IRModule) -> list[str]:
    """The operators of main, in order, tvm_tiny's without their prefix."""
    return [call.op.name.removeprefix("tvm_tiny.") for call in calls(mod)]


def ints(values: object) -> list[int]:
    return [int(v) for v in values]  # type: ignore[attr-defined]


class Machine:
    """Main of a module on the virtual machine."""

    def __init__(self, mod: tvm.IRModule) -> None:
        # Optimizing would take most of the time.
        target = tvm.target.Target({"kind": "llvm", "opt-level": 0})
        executable = relax.build(mod, target)
        self._main = relax.VirtualMachine(executable, tvm.cpu())["main"]

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        result = self._main(*[tvm.runtime.tensor(np.ascontiguousarray(x)) for x in inputs])
        return [result.numpy()] if hasattr(result, "numpy") else [r.numpy() for r in result]


def run(mod: tvm.IRModule, *inputs: np.ndarray) -> list[np.ndarray]:
    """Results of main on the virtual machine."""
    return Machine(mod)(*inputs)


def every_value(shape: Shape) -> np.ndarray:
    """int8 values that run through all 256 in turn."""
    return np.resize(np.arange(-128, 128), shape).astype("int8")


def conv_call(x: relax.Expr, **attrs: object) -> relax.Expr:
    """A 3x3 qconv2d of four channels with the given attributes."""
    rng = np.random.default_rng(1)
    channels = int(x.ty.shape[3])
    operands = [
        relax.const(rng.integers(-127, 128, (4, 3, 3, channels)).astype("int8")),
        relax.const(rng.integers(-500, 500, 4).astype("int32")),
        relax.const(np.full(4, 1 << 30, "int32")),
        relax.const(np.full(4, -8, "int32")),
    ]
    plain = {
        "strides": [1, 1],
        "padding": [0, 0, 0, 0],
        "dilation": [1, 1],
        "groups": 1,
        "x_zp": 5,
        "y_zp": -2,
        "shifts_left": 0,
        "rounding": "tflite",
        "act_min": -128,
        "act_max": 127,
    }
    return ops.call("qconv2d", [x, *operands], **plain | attrs)
