"""Calibration makes the error of the outputs smaller: scales by least error, corrected biases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import Builder, calls, run_onnxruntime

from tvm_tiny import Calibration
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.frontend.onnx.calibrate.correct import correct_biases
from tvm_tiny.frontend.onnx.calibrate.scales import Scale, Scales
from tvm_tiny.frontend.onnx.calibrate.static import prepared, quantized
from tvm_tiny.frontend.quality import Quality

SHAPE = (1, 4, 6, 6)
Feeds = list[dict[str, np.ndarray]]


def convolution(b: Builder, x: str, inputs: int, outputs: int) -> str:
    weights = b.const(b.rng.normal(size=(outputs, inputs, 1, 1)))
    return b.node("Conv", [x, weights, b.const(b.rng.normal(size=outputs))])


def two_layers() -> tuple[Any, Feeds]:
    """A model whose samples are positive, so that rounded weights shift the means."""
    b = Builder(SHAPE)
    hidden = b.node("Relu", [convolution(b, "x", 4, 8)])
    model = b.model(convolution(b, hidden, 8, 3), opset=18)
    samples = b.rng.uniform(0.5, 1, (20, *SHAPE)).astype(np.float32)
    return model, [{"x": sample} for sample in samples]


def output_errors(original: Any, found: Any, feeds: Feeds) -> np.ndarray:
    pairs = [[run_onnxruntime(model, f["x"])[0] for f in feeds] for model in (original, found)]
    return np.asarray(np.subtract(*pairs))


def test_corrected_biases_take_away_the_mean_error(tmp_path: Path) -> None:
    model, feeds = two_layers()
    real = prepared(model, tmp_path)
    before = quantized(real, feeds, "minmax", tmp_path)
    after, error = correct_biases(real, before, feeds)
    errors = [output_errors(model, found, feeds) for found in (before, after)]
    means = [np.abs(error.mean(axis=(0, 1, 3, 4))).max() for error in errors]
    assert means[1] < 0.1 * means[0]
    assert np.square(errors[1]).mean() < 0.7 * np.square(errors[0]).mean()
    changed = [a.name for a, b in pairs(before, after) if a != b]
    assert len(changed) == 2
    assert correct_biases(real, after, feeds) == (after, error)


def pairs(left: Any, right: Any) -> list[tuple[Any, Any]]:
    return list(zip(left.graph.initializer, right.graph.initializer, strict=True))


@pytest.mark.parametrize("method", ["auto", "mse"])
def test_the_same_samples_give_the_same_model(method: str) -> None:
    model, feeds = two_layers()
    calibration = Calibration({"x": np.stack([f["x"] for f in feeds])}, method)
    texts = {from_onnx(model, calibration).script(show_meta=True) for _ in range(2)}
    assert len(texts) == 1


def test_a_quantized_model_is_not_calibrated() -> None:
    b = Builder(SHAPE)
    conv = b.node("Conv", [b.quantize("x"), b.weights((4, 4, 3, 3))])
    model = b.model(b.quantize(conv))
    expected = from_onnx(model).script(show_meta=True)
    samples = {"x": np.ones((2, *SHAPE), np.float32)}
    assert from_onnx(model, Calibration(samples)).script(show_meta=True) == expected


def scales(model: Any, samples: np.ndarray, method: str = "mse") -> list[float]:
    """The scale of each quantization of an activation, in order."""
    module = from_onnx(model, Calibration({"x": samples}, method))
    return [float(call.args[1].value.numpy()) for call in calls(module, "quantize")]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(2).normal(size=shape).astype(np.float32)


def test_rare_values_are_cut_off() -> None:
    b = Builder((1, 400))
    model = b.model(b.node("MaxPool", [b.node("Reshape", ["x", b.const([1, 1, 400], "int64")])],
                           kernel_shape=[2]), opset=18)  # fmt: skip
    samples = normal(600, 400)
    samples[0, 0] = 12.0
    least, widest = (scales(model, samples, method)[0] for method in ("mse", "minmax"))
    assert least < 0.9 * widest


def test_what_an_activation_does_not_tell_apart_is_cut_off() -> None:
    b = Builder(SHAPE)
    model = b.model(b.node("HardSwish", [convolution(b, "x", 4, 4)]), opset=18)
    samples = 10 * normal(50, *SHAPE)
    least, widest = (scales(model, samples, method)[1] for method in ("mse", "minmax"))
    assert least < 0.7 * widest


def test_a_leaky_relu_keeps_the_scale_of_what_it_reads() -> None:
    b = Builder(SHAPE)
    model = b.model(b.node("LeakyRelu", [convolution(b, "x", 4, 4)]), opset=18)
    _, before, after = scales(model, normal(50, *SHAPE))
    assert before == after


def test_what_only_a_concatenation_reads_has_its_scale() -> None:
    b = Builder(SHAPE)
    both = b.node("Concat", [convolution(b, "x", 4, 4), "x"], axis=1)
    image, conv, joined = scales(b.model(both, opset=18), normal(50, *SHAPE))
    assert conv == joined != image


@pytest.mark.parametrize(("first", "chosen"), [(0, "minmax"), (1, "mse")])
def test_auto_takes_what_gives_the_outputs_less_error(first: int, chosen: str) -> None:
    b = Builder((1, 2000))
    bounds = [b.const([value], "int64") for value in (first, first + 1, 1)]
    model = b.model(b.node("Slice", ["x", *bounds]), opset=18)
    samples = normal(50, 2000)
    samples[0, 0] = 8.0
    quality = Quality.from_module(from_onnx(model, Calibration({"x": samples})))
    assert quality is not None
    assert quality.method == chosen


def test_scales_round_as_quantization_does() -> None:
    lows, highs = np.array([-1.0, 0.0, -3.0]), np.array([2.0, 6.0, 0.5])
    tried, values = Scales.between(lows, highs), np.linspace(-4, 7, 301)
    for index in range(3):
        scale, zero = tried[np.intp(index)]
        assert scale == pytest.approx((highs[index] - lows[index]) / 255)
        q = np.clip(np.rint(values / scale) + zero, -128, 127)
        assert np.array_equal(tried.round(values)[index], (q - zero) * scale)
        assert np.array_equal(tried.mapped(np.exp, values)[index], np.exp((q - zero) * scale))
    assert Scales.of(Scale(0.5, 3)).starting_at(-1.0)[np.intp(0)] == Scale(0.5, -126)
