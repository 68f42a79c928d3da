"""Matrix products, products of elements and slopes: in integers, as onnxruntime rounds them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from agreement import Build, Net, disagreements, models

from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning
from tvm_tiny.pipeline import pipeline

pytest.importorskip("onnxruntime")

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
