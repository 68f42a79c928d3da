"""Activations, float fallbacks and binary operators: Relax operators and values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tflite_checks import S, check_copy, check_unary, operators, relu6, run, sample
from tflite_models import IN, OUT, Affine, ModelWriter, unary_model

from tvm_tiny.frontend.tflite import from_tflite


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def erf(x):
    return np.vectorize(math.erf)(x)


ELU = ["nn.relu", "minimum", "exp", "subtract", "add"]
HARD_SWISH = ["add", "clip", "divide", "multiply"]
ACTIVATIONS = {
    "RELU": (["nn.relu"], lambda x: np.maximum(x, 0), {}),
    "RELU_N1_TO_1": (["clip"], lambda x: np.clip(x, -1, 1), {}),
    "RELU_0_TO_1": (["clip"], lambda x: np.clip(x, 0, 1), {}),
    "TANH": (["tanh"], np.tanh, {}),
    "LOGISTIC": (["sigmoid"], lambda x: 1 / (1 + np.exp(-x)), {}),
    "HARD_SWISH": (HARD_SWISH, lambda x: x * relu6(x + 3) / 6, {}),
    "LEAKY_RELU": (
        ["nn.leakyrelu"],
        lambda x: np.where(x < 0, 0.25 * x, x),
        {"options": "LeakyReluOptions", "Alpha": 0.25},
    ),
    "SOFTMAX": (["nn.softmax"], softmax, {"options": "SoftmaxOptions", "Beta": 1.0}),
    "ABS": (["abs"], np.abs, {}),
    "NEG": (["negative"], np.negative, {}),
    "EXP": (["exp"], np.exp, {}),
    "SIN": (["sin"], np.sin, {}),
    "COS": (["cos"], np.cos, {}),
    "FLOOR": (["floor"], np.floor, {}),
    "CEIL": (["ceil"], np.ceil, {}),
    "SQUARE": (["square"], np.square, {}),
    "ELU": (ELU, lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1), {}),
    "GELU": (
        ["nn.gelu"],
        lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2))),
        {"options": "GeluOptions", "Approximate": False},
    ),
    "L2_NORMALIZATION": (
        ["multiply", "sum", "maximum", "sqrt", "divide"],
        lambda x: x / np.sqrt((x * x).sum(-1, keepdims=True)),
        {"options": "L2NormOptions"},
    ),
    "LOG_SOFTMAX": (["nn.log_softmax"], lambda x: np.log(softmax(x)), {}),
}


def test_relu6_clips_at_its_inputs_quantization_and_copies():
    low, high = OUT.real(np.array([IN.zero_point, IN.integer(6.0)]))
    check_copy(unary_model("RELU6", S), lambda x: np.clip(x, low, high), ["clip"], S)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations_and_float_fallbacks(kind):
    names, function, options = ACTIVATIONS[kind]
    check_unary(unary_model(kind, S, **options), function, names, S)


@pytest.mark.parametrize(
    ("kind", "function"),
    [("SQRT", np.sqrt), ("RSQRT", lambda x: 1 / np.sqrt(x)), ("LOG", np.log)],
)
def test_float_fallbacks_on_positive_values(kind, function):
    module = from_tflite(unary_model(kind, S))
    assert operators(module) == [kind.lower()]
    x = np.maximum(sample(S), IN.zero_point + 1).astype(np.int8)
    (y,) = run(module, x)
    assert np.abs(y.astype(int) - OUT.integer(function(IN.real(x)))).max() <= 1


def test_softmax_scales_its_input_by_beta():
    model = unary_model("SOFTMAX", S, options="SoftmaxOptions", Beta=2.0)
    check_unary(model, lambda x: softmax(2 * x), ["multiply", "nn.softmax"], S)


@pytest.mark.parametrize(
    ("shape", "names"),
    [((1, 1, 3), ["nn.prelu"]), ((1, 5, 1), ["nn.relu", "minimum", "multiply", "add"])],
)
def test_prelu_a_channel_and_otherwise(shape, names):
    slopes, affine = sample(shape, 1), Affine(0.01)
    model = unary_model("PRELU", S, constants=[(slopes, affine)])
    check_unary(model, lambda x: np.where(x < 0, affine.real(slopes) * x, x), names, S)


BINARY = {
    "ADD": ("add", np.add, "AddOptions"),
    "SUB": ("subtract", np.subtract, "SubOptions"),
    "MUL": ("multiply", np.multiply, "MulOptions"),
    "DIV": ("divide", np.divide, "DivOptions"),
    "SQUARED_DIFFERENCE": ("subtract", lambda a, b: (a - b) ** 2, None),
}


@pytest.mark.parametrize("kind", BINARY)
def test_binary_with_a_broadcast_constant(kind):
    name, function, options = BINARY[kind]
    other, affine = np.array([[[[20, -100, 117]]]], np.int8), Affine(0.03, 1)
    model = unary_model(kind, S, options=options, constants=[(other, affine)])
    names = [name, "multiply"] if kind == "SQUARED_DIFFERENCE" else [name]
    check_unary(model, lambda x: function(x, affine.real(other)), names, S)


@pytest.mark.parametrize(("kind", "function"), [("MAXIMUM", np.maximum), ("MINIMUM", np.minimum)])
def test_extremes_compare_integers_of_any_quantization(kind, function):
    other = np.array([[[[20, -100, 117]]]], np.int8)
    model = unary_model(kind, S, constants=[(other, Affine(0.03, 1))])
    check_copy(model, lambda x: function(x, OUT.real(other)), [kind.lower()], S)


@pytest.mark.parametrize(
    ("code", "name", "low", "high"),
    [(1, "nn.relu", 0, np.inf), (2, "clip", -1, 1), (3, "clip", 0, 6)],
)
def test_fused_activation_comes_last(code, name, low, high):
    w = ModelWriter()
    a, b = w.tensor("a", (2, 3), affine=IN), w.tensor("b", (2, 3), affine=IN)
    y = w.tensor("y", (2, 3), affine=OUT)
    w.operator("ADD", [a, b], [y], "AddOptions", FusedActivationFunction=code)
    module = from_tflite(w.finish([a, b], [y]))
    assert operators(module) == ["add", name]
    assert [p.name for p in module["main"].params] == ["a", "b"]
    left, right = sample((2, 3)), sample((2, 3), 1)
    (result,) = run(module, left, right)
    expected = OUT.integer(np.clip(IN.real(left) + IN.real(right), low, high))
    assert np.abs(result.astype(int) - expected).max() <= 1
