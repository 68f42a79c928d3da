"""Operators directly on quantized integers: as onnxruntime, or refused in one true line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from agreement import Build, Net, disagreements, models
from tools import require_package

from tvm_tiny.errors import UnsupportedError
from tvm_tiny.frontend.onnx import from_onnx

require_package("onnxruntime")

# From the quantized tensor, its type, and a level in the middle of its values.
Operator = Callable[[Net, str, str, int], str]
LEVEL = {"uint8": 130, "int8": 20}
ZERO = {"uint8": 117, "int8": -11}


def full(shape: tuple[int, ...], value: int) -> np.ndarray:
    return np.full(shape, value)


def pads(n: Net) -> str:
    return n.const([0, 0, 1, 1, 0, 0, 1, 1], "int64")


SAME_INTEGERS: dict[str, Operator] = {
    "clip": lambda n, q, t, k: n("Clip", q, n.const(k - 10, t), n.const(k + 5, t)),
    "clip_above": lambda n, q, t, k: n("Clip", q, "", n.const(k, t)),
    "max": lambda n, q, t, k: n("Max", q, n.const(k, t)),
    "min": lambda n, q, t, k: n("Min", q, n.const(k, t), n.const(full((1, 4, 1, 1), k - 7), t)),
    "concat": lambda n, q, t, k: n("Concat", n.const(full((1, 2, 6, 5), k), t), q, axis=1),
    "pad": lambda n, q, t, k: n("Pad", q, pads(n), n.const(k, t)),
    "pad_by_default": lambda n, q, t, k: n("Pad", q, pads(n)),
    "transpose": lambda n, q, t, k: n("Transpose", q, perm=[0, 2, 3, 1]),
    "reduce_max": lambda n, q, t, k: n("ReduceMax", q, axes=[2, 3]),
    "resize": lambda n, q, t, k: n("Resize", q, "", n.const([1, 1, 2, 2]), mode="nearest"),
    "max_pool": lambda n, q, t, k: n("MaxPool", q, kernel_shape=[2, 2]),
    "identity": lambda n, q, t, k: n("Identity", q),
    "two_in_a_row": lambda n, q, t, k: n("Max", n("Clip", q, n.const(k - 9, t)), n.const(k, t)),
}
OTHER_RESULTS: dict[str, Operator] = {
    "cast": lambda n, q, t, k: n("Cast", q, to=1),
    "argmax": lambda n, q, t, k: n("ArgMax", q, axis=1),
}


def made(dtype: str) -> dict[str, Callable[[Net], list[str]]]:
    def on_a_quantized_tensor(operator: Operator, *, ends: str) -> Callable[[Net], list[str]]:
        def build(n: Net) -> list[str]:
            q = n.q(n.input(), 0.05, ZERO[dtype], dtype)
            result = operator(n, q, dtype, LEVEL[dtype])
            return [n.dq(result, 0.05, ZERO[dtype], dtype) if ends == "real" else result]

        return build

    kinds = {k: on_a_quantized_tensor(v, ends="real") for k, v in SAME_INTEGERS.items()}
    kinds |= {
        f"{k}_as_it_is": on_a_quantized_tensor(v, ends="integers")
        for k, v in (SAME_INTEGERS | OTHER_RESULTS).items()
    }
    return kinds


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_operators_on_integers_give_what_onnxruntime_gives(dtype: str, tmp_path: Path) -> None:
    assert disagreements(models(made(dtype)), tmp_path) == []


def test_relu_on_integers_is_a_bound_at_integer_zero(tmp_path: Path) -> None:
    def relu(n: Net) -> list[str]:
        return [n.dq(n("Relu", n.q(n.input(), 0.05, -11)), 0.05, -11)]

    def cast_of_an_input(n: Net) -> list[str]:
        real = n("Cast", n.input(dtype="uint8"), to=1)
        return [n.dq(n.q(real, 1.0, -128), 1.0, -128)]

    kinds = {"relu": relu, "cast_of_an_input": cast_of_an_input}
    assert disagreements(models(kinds), tmp_path) == []


def plain(op: str, *operands: object, dtype: str = "int8", **attrs: object) -> Build:
    """One operator on an integer input, with no QuantizeLinear or DequantizeLinear anywhere."""

    def build(n: Net) -> list[str]:
        return [n(op, n.input(dtype=dtype), *(n.const(v, dtype) for v in operands), **attrs)]

    return build


PLAIN: dict[str, Build] = {
    "add_of_int32": plain("Add", 3, dtype="int32"),
    "argmax": plain("ArgMax", axis=1),
    "greater": plain("Greater", 3),
    "max_pool": plain("MaxPool", kernel_shape=[2, 2]),
    "max_pool_unsigned": plain("MaxPool", dtype="uint8", kernel_shape=[2, 2]),
    "transpose_of_int64": plain("Transpose", dtype="int64"),
}


def test_models_of_integers_alone_need_no_quantization(tmp_path: Path) -> None:
    assert disagreements(models(PLAIN), tmp_path) == []


def refusal(build: Callable[[Net], list[str]]) -> str:
    with pytest.raises(UnsupportedError) as caught:
        from_onnx(models({"m": build})["m"])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_arithmetic_on_integers_is_refused() -> None:
    def add(n: Net) -> list[str]:
        return [n.dq(n("Add", n.q(n.input()), n.const(3, "int8")))]

    message = refusal(add)
    assert "Add (tensor 't1'): computes with quantized integers" in message
    assert "put DequantizeLinear before it and QuantizeLinear behind it" in message


def test_casts_between_integers_are_refused() -> None:
    def narrow(n: Net) -> list[str]:
        return [n.dq(n("Cast", n.input(), to=2), 0.1, 128, "uint8")]

    def wide(n: Net) -> list[str]:
        return [n("Cast", n("Cast", n.q(n.input(), 0.1, 9, "uint8"), to=6), to=1)]

    assert "its integers are made by Cast" in refusal(narrow)
    assert "makes other integers of quantized ones" in refusal(wide)
