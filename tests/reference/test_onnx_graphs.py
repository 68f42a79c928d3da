from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from tools import require_package

import tvm_tiny.reference as reference_package
from tvm_tiny.errors import DataError, ModelError, UnsupportedError
from tvm_tiny.reference import ONNXReference, Rounding, load_reference


class Builder:
    """A small QDQ graph; `unsigned` quantizes activations to uint8."""

    def __init__(self, unsigned):
        self.kind = np.uint8 if unsigned else np.int8
        self.shift = 128 if unsigned else 0
        self.nodes, self.constants = [], []

    def const(self, name, array):
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op, inputs, output, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def pair(self, name, scale, zero):
        level = np.array(zero + self.shift, dtype=self.kind)
        return [self.const(f"{name}_s", np.float32(scale)), self.const(f"{name}_z", level)]

    def q(self, source, name, scale, zero):
        params = self.pair(name, scale, zero)
        self.node("QuantizeLinear", [source, *params], name)
        return self.node("DequantizeLinear", [name, *params], f"{name}_dq")

    def weights(self, name, array, scales):
        params = [self.const(f"{name}_s", np.float32(scales))]
        inputs = [self.const(f"{name}_q", array), *params]
        return self.node("DequantizeLinear", inputs, f"{name}_dq", axis=0)

    def model(self, in_shape, out_shape, result, opset=13):
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, in_shape)],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, out_shape)],
            self.constants,
        )
        imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=9)


def small_network(unsigned):
    rng = np.random.default_rng(8)
    b = Builder(unsigned)
    x = b.q("x", "x_q", 0.05, 3)
    scales = rng.uniform(0.005, 0.02, 4)
    w = b.weights("w", rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8), scales)
    bias = b.weights("b", rng.integers(-500, 500, 4).astype(np.int32), scales * 0.05)
    conv = b.node("Conv", [x, w, bias], "conv", pads=[1, 1, 1, 1], strides=[2, 2])
    y = b.q(b.node("Relu", [conv], "relu"), "conv_q", 0.04, -128)
    y = b.node("MaxPool", [y], "pool", kernel_shape=[2, 2], strides=[1, 1])
    left = b.q(y, "pool_q", 0.04, -128)
    act = b.q(b.node("Sigmoid", [left], "sig"), "sig_q", 1 / 255, -128)
    y = b.q(b.node("Mul", [left, act], "mul"), "mul_q", 0.04, -128)
    y = b.q(b.node("Concat", [y, left], "cat", axis=1), "cat_q", 0.04, -128)
    y = b.q(b.node("GlobalAveragePool", [y], "gap"), "gap_q", 0.03, -128)
    y = b.q(b.node("Flatten", [y], "flat"), "flat_q", 0.03, -128)
    w = b.weights("v", rng.integers(-127, 128, (5, 8)).astype(np.int8), 0.01)
    y = b.q(b.node("Gemm", [y, w], "gemm", transB=1), "gemm_q", 0.05, 7)
    return b.model([1, 3, 9, 9], [1, 5], y)


@pytest.fixture
def sample():
    return np.random.default_rng(9).normal(0, 2, (1, 3, 9, 9)).astype(np.float32)


@pytest.mark.parametrize("rounding", Rounding)
def test_a_network_is_near_onnxruntime_tensor_by_tensor(rounding, sample):
    onnxruntime = require_package("onnxruntime")
    model = small_network(unsigned=False)
    mine = ONNXReference(model.SerializeToString(), rounding).run([sample])
    names = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    for name in names:
        model.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for name, expected in zip(names, session.run(names, {"x": sample}), strict=True):
        assert mine[name].dtype == np.int8
        assert np.abs(mine[name].astype(int) - expected).max() <= 1, name


def test_uint8_is_int8_moved_by_128(sample):
    signed = ONNXReference(small_network(unsigned=False).SerializeToString()).run([sample])
    unsigned = ONNXReference(small_network(unsigned=True).SerializeToString()).run([sample])
    for name, tensor in signed.items():
        np.testing.assert_array_equal(unsigned[name], tensor)


def test_qlinear_operators_equal_their_islands():
    rng = np.random.default_rng(10)
    data = rng.integers(0, 256, (1, 3, 6, 6)).astype(np.uint8)
    weights = rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    scales, bias = rng.uniform(0.005, 0.02, 4), rng.integers(-500, 500, 4).astype(np.int32)
    b = Builder(unsigned=True)
    x, y, z = b.pair("x", 0.05, 3), b.pair("y", 0.09, -20), b.pair("z", 0.2, 5)
    w = [b.const("w", weights), b.const("ws", np.float32(scales)), b.const("wz", np.int8(0))]
    b.node("QLinearConv", ["x", *x, *w, *y, b.const("b", bias)], "conv", group=1)
    b.node("QLinearAdd", ["conv", *y, "conv", *y, *z], "add", domain="com.microsoft")
    b.node("QLinearGlobalAveragePool", ["add", *z, *y], "mean", domain="com.microsoft")
    model = b.model([1, 3, 6, 6], [1, 4, 1, 1], "mean")
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.UINT8
    reference = ONNXReference(model.SerializeToString())
    assert reference.inputs[0].scale == pytest.approx(0.05)
    assert reference.inputs[0].zero_point == 131
    tensors = reference.run({"x": data})
    assert tensors["mean"].dtype == np.uint8

    q = Builder(unsigned=True)
    given = q.q("x", "x_q", 0.05, 3)
    kernel = q.weights("w", weights, scales)
    biases = q.weights("b", bias, scales * 0.05)
    conv = q.q(q.node("Conv", [given, kernel, biases], "c"), "conv", 0.09, -20)
    total = q.q(q.node("Add", [conv, conv], "a"), "add", 0.2, 5)
    mean = q.q(q.node("GlobalAveragePool", [total], "m"), "mean", 0.09, -20)
    real = (data.astype(np.float32) - 131) * np.float32(0.05)
    islands = ONNXReference(q.model([1, 3, 6, 6], [1, 4, 1, 1], mean).SerializeToString())
    expected = islands.run([real])
    for name in ("conv", "add"):
        np.testing.assert_array_equal(tensors[name], expected[name])
    np.testing.assert_array_equal(tensors["mean"].astype(int) - 128, expected["mean"])


def test_operators_without_integer_form_run_in_float(sample):
    b = Builder(unsigned=False)
    x = b.q("x", "x_q", 0.05, 3)
    y = b.q(b.node("Exp", [x], "exp"), "exp_q", 0.5, -128)
    tensors = ONNXReference(b.model([1, 3, 9, 9], [1, 3, 9, 9], y).SerializeToString()).run(
        [sample]
    )
    real = np.exp(np.float32(0.05) * (tensors["x_q"].astype(np.float32) - 3))
    expected = np.clip(np.floor(real / 0.5 + 0.5) - 128, -128, 127)
    np.testing.assert_array_equal(tensors["exp_q"], expected)


def test_dynamic_shapes_and_unknown_operators_are_refused_together():
    b = Builder(unsigned=False)
    b.node("NoSuchOperator", ["x"], "y")
    b.node("Attention", ["y"], "z", domain="com.microsoft")
    with pytest.raises(UnsupportedError) as caught:
        ONNXReference(b.model([1, "width"], [1], "z").SerializeToString())
    assert len(caught.value.reasons) == 3


def test_bad_files(tmp_path):
    with pytest.raises(ModelError, match="cannot be read"):
        load_reference(tmp_path / "missing.onnx")
    for name, data in [("a.onnx", b"\xff" * 40), ("b.onnx", b""), ("c.tflite", b"text, no model"),
                       ("d.tflite", b"\x10\x00\x00\x00TFL3" + b"\xff" * 30)]:  # fmt: skip
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ModelError):
            load_reference(path)


def test_inputs_must_fit(sample):
    model = ONNXReference(small_network(unsigned=False).SerializeToString())
    with pytest.raises(DataError, match="shape"):
        model.run([sample[..., 1:]])
    with pytest.raises(DataError, match="dtype"):
        model.run([sample.astype(np.float64)])
    with pytest.raises(DataError, match="expected"):
        model.run({"other": sample})


# What is wrong with a file is said by all who read it.
SHARED = ("tvm_tiny.errors", "tvm_tiny.model_file")


def test_the_reference_shares_no_code_with_the_compiler():
    for path in Path(reference_package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module]
            for name in names:
                assert name.split(".")[0] != "tvm", path
                assert not name.startswith("tvm_tiny") or name in SHARED, path
