"""Every operator: the Relax module, in NCHW and after ConvertLayout, equals onnxruntime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import tvm
from onnx_models import TARGET, Builder, names, run_onnxruntime
from tools import require_package
from tvm import relax

from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.passes.convert_layout import ConvertLayout

require_package("onnxruntime")

SHAPE = (1, 4, 6, 5)
Case = Callable[[Builder, str], str]


def conv(**attrs: object) -> Case:
    group = int(attrs.get("group", 1))  # type: ignore[call-overload]

    def build(b: Builder, x: str) -> str:
        weights = b.weights((8, 4 // group, 3, 3))
        return b.node("Conv", [x, weights, b.const(b.rng.normal(size=8))], **attrs)

    return build


def binary(op: str, constant: np.ndarray | None = None) -> Case:
    def build(b: Builder, x: str) -> str:
        other = b.const(constant) if constant is not None else b.node("Sigmoid", [x])
        return b.node(op, [x, b.quantize(other, 0.01, -7)])

    return build


def one(op: str, *extra: tuple[object, str], **attrs: object) -> Case:
    def build(b: Builder, x: str) -> str:
        return b.node(op, [x, *(b.const(v, t) if t else "" for v, t in extra)], **attrs)

    return build


def relu_after_conv(b: Builder, x: str) -> str:
    return b.node("Relu", [conv(pads=[1, 1, 1, 1])(b, x)])


def batch_norm(b: Builder, x: str) -> str:
    statistics = [b.const(b.rng.uniform(0.5, 1.5, 8)) for _ in range(4)]
    return b.node("BatchNormalization", [conv()(b, x), *statistics])


def gemm(b: Builder, x: str) -> str:
    flat = b.node("Flatten", [x])
    bias = b.const(b.rng.normal(size=7))
    return b.node("Gemm", [b.quantize(flat, 0.05, 3), b.weights((7, 120)), bias], transB=1)


def matmul(b: Builder, x: str) -> str:
    product = b.node("MatMul", [x, b.weights((5, 7), axis=1)])
    return b.node("Add", [product, b.const(b.rng.normal(size=7))])


def attention(b: Builder, x: str) -> str:
    turned = b.quantize(b.node("Transpose", [x], perm=[0, 1, 3, 2]))
    return b.node("MatMul", [x, turned])


def hard_swish(b: Builder, x: str) -> str:
    return b.node("Mul", [x, b.node("HardSigmoid", [x], alpha=1 / 6, beta=0.5)])


def split(b: Builder, x: str) -> str:
    b.nodes.append(onnx.helper.make_node("Split", [x], ["left", "right"], axis=1))
    return b.node("Sub", [b.quantize("left"), b.quantize("right")])


CASES: dict[str, Case] = {
    "conv": conv(pads=[1, 0, 2, 1], strides=[2, 1]),
    "conv same upper": conv(auto_pad="SAME_UPPER", strides=[2, 2]),
    "conv dilated": conv(dilations=[2, 1]),
    "conv grouped": conv(group=2, auto_pad="SAME_LOWER"),
    "depthwise": conv(group=4, pads=[1, 1, 1, 1]),
    "conv relu": relu_after_conv,
    "conv batch norm": batch_norm,
    "conv transposed": lambda b, x: b.node(
        "ConvTranspose", [x, b.weights((4, 6, 3, 3), 1)], strides=[2, 2], pads=[1, 0, 1, 1]
    ),
    "gemm": gemm,
    "matmul bias": matmul,
    "batch matmul": attention,
    "add": binary("Add"),
    "sub constant": binary("Sub", np.linspace(-1, 1, 4, dtype=np.float32).reshape(4, 1, 1)),
    "mul": binary("Mul"),
    "max": binary("Max"),
    "min": binary("Min"),
    "add scalar": one("Add", (0.75, "float32")),
    "average pool": one("AveragePool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    "average pool ceil": one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "max pool": one("MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
    "max pool ceil": one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "global average pool": one("GlobalAveragePool"),
    "global max pool": one("GlobalMaxPool"),
    "mean rows": one("ReduceMean", axes=[1, 2], keepdims=0),
    "mean planes": one("ReduceMean", axes=[2, 3], keepdims=0),
    "pad": one("Pad", ([0, 0, 1, 2, 0, 1, 0, 3], "int64")),
    "reshape": one("Reshape", ([0, -1, 10], "int64")),
    "transpose": one("Transpose", perm=[0, 2, 3, 1]),
    "concat": lambda b, x: b.node("Concat", [x, b.quantize(b.node("Relu", [x]))], axis=1),
    "split": split,
    "slice": one("Slice", ([1, 0], "int64"), ([-1, 99], "int64"), ([1, 2], "int64")),
    "slice backwards": one(
        "Slice", ([-1, 9], "int64"), ([-99, 1], "int64"), ([1, 2], "int64"), ([-1, -2], "int64")
    ),
    "gather": one("Gather", ([[0, -1], [2, 2]], "int64"), axis=2),
    "gather channels": one("Gather", ([3, 0, -2], "int64"), axis=1),
    "gather nd": one("GatherND", ([[0, 3, -1], [0, 1, 4]], "int64")),
    "tile": one("Tile", ([1, 2, 1, 3], "int64")),
    "expand": lambda b, x: b.node(
        "Expand", [b.node("MaxPool", [x], kernel_shape=[1, 5]), b.const([3, 1, 1, 5], "int64")]
    ),
    "depth to space": one("DepthToSpace", blocksize=2),
    "depth to space of columns": one("DepthToSpace", blocksize=2, mode="CRD"),
    "space to depth": lambda b, x: b.node(
        "SpaceToDepth", [b.node("MaxPool", [x], kernel_shape=[1, 2])], blocksize=2
    ),
    "resize nearest": one(
        "Resize", (None, ""), ([1, 1, 2, 2], "float32"), coordinate_transformation_mode="half_pixel"
    ),
    "resize linear": one("Resize", (None, ""), ([1, 1, 2, 2], "float32"), mode="linear"),
    "softmax": one("Softmax", axis=1),
    "sigmoid": one("Sigmoid"),
    "tanh": one("Tanh"),
    "hard swish": hard_swish,
    "clip": one("Clip", (0.0, "float32"), (6.0, "float32")),
    "leaky relu": one("LeakyRelu", alpha=0.1),
    "prelu": lambda b, x: b.node("PRelu", [x, b.weights((4, 1, 1))]),
    "identity": one("Identity"),
    "left in float": one("Elu"),
}

UNSIGNED = ("conv", "pad", "mul")


RUNS = [*((name, "int8") for name in CASES), *((name, "uint8") for name in UNSIGNED)]


def case(name: str, dtype: str) -> onnx.ModelProto:
    """The operator between two quantized tensors, behind a 1x1 max pool, before a Relu."""
    b = Builder(SHAPE, dtype)
    b.node("MaxPool", ["x"], "edge", kernel_shape=[1, 1])
    y = b.quantize(CASES[name](b, b.quantize("edge", output="input_q")), 0.04, -5, output="result")
    return b.model(b.quantize(b.node("Relu", [y]), 0.04, -5, output="last"))


@pytest.fixture(scope="module")
def machine() -> relax.VirtualMachine:
    """Every case in NHWC in one machine, so that equal kernels are compiled once."""
    functions = {}
    for number, (name, dtype) in enumerate(RUNS):
        main = ConvertLayout()(from_onnx(case(name, dtype)))["main"]
        functions[f"run{number}"] = main.with_attr("global_symbol", f"run{number}")
    return relax.VirtualMachine(tvm.compile(tvm.IRModule(functions), TARGET), tvm.cpu())


@pytest.mark.parametrize(("name", "dtype"), RUNS)
def test_operator_equals_onnxruntime(name: str, dtype: str, machine: relax.VirtualMachine) -> None:
    x = np.random.default_rng(1).normal(size=SHAPE, scale=2).astype(np.float32)
    expected = run_onnxruntime(case(name, dtype), x)[0]
    number = RUNS.index((name, dtype))
    actual = machine[f"run{number}"](tvm.runtime.tensor(x)).numpy()
    assert actual.shape == expected.shape
    # One step where float arithmetic in another order crosses a rounding boundary.
    assert np.abs(actual - expected).max() <= 0.04 * 1.01


@pytest.mark.parametrize(("name", "dtype"), RUNS)
def test_operator_is_well_formed_and_named(name: str, dtype: str) -> None:
    module = from_onnx(case(name, dtype))
    assert relax.analysis.check_well_formed(module)
    assert {"input_q", "result", "last"} <= set(names(module, "quantize"))
