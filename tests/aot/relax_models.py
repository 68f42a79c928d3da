"""Small Relax modules in the form that frontends emit: the shapes and edges models can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tvm
from tvm import relax
from tvm.relax import op as R

Spec = tuple[tuple[int, ...], str]
Body = Callable[..., Sequence[relax.Expr]]


def module(
    inputs: Mapping[str, Spec], body: Body, output_names: Sequence[str], *, same_names: str = ""
) -> tvm.IRModule:
    """main(inputs): body(emit, *params); with `same_names`, every parameter has that name."""
    params = [
        relax.Var(same_names or name, relax.TensorType(shape, dtype))
        for name, (shape, dtype) in inputs.items()
    ]
    builder = relax.BlockBuilder()
    with builder.function("main", params):
        with builder.dataflow():
            results = [builder.emit_output(r) for r in body(builder.emit, *params)]
        builder.emit_func_output(results[0] if len(results) == 1 else relax.Tuple(results))
    result = builder.get()
    attrs = {"num_input": len(params), "tvm_tiny.output_names": list(output_names)}
    result.update_func(result.get_global_var("main"), result["main"].with_attrs(attrs))
    return result


def quantize(x: relax.Expr, scale: float, zero_point: int, dtype: str = "int8") -> relax.Expr:
    scale_constant = relax.const(np.float32(scale))
    return R.quantize(x, scale_constant, relax.const(np.array(zero_point, dtype)), -1, dtype)


def dequantize(x: relax.Expr, scale: float, zero_point: int, dtype: str = "int8") -> relax.Expr:
    scale_constant = relax.const(np.float32(scale))
    return R.dequantize(x, scale_constant, relax.const(np.array(zero_point, dtype)), -1)


def island(
    emit: Callable[..., relax.Var], f: Body, *xs: relax.Expr, scale: float = 0.1, name: str = "y"
) -> relax.Var:
    """quantize(f(dequantize(x)...)); all tensors of `scale`, zero point 0."""
    floats = [emit(dequantize(x, scale, 0)) for x in xs]
    return emit(quantize(emit(f(*floats)), scale, 0), name_hint=name)


def adder(
    names: Sequence[str] = ("a", "b"),
    output: str = "sum",
    shape: tuple[int, ...] = (2, 3),
    **options: str,
) -> tvm.IRModule:
    """int8 a + int8 b, saturating."""
    return module(
        {name or str(k): (shape, "int8") for k, name in enumerate(names)},
        lambda emit, *xs: [island(emit, R.add, *xs)],
        [output],
        **options,
    )


def network(scale: float = 0.05) -> tvm.IRModule:
    """float32 NHWC image -> convolution, depthwise, residual add, pooling, dense, softmax."""
    rng = np.random.default_rng(7)

    def weights(*shape: int) -> relax.Expr:
        values = relax.const(rng.integers(-127, 128, shape).astype("int8"))
        scales = relax.const(rng.uniform(0.001, 0.01, shape[0]).astype("float32"))
        zeros = relax.const(np.zeros(shape[0], "int8"))
        return R.dequantize(values, scales, zeros, 0)

    def body(emit: Callable[..., relax.Var], image: relax.Var) -> Sequence[relax.Expr]:
        def conv(x: relax.Var, w: relax.Expr, groups: int, name: str) -> relax.Var:
            def operator(value: relax.Expr) -> relax.Expr:
                return R.nn.relu(
                    emit(
                        R.nn.conv2d(
                            value,
                            emit(w),
                            padding=[1, 1, 1, 1],
                            groups=groups,
                            data_layout="NHWC",
                            kernel_layout="OHWI",
                        )
                    )
                )

            return island(emit, operator, x, scale=scale, name=name)

        x = emit(quantize(image, scale, 0))
        x = conv(x, weights(8, 3, 3, 3), 1, "stem")
        y = conv(x, weights(8, 3, 3, 1), 8, "depthwise")
        x = island(emit, R.add, x, y, scale=scale, name="residual")
        x = island(emit, lambda v: R.mean(v, [1, 2]), x, scale=scale, name="pooled")
        w = weights(4, 8)
        x = island(
            emit,
            lambda v: R.matmul(v, emit(R.permute_dims(emit(w)))),
            x,
            scale=scale,
            name="logits",
        )
        soft = emit(R.nn.softmax(emit(dequantize(x, scale, 0)), -1))
        return [emit(dequantize(emit(quantize(soft, 1 / 256, -128)), 1 / 256, -128))]

    return module({"image": ((1, 8, 8, 3), "float32")}, body, ["probabilities"])


def bottleneck() -> tvm.IRModule:
    """int8 pointwise convolutions of 16 -> 4 -> 16 channels.

    The narrow tensor lies at one end of the wide ones: one of the layers runs backward.
    """
    rng = np.random.default_rng(3)

    def conv(emit: Callable[..., relax.Var], x: relax.Var, outputs: int, name: str) -> relax.Var:
        values = rng.integers(-127, 128, (outputs, 1, 1, int(x.ty.shape[3]))).astype("int8")
        scales = relax.const(np.full(outputs, 0.01, "float32"))
        zeros = relax.const(np.zeros(outputs, "int8"))
        w = emit(R.dequantize(relax.const(values), scales, zeros, 0))
        layouts = {"data_layout": "NHWC", "kernel_layout": "OHWI"}
        return island(emit, lambda value: R.nn.conv2d(value, w, **layouts), x, name=name)

    def body(emit: Callable[..., relax.Var], x: relax.Var) -> Sequence[relax.Expr]:
        return [conv(emit, conv(emit, x, 4, "narrow"), 16, "wide")]

    return module({"x": ((1, 8, 8, 16), "int8")}, body, ["y"])
