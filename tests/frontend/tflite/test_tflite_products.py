"""Fully connected layers and batch matrix products."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_checks import I32, check_unary, operators, run, sample
from tflite_models import IN, OUT, Affine, ModelWriter, unary_model

from tvm_tiny.frontend.tflite import from_tflite


@pytest.mark.parametrize(
    ("shape", "keep", "out_shape", "names"),
    [
        ((2, 6), False, (2, 4), []),
        ((2, 3, 2), False, (2, 4), ["reshape"]),
        ((1, 3, 6), True, (1, 3, 4), []),
    ],
)
@pytest.mark.parametrize("affine", [Affine(0.004), Affine([0.002, 0.004, 0.003, 0.005], [0] * 4)])
def test_fully_connected(shape, keep, out_shape, names, affine):
    weights, bias = sample((4, 6), 1), np.array([100, -200, 300, 0], I32)
    scales = np.float32(IN.scale) * np.float32(affine.scale)
    model = unary_model(
        "FULLY_CONNECTED",
        shape,
        out_shape,
        "FullyConnectedOptions",
        [(weights, affine), (bias, Affine(scales))],
        KeepNumDims=keep,
        FusedActivationFunction=1,
    )
    real = weights * np.reshape(affine.scale, (-1, 1))
    check_unary(
        model,
        lambda x: np.maximum((x.reshape(-1, 6) @ real.T).reshape(out_shape) + bias * scales, 0),
        [*names, "permute_dims", "matmul", "add", "nn.relu"],
        shape,
    )


@pytest.mark.parametrize("turn", [(False, False), (True, False), (False, True), (True, True)])
def test_batch_matmul(turn):
    w = ModelWriter()
    shapes = [(2, 5, 3) if turn[0] else (2, 3, 5), (2, 4, 5) if turn[1] else (2, 5, 4)]
    a, b = (w.tensor(n, s, affine=IN) for n, s in zip("ab", shapes, strict=True))
    y = w.tensor("y", (2, 3, 4), affine=OUT)
    w.operator("BATCH_MATMUL", [a, b], [y], "BatchMatMulOptions", AdjX=turn[0], AdjY=turn[1])
    module = from_tflite(w.finish([a, b], [y]))
    assert operators(module) == [*["permute_dims"] * sum(turn), "matmul"]
    data = [sample(s, i) // 8 for i, s in enumerate(shapes)]
    real = [
        np.swapaxes(IN.real(x), 1, 2) if t else IN.real(x) for x, t in zip(data, turn, strict=True)
    ]
    (result,) = run(module, *data)
    assert np.abs(result.astype(int) - OUT.integer(real[0] @ real[1])).max() <= 1
