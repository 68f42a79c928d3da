"""ConvertLayout: structure before and after, results on the virtual machine, real models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tvm
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R

from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.passes.convert_layout import ConvertLayout

SHAPE = (1, 4, 6, 5)
SEQUENCE = (1, 4, 9)


def quantized(value: relax.Expr, scale: float = 0.05) -> relax.Expr:
    """dequantize(quantize(value)): the boundary between two islands."""
    scale, zero = relax.const(scale, "float32"), relax.const(3, "int8")
    q = relax.op.quantize(value, scale, zero, axis=-1, out_dtype="int8")
    return relax.op.dequantize(q, scale, zero, axis=-1)


def constant(shape: tuple[int, ...], axis: int, dtype: str = "int8") -> relax.Expr:
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.001, 0.01, shape[axis]).astype(np.float32)
    zero = relax.const(np.zeros(shape[axis], dtype))
    values = relax.const(rng.integers(-127, 128, shape).astype(dtype))
    return relax.op.dequantize(values, relax.const(scale), zero, axis=axis)


def conv(x: relax.Expr, channels: int = 4) -> relax.Expr:
    kernel = constant((channels, 4, 3, 3), 0)
    y = relax.op.nn.conv2d(x, kernel, padding=(1, 1, 1, 1))
    bias = relax.op.reshape(constant((channels,), 0, "int32"), (1, channels, 1, 1))
    return relax.op.add(y, bias)


def module(build: object, shape: tuple[int, ...] = SHAPE) -> tvm.IRModule:
    x = relax.Var("x", relax.TensorType(shape, "float32"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(build(x))  # type: ignore[operator]
        builder.emit_func_output(result)
    return builder.get()


def operators(mod: tvm.IRModule) -> list[str]:
    bindings = mod["main"].body.blocks[0].bindings
    return [b.value.op.name for b in bindings if isinstance(b.value, relax.Call)]


@I.ir_module
class Before:
    @R.function
    def main(x: R.Tensor((1, 2, 4, 4), "float32")) -> R.Tensor((1, 2, 2, 2), "float32"):  # noqa: N805
        with R.dataflow():
            a = R.nn.relu(x)
            y = R.nn.max_pool2d(a, pool_size=[2, 2], strides=[2, 2], layout="NCHW")
            R.output(y)
        return y


@I.ir_module
class Expected:
    @R.function
    def main(x: R.Tensor((1, 2, 4, 4), "float32")) -> R.Tensor((1, 2, 2, 2), "float32"):  # noqa: N805
        with R.dataflow():
            x_nhwc = R.permute_dims(x, axes=[0, 2, 3, 1])
            a = R.nn.relu(x_nhwc)
            y = R.nn.max_pool2d(a, pool_size=[2, 2], strides=[2, 2], layout="NHWC")
            y_nchw = R.permute_dims(y, axes=[0, 3, 1, 2])
            R.output(y_nchw)
        return y_nchw


def test_structure() -> None:
    before = Before.script()
    plain = relax.transform.ToNonDataflow()
    tvm.ir.assert_structural_equal(plain(ConvertLayout()(Before)), plain(Expected))
    assert Before.script() == before


CASES = {
    "bias and residual": lambda x: relax.op.add(conv(x), quantized(relax.op.nn.relu(conv(x)))),
    "channel constant": lambda x: relax.op.multiply(
        conv(x), relax.const(np.linspace(-1, 1, 4, dtype=np.float32).reshape(4, 1, 1))
    ),
    "plane constant": lambda x: relax.op.add(
        conv(x), relax.const(np.arange(30, dtype=np.float32).reshape(6, 5))
    ),
    "average pool": lambda x: relax.op.nn.avg_pool2d(
        conv(x), (3, 2), (2, 1), (1, 0, 0, 1), layout="NCHW"
    ),
    "adaptive pool": lambda x: relax.op.nn.adaptive_avg_pool2d(conv(x), (2, 1)),
    "resize": lambda x: relax.op.image.resize2d(conv(x), (9, 10)),
    "transposed conv": lambda x: relax.op.nn.conv2d_transpose(
        conv(x), constant((4, 3, 2, 2), 1), strides=(2, 2)
    ),
    "grouped conv": lambda x: relax.op.nn.conv2d(conv(x), constant((4, 2, 3, 1), 0), groups=2),
    "prelu": lambda x: relax.op.nn.prelu(
        conv(x), relax.const(np.array([0.1, 0.5, -1, 2], np.float32))
    ),
    "softmax": lambda x: relax.op.nn.softmax(conv(x), 1),
    "concat": lambda x: relax.op.concat([conv(x), x], 1),
    "concat constant": lambda x: relax.op.concat(
        [conv(x), relax.const(np.arange(30, dtype=np.float32).reshape(1, 1, 6, 5))], 1
    ),
    "pad": lambda x: relax.op.nn.pad(conv(x), [0, 0, 1, 0, 2, 1, 0, 3]),
    "slice": lambda x: relax.op.strided_slice(conv(x), [1, 2], [1, 0], [4, 6], [2, 3]),
    "mean rows": lambda x: relax.op.mean(conv(x), [-2]),
    "mean planes": lambda x: relax.op.mean(conv(x), [2, 3]),
    "argmax": lambda x: relax.op.argmax(conv(x), 1, keepdims=True),
    "squeeze": lambda x: relax.op.squeeze(relax.op.mean(conv(x), [2, 3], keepdims=True), [2, 3]),
    "flatten planes": lambda x: relax.op.reshape(quantized(conv(x)), (1, 120)),
    "explicit transpose": lambda x: relax.op.permute_dims(conv(x), (0, 2, 3, 1)),
    "matmul": lambda x: relax.op.matmul(
        quantized(conv(x)), relax.const(np.ones((5, 3), np.float32))
    ),
}


def conv1d(x: relax.Expr) -> relax.Expr:
    y = relax.op.nn.conv1d(x, constant((4, 4, 3), 0), padding=(1, 1))
    bias = relax.op.reshape(constant((4,), 0, "int32"), (1, 4, 1))
    return relax.op.add(y, bias)


# Sequences [N, C, L].
SEQUENCES = {
    "1-D bias and residual": lambda x: relax.op.add(conv1d(x), quantized(conv1d(x))),
    "1-D stride and dilation": lambda x: relax.op.nn.conv1d(
        conv1d(x), constant((4, 1, 3), 0), strides=2, dilation=2, groups=4
    ),
    "1-D transposed conv": lambda x: relax.op.nn.conv1d_transpose(
        conv1d(x), constant((4, 3, 2), 1), strides=2
    ),
    "1-D max pool": lambda x: relax.op.nn.max_pool1d(conv1d(x), 3, 2, (1, 1), 2),
    "1-D average pool": lambda x: relax.op.nn.avg_pool1d(
        conv1d(x), 3, 1, (1, 1), count_include_pad=True
    ),
    "1-D adaptive pool": lambda x: relax.op.nn.adaptive_avg_pool1d(conv1d(x), 3),
    "1-D channel constant": lambda x: relax.op.multiply(
        conv1d(x), relax.const(np.linspace(-1, 1, 4, dtype=np.float32).reshape(4, 1))
    ),
    "1-D concat": lambda x: relax.op.concat(
        [conv1d(x), relax.const(np.arange(9, dtype=np.float32).reshape(1, 1, 9))], 1
    ),
    "1-D reflection": lambda x: relax.op.nn.pad(conv1d(x), [0, 0, 0, 0, 2, 1], "reflect"),
    "1-D take": lambda x: relax.op.take(conv1d(x), relax.const(np.array([3, 0, 1])), -1),
    "1-D tile": lambda x: relax.op.tile(conv1d(x), [2, 1, 3]),
    "1-D pad": lambda x: relax.op.nn.pad(conv1d(x), [0, 0, 1, 0, 2, 1]),
    "1-D slice": lambda x: relax.op.strided_slice(conv1d(x), [-1], [1], [8], [2]),
    "1-D softmax": lambda x: relax.op.nn.softmax(conv1d(x), 1),
    "1-D mean": lambda x: relax.op.mean(conv1d(x), [2]),
    "1-D split": lambda x: relax.TupleGetItem(relax.op.split(conv1d(x), 3, 2), 1),
    "1-D steps last": lambda x: relax.op.permute_dims(conv1d(x), (0, 2, 1)),
    "1-D flatten": lambda x: relax.op.reshape(quantized(conv1d(x)), (1, 36)),
    "1-D as an image": lambda x: relax.op.nn.max_pool2d(
        relax.op.reshape(conv1d(x), (1, 4, 3, 3)), (2, 2)
    ),
}
CASES |= SEQUENCES


def shape_of(name: str) -> tuple[int, ...]:
    return SEQUENCE if name in SEQUENCES else SHAPE


def case(name: str) -> tvm.IRModule:
    finish = (lambda value: value) if name == "argmax" else quantized
    return module(lambda x: finish(CASES[name](quantized(x))), shape_of(name))


@pytest.fixture(scope="module")
def machine() -> relax.VirtualMachine:
    """Every case before and after in one machine, so that equal kernels are compiled once."""
    functions = {}
    for number, name in enumerate(CASES):
        before = case(name)
        for stage, mod in (("before", before), ("after", ConvertLayout()(before))):
            function = mod["main"].with_attr("global_symbol", f"{stage}{number}")
            functions[f"{stage}{number}"] = function
    target = tvm.target.Target({"kind": "llvm", "opt-level": 0})
    return relax.VirtualMachine(tvm.compile(tvm.IRModule(functions), target), tvm.cpu())


@pytest.mark.parametrize("name", CASES)
def test_results_stay_the_same(name: str, machine: relax.VirtualMachine) -> None:
    x = np.random.default_rng(1).normal(size=shape_of(name), scale=2).astype(np.float32)
    number = list(CASES).index(name)
    expected, actual = (
        machine[f"{stage}{number}"](tvm.runtime.tensor(x)).numpy() for stage in ("before", "after")
    )
    assert expected.shape == actual.shape
    assert np.abs(expected - actual).max() <= 0.0501  # one step, where sums are reordered


@pytest.mark.parametrize("name", CASES)
def test_input_is_kept_and_output_is_final(name: str) -> None:
    before = case(name)
    text = before.script()
    after = ConvertLayout()(before)
    assert before.script() == text
    assert relax.analysis.check_well_formed(after)
    assert ConvertLayout()(after).same_as(after)


def test_biases_become_vectors() -> None:
    after = ConvertLayout()(module(conv))
    bindings = after["main"].body.blocks[0].bindings
    calls = [b.value for b in bindings if isinstance(b.value, relax.Call)]
    add = next(call for call in calls if call.op.name == "relax.add")
    assert [int(n) for n in add.args[1].ty.shape] == [4]
    assert "relax.reshape" not in operators(after)


def test_transposes_to_and_from_nchw_cost_nothing() -> None:
    def build(x: relax.Expr) -> relax.Expr:
        return relax.op.permute_dims(conv(relax.op.permute_dims(x, (0, 3, 1, 2))), (0, 2, 3, 1))

    assert "relax.permute_dims" not in operators(ConvertLayout()(module(build, (1, 6, 5, 4))))


def test_sequences_are_images_of_one_column() -> None:
    def build(x: relax.Expr) -> relax.Expr:
        a = quantized(relax.op.nn.relu(conv1d(x)))
        b = quantized(relax.op.add(relax.op.nn.max_pool1d(a, 3, 1, 1), a))
        return relax.op.mean(conv1d(b), [2])

    names = operators(ConvertLayout()(module(build, SEQUENCE)))
    assert names[:2] == ["relax.permute_dims", "relax.reshape"]
    assert not {"relax.permute_dims", "relax.nn.conv1d"} & {*names[2:]}
    assert names.count("relax.reshape") == 2  # the input's and the mean's


def test_modules_in_nhwc_pass_through() -> None:
    kernel = constant((4, 3, 3, 4), 0)
    before = module(
        lambda x: relax.op.nn.conv2d(x, kernel, data_layout="NHWC", kernel_layout="OHWI"),
        (1, 6, 5, 4),
    )
    assert ConvertLayout()(before).same_as(before)


def test_layout_changes_of_quantized_values_are_islands() -> None:
    after = ConvertLayout()(module(lambda x: relax.op.reshape(quantized(conv(x)), (1, 120))))
    names = operators(after)
    where = len(names) - 1 - names[::-1].index("relax.permute_dims")
    assert names[where - 1 : where + 2] == [
        "relax.dequantize",
        "relax.permute_dims",
        "relax.quantize",
    ]


@pytest.mark.models
@pytest.mark.parametrize("stem", ["mcunet-5fps-qdq", "mbv2-w0.35-qdq", "proxyless-w0.3-qdq"])
def test_real_models_keep_one_transpose_at_the_input(stem: str, model_path: object) -> None:
    path: Path = model_path(f"{stem}.onnx")  # type: ignore[operator]
    names = operators(ConvertLayout()(from_onnx(path)))
    assert names.count("relax.permute_dims") == 1
    assert names[0] == "relax.permute_dims"
    assert names.count("relax.reshape") == 1  # the classifier's flatten
