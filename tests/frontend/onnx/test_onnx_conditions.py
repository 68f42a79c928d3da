"""Conditions that become numbers, and numbers that become conditions: as onnxruntime."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from agreement import Build, Net, disagreements, models
from tools import require_package

import tvm_tiny
from tvm_tiny.frontend.onnx import from_onnx
from tvm_tiny.passes.lower_qdq import FloatFallbackWarning

require_package("onnxruntime")

FLOAT, BOOL = 1, 9


def tensor(n: Net) -> str:
    return n.dq(n.q(n.input()))


def number(n: Net, condition: str) -> str:
    return n("Cast", condition, to=FLOAT)


def quantized(n: Net, real: str) -> list[str]:
    return [n.dq(n.q(real, 0.3, -7), 0.3, -7)]


def of_two_tensors(n: Net) -> list[str]:
    return quantized(n, number(n, n("Less", tensor(n), tensor(n))))


def of_one_tensor(n: Net) -> list[str]:
    return quantized(n, number(n, n("Greater", tensor(n), n.const(0.4))))


def sum_of_two(n: Net) -> list[str]:
    x = tensor(n)
    both = (number(n, n("Less", x, n.const(limit))) for limit in (0.5, -0.5))
    return quantized(n, n("Add", *both))


def limited(n: Net) -> list[str]:
    real = number(n, n("Less", tensor(n), tensor(n)))
    return quantized(n, n("Clip", real, n.const(0.2), n.const(0.8)))


def truth_of_numbers(n: Net) -> list[str]:
    return quantized(n, number(n, n("Not", n("Cast", tensor(n), to=BOOL))))


def truth_as_a_result(n: Net) -> list[str]:
    return [n("Cast", tensor(n), to=BOOL)]


def truth_that_chooses(n: Net) -> list[str]:
    x, y = tensor(n), tensor(n)
    return quantized(n, n("Where", n("Cast", x, to=BOOL), y, x))


KINDS: dict[str, Build] = {
    build.__name__: build
    for build in (
        of_two_tensors,
        of_one_tensor,
        sum_of_two,
        limited,
        truth_of_numbers,
        truth_as_a_result,
        truth_that_chooses,
    )
}


def test_casts_between_conditions_and_numbers_are_those_of_onnxruntime(tmp_path: Path) -> None:
    assert disagreements(models(KINDS), tmp_path) == []


def test_none_of_them_runs_in_float() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", FloatFallbackWarning)
        for model in models(KINDS).values():
            tvm_tiny.build(from_onnx(model))


def test_a_comparison_in_float_is_called_by_the_models_own_name() -> None:
    n = Net()
    less = n("Less", n("Exp", n.input()), n.const(0.5))
    with pytest.warns(FloatFallbackWarning, match=rf"less \(tensor '{less}'\)"):
        tvm_tiny.build(from_onnx(n.model([*quantized(n, tensor(n)), less])))
