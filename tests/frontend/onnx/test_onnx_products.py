"""Matrix products, products of elements and slopes: in integers, as onnxruntime rounds them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from agreement import Build, Net, disagreements, models
from tools import require_package

from tvm_tiny import transform
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning
from tvm_tiny.pipeline import pipeline

require_package("onnxruntime")

RNG = np.random.default_rng(3)
BIAS = RNG.normal(size=7)


def gemm(bias: np.ndarray, **attrs: int) -> Build:
    """Weights made at run time, and a bias in float."""

    def build(n: Net) -> list[str]:
        x = n.dq(n.q(n.input((5, 6))))
        y = n.dq(n.q(n.input((7, 6) if attrs.get("transB") else (6, 7)), 0.04, -2), 0.04, -2)
        return [n.dq(n.q(n("Gemm", x, y, n.const(bias), **attrs), 0.21, 1), 0.21, 1)]

    return build


def gemm_with_a_bias_in_steps_of(scale: float) -> Build:
    def build(n: Net) -> list[str]:
        x, y = n.dq(n.q(n.input((5, 6)))), n.dq(n.q(n.input((6, 7)), 0.04, -2), 0.04, -2)
        steps = n.const(RNG.integers(-300, 300, 7), "int32")
        bias = n("DequantizeLinear", steps, n.const(scale))
        return [n.dq(n.q(n("Gemm", x, y, bias), 0.21, 1), 0.21, 1)]

    return build


def matmul(n: Net) -> list[str]:
    x, y = n.dq(n.q(n.input((1, 5, 6)))), n.dq(n.q(n.input((1, 6, 7)), 0.04, -2), 0.04, -2)
    total = n("Add", n.const(BIAS), n("MatMul", x, y))
    return [n.dq(n.q(total, 0.21, 1), 0.21, 1)]


KINDS: dict[str, Build] = {
    "bias": gemm(BIAS),
    "bias_row": gemm(BIAS.reshape(1, 7), transB=1),
    "one_number": gemm(np.array(0.7)),
    "own_scale": gemm_with_a_bias_in_steps_of(0.002),
    "other_scale": gemm_with_a_bias_in_steps_of(0.01),
    "matmul": matmul,
}


def test_products_with_weights_of_run_time_are_integers_and_onnxruntimes(tmp_path: Path) -> None:
    made = models(KINDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatFallbackWarning)
        for model in made.values():
            pipeline()(from_onnx(model))
    assert disagreements(made, tmp_path) == []


Zeros = tuple[int, int, int]


def multiplied(a: float, b: float, y: float, zeros: Zeros, *, qlinear: bool = True) -> Build:
    """A product of elements; as it stands, Mul rounds the float32 values of its operands, too."""

    def build(n: Net) -> list[str]:
        x, gate = n.input((1, 8, 16, 16), "int8"), n.input((1, 8, 1, 16), "int8")
        if not qlinear:
            real = n("Mul", n.dq(x, a, zeros[0]), n.dq(gate, b, zeros[1]))
            return [n.dq(n.q(real, y, zeros[2]), y, zeros[2])]
        pairs = zip((a, b, y), zeros, strict=True)
        (sa, za), (sb, zb), out = ((n.const(s), n.const(z, "int8")) for s, z in pairs)
        made = n("QLinearMul", x, sa, za, gate, sb, zb, *out, domain="com.microsoft")
        return [n("Reshape", n.dq(made, y, zeros[2]), n.const([1, 8, 16, 16], "int64"))]

    return build


def random_scales(rng: np.random.Generator, *, qlinear: bool) -> Build:
    a, b = 10 ** rng.uniform(-3, 0, 2)
    first, second, third = rng.integers(-128, 128, 3).tolist()
    y = a * b * rng.uniform(50, 300)
    return multiplied(a, b, y, (first, second, third), qlinear=qlinear)


# Scales whose ratio makes halves: some are rounded as float32 rounds them in integers, too.
HALVES = {
    # QLinearMul adds the zero point before it rounds halves to even.
    "powers_of_two": multiplied(2**-5, 2**-8, 2**-6, (3, -128, -7), qlinear=False),
    "decimal": multiplied(0.05, 1 / 256, 0.031, (-3, -128, 0)),
    "decimal_in_float": multiplied(0.06, 1 / 256, 0.033, (-3, -128, 0)),
}


def test_products_of_elements_are_onnxruntimes(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    kinds = {f"random_{k}": random_scales(rng, qlinear=k % 2 == 0) for k in range(20)}
    assert disagreements(models(kinds | HALVES), tmp_path) == []


@pytest.mark.parametrize(
    ("name", "rounding"),
    [("powers_of_two", "to_even"), ("decimal", "to_even"), ("decimal_in_float", "float32")],
)
def test_products_are_in_integers_where_those_round_alike(name: str, rounding: str) -> None:
    module = from_onnx(models({name: HALVES[name]})[name])
    for step in (transform.ConvertLayout(), transform.FoldEdges(), transform.LowerQDQ()):
        module = step(module)
    values = [b.value for block in module["main"].body.blocks for b in block.bindings]
    found = [v for v in values if getattr(getattr(v, "op", None), "name", "").endswith("qmultiply")]
    assert [str(call.attrs["rounding"]) for call in found] == [rounding]


def slopes(make: Callable[[Net], str], shape: tuple[int, ...] = (1, 4, 16, 15)) -> Build:
    """PRelu with these slopes, at scales whose halves float32 rounds to either side."""

    def build(n: Net) -> list[str]:
        x = n.dq(n.input(shape, "int8"), 0.05, 3)
        same = n.q(n("PRelu", x, make(n)), 0.05, 3)
        return [same, n.q(n("PRelu", x, make(n)), 0.0173, -9)]

    return build


def quantized(values: list[int], scale: float) -> Callable[[Net], str]:
    return lambda n: n.dq(n.const(np.reshape(values, (-1, 1, 1)), "int8"), scale, -3)


def of_a_scale_each(n: Net) -> str:
    zeros = n.const([0, 0, 0, 0], "int8")
    values = n.const(np.reshape([90, -20, 127, 3], (-1, 1, 1)), "int8")
    scales = n.const([0.01, 0.002, 0.0031, 0.3])
    return n("DequantizeLinear", values, scales, zeros, axis=0)


SLOPES: dict[str, Build] = {
    "one": slopes(lambda n: n.const([0.25])),
    "one_quantized": slopes(quantized([77], 0.003)),
    "one_for_all_channels": slopes(lambda n: n.const(np.full((4, 1, 1), 0.25))),
    "float": slopes(lambda n: n.const(np.reshape([0.25, -0.5, 1.5, 0.1], (4, 1, 1)))),
    "float_of_full_rank": slopes(lambda n: n.const(np.reshape([0.2, 0, -2, 7], (1, 4, 1, 1)))),
    "quantized": slopes(quantized([90, -20, 127, 3], 0.003)),
    "of_a_scale_each": slopes(of_a_scale_each),
    "last_axis": slopes(lambda n: n.const(np.linspace(-0.5, 0.5, 15))),
    "flat": slopes(lambda n: n.const(np.linspace(-0.5, 0.5, 15)), (6, 15)),
    "sequence": slopes(lambda n: n.const(np.reshape([0.25, -0.5, 1.5], (3, 1))), (1, 3, 15)),
}


def test_slopes_of_any_form_are_integers_and_onnxruntimes(tmp_path: Path) -> None:
    made = models(SLOPES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatFallbackWarning)
        for model in made.values():
            pipeline()(from_onnx(model))
    assert disagreements(made, tmp_path) == []
