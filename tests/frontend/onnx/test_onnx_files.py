"""Model files and what lies beside them: weights, pointers, damage, an open batch."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import tvm
from agreement import Net
from onnx import TensorProto, helper

from tvm_tiny.errors import ModelError, UnsupportedError
from tvm_tiny.frontend import from_file
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.frontend.onnx.load import DynamicBatchWarning
from tvm_tiny.reference import load_reference


def small() -> onnx.ModelProto:
    n = Net()
    return n.model([n.dq(n.q(n.conv(n.dq(n.q(n.input())))))])


def with_open_batch(name: str) -> onnx.ModelProto:
    model = small()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = name
    return model


@pytest.mark.parametrize("kept", ["nothing", "the element type"])
def test_outputs_without_a_shape_are_inferred(kept: str) -> None:
    model = small()
    for value in model.graph.output:
        if kept == "nothing":
            value.ClearField("type")
        else:
            value.type.tensor_type.ClearField("shape")
    module = from_onnx(model)
    tvm.ir.assert_structural_equal(module, from_onnx(small()))


def refusal(path: Path, kind: type[Exception] = ModelError) -> str:
    with pytest.raises(kind) as caught:
        from_file(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A model whose weights lie in a file beside it."""
    path = tmp_path / "model.onnx"
    onnx.save(
        small(), path, save_as_external_data=True, location="model.onnx.data", size_threshold=0
    )
    return path


def entry(path: Path, key: str, value: str) -> None:
    """Change one entry of the records of the first tensor's place."""
    model = onnx.load(path, load_external_data=False)
    tensor = model.graph.initializer[0]
    fields = {item.key: item.value for item in tensor.external_data} | {key: value}
    del tensor.external_data[:]
    for name, text in fields.items():
        tensor.external_data.add(key=name, value=text)
    path.write_bytes(model.SerializeToString())


def test_weights_in_a_file_beside_the_model_are_read(beside: Path) -> None:
    tvm.ir.assert_structural_equal(from_file(beside), from_onnx(small()))
    feed = {"x0": np.zeros((1, 4, 6, 5), np.float32)}
    assert set(load_reference(beside).run(feed)) >= {"x0"}


def test_weights_of_a_model_without_a_path_cannot_be_read(beside: Path) -> None:
    with pytest.raises(ModelError, match="give the model's path"):
        from_onnx(beside.read_bytes())


@pytest.mark.parametrize(
    "location", ["../model.onnx.data", "/etc/passwd", "C:\\weights", "a\\..\\..\\b", ""]
)
def test_weights_elsewhere_are_not_read(beside: Path, location: str) -> None:
    entry(beside, "location", location)
    assert "only files beside the model are read" in refusal(beside)


def test_links_out_of_the_folder_are_not_followed(beside: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    beside.rename(inside / beside.name)
    os.symlink(tmp_path / "model.onnx.data", inside / "model.onnx.data")
    assert "leads out of the model's folder" in refusal(inside / beside.name)


def test_missing_and_short_weights_are_named(beside: Path) -> None:
    data = beside.with_name("model.onnx.data")
    whole = data.read_bytes()
    data.write_bytes(whole[:-8])
    assert "ends before byte" in refusal(beside)
    data.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "git lfs pull" in refusal(beside)
    data.unlink()
    assert "cannot be read (No such file or directory)" in refusal(beside)


@pytest.mark.parametrize(
    ("key", "value"), [("offset", "-1"), ("offset", "9" * 17), ("length", "3"), ("length", "x")]
)
def test_records_that_cannot_be_are_refused(beside: Path, key: str, value: str) -> None:
    entry(beside, key, value)
    assert "tensor" in refusal(beside)


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_a_git_lfs_pointer_is_said_to_be_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n")
    assert "Git LFS pointer" in refusal(path)
    assert "git lfs pull" in refusal(path)


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_a_web_page_is_said_to_be_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_text("\n<!DOCTYPE html><html><body>Not found</body></html>\n")
    assert "is a web page" in refusal(path)


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
def test_converted_line_ends_are_said_to_be_that(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model.{suffix}"
    noise = np.random.default_rng(0).bytes(1 << 21)
    head = b"\x1c\0\0\0TFL3" if suffix == "tflite" else small().SerializeToString()
    path.write_bytes((head + noise).replace(b"\n", b"\r\n"))
    assert "damaged by a conversion of line ends" in refusal(path)
    path.write_bytes((head + b"\x0a\xff" + noise).replace(b"\r\n", b"\n"))
    assert "removed every 0D before a 0A" in refusal(path)


@pytest.mark.parametrize("name", ["batch_size", ""])
def test_an_open_batch_is_taken_as_one_with_a_note(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(with_open_batch(name).SerializeToString())
    with pytest.warns(DynamicBatchWarning, match="the batch of 'x0' is dynamic; it is taken as 1"):
        module = from_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tvm.ir.assert_structural_equal(module, from_onnx(small()))
    assert load_reference(path).inputs[0].shape == (1, 4, 6, 5)


def test_a_dynamically_quantized_model_is_said_to_be_that() -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "w", "z"], ["p"]),
        helper.make_node("Cast", ["p"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["c", "s"], ["y"]),
    ]
    weights = onnx.numpy_helper.from_array(np.ones((4, 4), np.int8), "w")
    info = helper.make_tensor_value_info
    ends = [info(name, TensorProto.FLOAT, (1, 4)) for name in "xy"]
    graph = helper.make_graph(nodes, "dynamic", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with pytest.raises(UnsupportedError) as caught:
        from_onnx(model)
    assert "quantized dynamically: DynamicQuantizeLinear (tensor 'q') and 1 more" in str(
        caught.value
    )
    assert "--calibrate" in str(caught.value)
