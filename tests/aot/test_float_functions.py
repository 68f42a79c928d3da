"""Float functions at a model's edges print as C99 and compute what the reference says."""

from __future__ import annotations

import numpy as np
import pytest
from host_library import build_library
from relax_models import module
from tools import require
from tvm import relax

import tvm_tiny
from tvm_tiny.errors import UnsupportedError
from tvm_tiny.reference.real import FUNCTIONS

X = np.concatenate([np.linspace(-4, 4, 33), np.linspace(-1, 1, 31)]).astype("float32")[None]
OPERATORS = {
    name: getattr(relax.op, name, None) or getattr(relax.op.nn, name)
    for name in (
        *("abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf"),
        *("exp", "floor", "gelu", "gelu_tanh", "leakyrelu", "log", "negative", "relu", "round"),
        *("rsqrt", "selu", "sigmoid", "sign", "silu", "sin", "sinh", "softplus", "sqrt", "square"),
        *("tan", "tanh", "trunc"),
    )
}
ARGUMENTS = {"leakyrelu": (0.01,)}


@pytest.mark.filterwarnings("ignore::tvm_tiny.passes.lower_qdq.FloatFallbackWarning")
def test_every_float_function_is_c99_and_right(tmp_path):
    require("gcc")

    def body(emit, x):
        return [operator(x) for operator in OPERATORS.values()]

    mod = module({"x": (X.shape, "float32")}, body, list(OPERATORS))
    model = tvm_tiny.build(mod, "host", name="m")
    results = build_library([model], tmp_path)["m"].infer([X])
    for name, found in zip(OPERATORS, results, strict=True):
        expected = FUNCTIONS[name](X, *ARGUMENTS.get(name, ()))
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6, err_msg=name)


@pytest.mark.filterwarnings("ignore::tvm_tiny.passes.lower_qdq.FloatFallbackWarning")
def test_a_kernel_that_cannot_be_printed_is_named():
    def body(emit, x):
        indices, rows = np.array([[1]]), np.zeros((1, X.shape[1]), "float32")
        return [relax.op.negative(x), relax.op.scatter_nd(x, *map(relax.const, (indices, rows)))]

    mod = module({"x": ((2, X.shape[1]), "float32")}, body, ["a", "b"])
    with pytest.raises(UnsupportedError, match="scatter_nd: no C can be made of this"):
        tvm_tiny.build(mod, "host", name="m")
