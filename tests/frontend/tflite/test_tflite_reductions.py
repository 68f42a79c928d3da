"""Pooling, reductions and arg max."""

from __future__ import annotations

import numpy as np
import pytest
import tflite
from tflite_checks import I32, S, check_unary, operators, relu6, run, sample
from tflite_models import IN, ModelWriter, unary_model

from tvm_tiny.frontend.tflite import from_tflite


def pool_reference(x, size, strides, padding, reduce):
    top, left, bottom, right = padding
    x = np.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)], constant_values=np.nan)
    rows = range(0, x.shape[1] - size[0] + 1, strides[0])
    columns = range(0, x.shape[2] - size[1] + 1, strides[1])
    cells = [
        [reduce(x[:, r : r + size[0], c : c + size[1]], axis=(1, 2)) for c in columns] for r in rows
    ]
    return np.transpose(np.array(cells), (2, 0, 1, 3))


@pytest.mark.parametrize(
    ("same", "out_shape", "padding"),
    [(True, (1, 2, 5, 3), (0, 0, 1, 1)), (False, (1, 1, 4, 3), (0, 0, 0, 0))],
)
@pytest.mark.parametrize(
    ("kind", "name", "reduce"),
    [
        ("AVERAGE_POOL_2D", "nn.avg_pool2d", np.nanmean),
        ("MAX_POOL_2D", "nn.max_pool2d", np.nanmax),
    ],
)
def test_pooling(kind, name, reduce, same, out_shape, padding):
    model = unary_model(
        kind,
        S,
        out_shape,
        "Pool2DOptions",
        Padding=0 if same else 1,
        StrideH=2,
        StrideW=1,
        FilterHeight=3,
        FilterWidth=2,
        FusedActivationFunction=3,
        out=IN,
    )
    padding = (0, 0, 1, 1) if same else padding
    check_unary(
        model,
        lambda x: relu6(pool_reference(x, (3, 2), (2, 1), padding, reduce)),
        [name, "clip"],
        S,
        written=IN,
    )


@pytest.mark.parametrize(
    ("kind", "name", "reduce"),
    [
        ("MEAN", "mean", np.mean),
        ("SUM", "sum", np.sum),
        ("REDUCE_MAX", "max", np.max),
        ("REDUCE_MIN", "min", np.min),
    ],
)
@pytest.mark.parametrize("keep", [True, False])
def test_reductions(kind, name, reduce, keep):
    axes = np.array([1, -2], I32)
    model = unary_model(
        kind, S, (1, 1, 1, 3) if keep else (1, 3), "ReducerOptions", [axes], KeepDims=keep
    )
    check_unary(model, lambda x: reduce(x, axis=(1, 2), keepdims=keep), [name], S)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_arg_max_has_integer_output(dtype):
    w = ModelWriter()
    x, y = w.tensor("x", (3, 7), affine=IN), w.tensor("y", (3,), dtype)
    axis = w.constant("axis", np.array(-1, I32))
    kind = tflite.TensorType.INT64 if dtype == "int64" else tflite.TensorType.INT32
    w.operator("ARG_MAX", [x, axis], [y], "ArgMaxOptions", OutputType=kind)
    module = from_tflite(w.finish([x], [y]))
    assert operators(module) == ["argmax", *["astype"] * (dtype == "int32")]
    data = sample((3, 7))
    (result,) = run(module, data)
    assert result.dtype == dtype
    assert (result == data.argmax(-1)).all()
