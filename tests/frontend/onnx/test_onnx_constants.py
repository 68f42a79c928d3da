"""Constants and shapes that are computed: folded before anything asks for their values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from agreement import Build, Net, disagreements, models
from onnx_models import calls
from tools import require_package

from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.passes.convert_layout import ConvertLayout

require_package("onnxruntime")


def dequantized(n: Net, values: object, scale: float = 0.013) -> str:
    """A quantized constant behind its DequantizeLinear."""
    return n.dq(n.const(values, "int8"), scale, 0)


def end(n: Net, x: str) -> list[str]:
    return [n.dq(n.q(x, 0.07, -3), 0.07, -3)]


def statistics_behind_operators(n: Net) -> list[str]:
    x = n.dq(n.q(n.input()))
    gamma = n("Identity", dequantized(n, [90, 80, 70, 100]))
    beta = n("Reshape", dequantized(n, [[9, -8], [7, 100]]), n.const([4], "int64"))
    mean = n("Cast", n.const([0.1, 0.2, -0.3, 0.4], "float64"), to=1)
    variance = n("Squeeze", n.const([[1.0, 1.5, 0.5, 2.0]]), n.const([0], "int64"))
    return end(n, n("BatchNormalization", x, gamma, beta, mean, variance))


def statistics_behind_a_convolution(n: Net) -> list[str]:
    parts = [dequantized(n, n.rng.integers(40, 100, 4)) for _ in range(4)]
    return end(n, n("BatchNormalization", n.conv(n.dq(n.q(n.input()))), *parts))


def bounds_behind_operators(n: Net) -> list[str]:
    low = n("Neg", n("Squeeze", dequantized(n, [40])))
    high = n("Reshape", dequantized(n, [[90]]), n.const([], "int64"))
    return end(n, n("Clip", n.dq(n.q(n.input())), low, high))


def slopes_behind_operators(n: Net) -> list[str]:
    slopes = n("Unsqueeze", dequantized(n, [10, -20, 90, 3]), n.const([1, 2], "int64"))
    return end(n, n("PRelu", n.dq(n.q(n.input())), slopes))


def pad_value_behind_operators(n: Net) -> list[str]:
    widths = n("Concat", n.const([0, 0, 1, 1], "int64"), n.const([0, 0, 1, 1], "int64"), axis=0)
    value = n("Squeeze", dequantized(n, [25]))
    return end(n, n("Pad", n.dq(n.q(n.input())), widths, value))


def scales_behind_operators(n: Net) -> list[str]:
    whole = n("Concat", n.const([1, 1], "int64"), n.const([2, 2], "int64"), axis=0)
    scales = n("Cast", whole, to=1)
    return end(n, n("Resize", n.dq(n.q(n.input())), "", scales, mode="nearest"))


def parameters_behind_operators(n: Net) -> list[str]:
    scale = n("Mul", n.const(0.1), n.const(0.4))
    zero = n("Cast", n.const(7, "int32"), to=3)
    q = n("QuantizeLinear", n.input(), scale, zero)
    return [n("DequantizeLinear", q, n("Identity", scale), n("Identity", zero))]


def weights_behind_operators(n: Net) -> list[str]:
    """Float weights that are quantized in the model, turned before and after it."""
    stored = n.const(n.rng.normal(size=(3, 3, 4, 4)))
    q = n.q(n("Transpose", stored, perm=[2, 3, 0, 1]), 0.021, 0)
    weights = n("Identity", n("Transpose", n.dq(q, 0.021, 0), perm=[1, 0, 2, 3]))
    bias = n("Reshape", n.const([[0.5, -0.25, 0.125, 1.0]]), n.const([-1], "int64"))
    return end(n, n("Conv", n.dq(n.q(n.input())), weights, bias))


def weights_of_one_scale_a_channel(n: Net) -> list[str]:
    """Two-dimensional weights made four-dimensional behind their DequantizeLinear."""
    stored = n.const(n.rng.integers(-100, 100, (6, 4)), "int8")
    scales = n.const(n.rng.uniform(0.01, 0.02, 6))
    real = n("DequantizeLinear", stored, scales, n.const(np.zeros(6), "int8"), axis=0)
    weights = n("Unsqueeze", real, n.const([2, 3], "int64"))
    return end(n, n("Conv", n.dq(n.q(n.input())), weights))


def joined_weights(n: Net) -> list[str]:
    halves = [n.dq(n.const(n.rng.integers(-99, 99, (3, 4, 1, 1)), "int8"), 0.0123, 0) for _ in "ab"]
    return end(n, n("Conv", n.dq(n.q(n.input())), n("Concat", *halves, axis=0)))


def shape_of_a_flattening(n: Net) -> list[str]:
    """PyTorch's export of x.view(x.size(0), -1)."""
    x = n.dq(n.q(n.input()))
    batch = n("Gather", n("Shape", x), n.const(0, "int64"), axis=0)
    first = n("Unsqueeze", batch, n.const([0], "int64"))
    return end(n, n("Reshape", x, n("Concat", first, n.const([-1], "int64"), axis=0)))


def shape_that_inference_does_not_know(n: Net) -> list[str]:
    """An operator of onnxruntime's domain hides the types of all that follows."""
    x = n.q(n.input())
    own = [n.const(0.05), n.const(3, "int8")]
    x = n("QuantizeLinear", n("DequantizeLinear", x, *own, domain="com.microsoft"), *own)
    half = n("Div", n("Shape", x), n.const([1, 1, 2, 1], "int64"))
    ends = n("Slice", half, n.const([2], "int64"), n.const([3], "int64"))
    part = n("Slice", n.dq(x), n.const([0], "int64"), ends, n.const([2], "int64"))
    return [n("Reshape", n.dq(n.q(part)), n.const([4, 15], "int64"))]


def filled_and_counted(n: Net) -> list[str]:
    shape = n("Shape", n.input((4, 5)))
    ones = n("ConstantOfShape", shape)
    steps = n("Range", n.const(0, "int64"), n.const(5, "int64"), n.const(1, "int64"))
    grid = n("Expand", n("Cast", steps, to=1), shape)
    added = n("Add", n.dq(n.q(ones, 0.1, 0), 0.1, 0), n.dq(n.q(grid, 0.1, 0), 0.1, 0))
    total = n("Max", n.dq(n.q("x0")), n.dq(n.q(added, 0.1, 0), 0.1, 0))
    return end(n, total)


EXACT: tuple[Build, ...] = (
    bounds_behind_operators,
    pad_value_behind_operators,
    scales_behind_operators,
    parameters_behind_operators,
    weights_behind_operators,
    weights_of_one_scale_a_channel,
    joined_weights,
    shape_of_a_flattening,
    shape_that_inference_does_not_know,
    filled_and_counted,
    slopes_behind_operators,
)
WITHIN_A_STEP: tuple[Build, ...] = (
    statistics_behind_operators,
    statistics_behind_a_convolution,
)


def test_computed_constants_give_what_onnxruntime_gives(tmp_path: Path) -> None:
    kinds = {build.__name__: build for build in EXACT}
    assert disagreements(models(kinds), tmp_path) == []


def test_computed_statistics_are_within_a_step(tmp_path: Path) -> None:
    kinds = {build.__name__: build for build in WITHIN_A_STEP}
    assert disagreements(models(kinds), tmp_path, steps=1) == []


@pytest.mark.parametrize(
    "build", [weights_behind_operators, weights_of_one_scale_a_channel, joined_weights]
)
def test_weights_that_only_move_stay_quantized(build: Build) -> None:
    module = from_onnx(models({"m": build})["m"])
    convolution = calls(module, "nn.conv2d")[0]
    source = next(
        binding.value
        for binding in module["main"].body.blocks[0].bindings
        if binding.var.same_as(convolution.args[1])
    )
    assert source.op.name == "relax.dequantize"
    assert str(source.args[0].ty.dtype) == "int8"


@pytest.mark.parametrize("build", [shape_of_a_flattening, filled_and_counted])
def test_no_shape_is_left_in_the_module(build: Build) -> None:
    text = from_onnx(models({"m": build})["m"]).script(show_meta=False)
    assert "shape_of" not in text
    assert "R.Shape(" not in text


def test_constants_keep_their_integer_type() -> None:
    """TVM makes int32 of an int64 constant that comes without its type."""
    n = Net()
    q = n.q(n.conv(n.dq(n.q(n.input()))))
    indices = n.const(n.rng.integers(0, 4, (1, 4, 6, 5)), "int64")
    model = n.model(end(n, n("GatherElements", n.dq(q), indices, axis=1)))
    after = ConvertLayout()(from_onnx(model))
    constants = [arg for call in calls(after, "gather_elements") for arg in call.args[1:]]
    assert [str(constant.ty.dtype) for constant in constants] == ["int64"]
