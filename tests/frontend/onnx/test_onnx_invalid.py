"""What cannot be read or compiled: the class of the error and the line that it says."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from agreement import Net
from onnx import TensorProto, helper
from onnx_models import Builder

from tvm_tiny.errors import DataError, ModelError, TvmTinyError, UnsupportedError
from tvm_tiny.frontend.onnx import from_onnx


def quantized_model() -> onnx.ModelProto:
    b = Builder((1, 4, 6, 5))
    y = b.node("Conv", [b.quantize("x"), b.weights((8, 4, 3, 3))])
    return b.model(b.quantize(b.node("Relu", [y]), output="relu_q"))


def float_model(*shape: int | str) -> onnx.ModelProto:
    info = helper.make_tensor_value_info
    result = [n - 2 if isinstance(n, int) and n > 4 else None for n in shape]
    weights = onnx.numpy_helper.from_array(np.ones((2, 4, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "w"], ["y"])],
        "test",
        [info("image", TensorProto.FLOAT, shape)],
        [info("y", TensorProto.FLOAT, result)],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def refusal(kind: type[TvmTinyError], *arguments: object) -> str:
    with pytest.raises(kind) as caught:
        from_onnx(*arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_empty_text_and_truncated_files_are_model_errors(tmp_path: Path) -> None:
    assert "is empty" in refusal(ModelError, b"")
    assert "not an ONNX model" in refusal(ModelError, b"hello, this is not a model\n" * 9)
    data = quantized_model().SerializeToString()
    assert "ONNX model" in refusal(ModelError, data[: len(data) // 2])
    assert "cannot be read" in refusal(ModelError, tmp_path / "missing.onnx")


def test_mutated_models_end_in_a_clean_error_or_a_module() -> None:
    data = quantized_model().SerializeToString()
    rng = random.Random(0)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        outcome = ""
        try:
            from_onnx(bytes(damaged))
        except TvmTinyError as error:
            outcome = str(error)
        assert "\n" not in outcome


def test_constant_of_huge_shape_is_refused_before_it_is_allocated() -> None:
    model = quantized_model()
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 20]
    assert "impossible shape" in refusal(ModelError, model)


def test_input_of_huge_shape_is_refused() -> None:
    assert "2^31-1 elements" in refusal(UnsupportedError, float_model(1, 4, 1 << 20, 1 << 20))


@pytest.mark.parametrize(
    ("dimension", "how"),
    [
        ("height", "--dim_param height --dim_value SIZE"),
        (0, "--input_name image --input_shape 1,4,SIZE,8"),
    ],
)
def test_dynamic_shape_is_refused_with_a_remedy(dimension: int | str, how: str) -> None:
    message = refusal(UnsupportedError, float_model(1, 4, dimension, 8))
    assert "input 'image' has dynamic shape" in message
    assert how in message


def test_float_model_names_the_option_that_quantizes_it() -> None:
    assert "--calibrate" in refusal(UnsupportedError, float_model(1, 4, 8, 8))


def test_all_unsupported_operators_are_listed_at_once() -> None:
    b = Builder((1, 4, 6, 6))
    x = b.quantize("x")
    first = b.node("Det", [x], "first")
    b.node("GatherND", [x, b.const([[0]], "int64")], "second", batch_dims=1)
    model = b.model(first, "second")
    message = refusal(UnsupportedError, model)
    assert "Det (tensor 'first')" in message
    assert "batch_dims are not supported" in message


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ({"image": np.zeros((5, 4, 8, 9), np.float32)}, "expected shape"),
        ({"image": np.zeros((5, 4, 8, 8), np.uint8)}, "expected dtype float32, found uint8"),
        ({"image": np.full((5, 4, 8, 8), np.nan, np.float32)}, "NaN"),
        ({"a": np.zeros(3), "b": np.zeros(3)}, "no array for input 'image'; found ['a', 'b']"),
    ],
)
def test_samples_that_do_not_fit_are_data_errors(
    samples: dict[str, np.ndarray], expected: str
) -> None:
    assert expected in refusal(DataError, float_model(1, 4, 8, 8), samples)


def test_sample_file_that_is_no_archive_is_a_data_error(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    path.write_bytes(b"not a zip file")
    assert "not a readable .npz" in refusal(DataError, float_model(1, 4, 8, 8), path)


def test_a_refusal_by_tvms_importer_is_in_no_words_of_tvm(capfd):
    net = Net()
    x, sizes = net.dq(net.q(net.input())), net.input((4,), "int64")
    model = net.model([net("Resize", x, "", "", sizes, mode="cubic")])
    message = refusal(UnsupportedError, model)
    gc.collect()  # the importer's builder is destroyed here at the latest
    assert message.startswith("Resize (tensor 't2'): not supported; ")
    assert "tvm." not in message
    assert capfd.readouterr().err == ""
