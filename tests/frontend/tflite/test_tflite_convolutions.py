"""Convolutions: explicit padding, and values by definition."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_checks import I32, S, check_unary, sample, values
from tflite_models import IN, OUT, Affine, ModelWriter, unary_model

from tvm_tiny.errors import ModelError
from tvm_tiny.frontend.tflite import from_tflite
from tvm_tiny.frontend.tflite.reader import _nibbles


def conv_reference(x, w, strides, padding, dilation, groups):
    """NHWC / OHWI convolution by its definition, with explicit padding t, l, b, r."""
    top, left, bottom, right = padding
    x = np.pad(x, [(0, 0), (top, bottom), (left, right), (0, 0)])
    outs, KH, KW, depth = w.shape
    H = (x.shape[1] - (KH - 1) * dilation[0] - 1) // strides[0] + 1
    W = (x.shape[2] - (KW - 1) * dilation[1] - 1) // strides[1] + 1
    out = np.zeros((x.shape[0], H, W, outs))
    for i in range(H):
        for j in range(W):
            rows = i * strides[0] + np.arange(KH) * dilation[0]
            columns = j * strides[1] + np.arange(KW) * dilation[1]
            patch = x[:, rows][:, :, columns]
            for o in range(outs):
                g = o // (outs // groups)
                out[:, i, j, o] = (patch[..., g * depth : (g + 1) * depth] * w[o]).sum((1, 2, 3))
    return out


CONVOLUTIONS = [
    # input, kernel O KH KW I, strides, dilation, SAME?, output, padding t l b r
    ((1, 7, 6, 4), (6, 3, 3, 4), (1, 1), (1, 1), True, (1, 7, 6, 6), (1, 1, 1, 1)),
    ((1, 8, 6, 4), (6, 3, 2, 4), (2, 2), (1, 1), True, (1, 4, 3, 6), (0, 0, 1, 0)),
    ((2, 7, 9, 4), (6, 2, 3, 2), (2, 1), (1, 2), False, (2, 3, 5, 6), (0, 0, 0, 0)),
    ((1, 5, 5, 4), (3, 1, 1, 4), (2, 2), (1, 1), True, (1, 3, 3, 3), (0, 0, 0, 0)),
]


@pytest.mark.parametrize("case", CONVOLUTIONS)
@pytest.mark.parametrize("per_channel", [True, False])
def test_conv_2d(case, per_channel):
    shape, kernel_shape, strides, dilation, same, out_shape, padding = case
    outs = kernel_shape[0]
    scales = (
        np.linspace(0.001, 0.004, outs).astype(np.float32) if per_channel else np.float32(0.002)
    )
    kernel, bias = sample(kernel_shape, 1), np.arange(outs, dtype=I32) * 100 - 50
    constants = [(kernel, Affine(scales)), (bias, Affine(np.float32(IN.scale) * scales))]
    model = unary_model(
        "CONV_2D",
        shape,
        out_shape,
        "Conv2DOptions",
        constants,
        Padding=0 if same else 1,
        StrideH=strides[0],
        StrideW=strides[1],
        DilationHFactor=dilation[0],
        DilationWFactor=dilation[1],
    )
    module = from_tflite(model)
    (call,) = [v for v in values(module) if v.op.name == "relax.nn.conv2d"]
    assert tuple(int(p) for p in call.attrs.padding) == padding
    groups = shape[3] // kernel_shape[3]
    wide = np.broadcast_to(scales, (outs,))

    def expected(x):
        real = kernel * wide[:, None, None, None].astype(np.float64)
        return conv_reference(x, real, strides, padding, dilation, groups) + bias * IN.scale * wide

    check_unary(model, expected, ["nn.conv2d", "add"], shape)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_depthwise_conv_2d(multiplier):
    outs = 3 * multiplier
    scales = np.linspace(0.003, 0.006, outs).astype(np.float32)
    kernel = sample((1, 3, 2, outs), 1)
    model = unary_model(
        "DEPTHWISE_CONV_2D",
        S,
        (1, 4, 5, outs),
        "DepthwiseConv2DOptions",
        [(kernel, Affine(scales, 0, 3))],
        Padding=0,
        StrideH=1,
        StrideW=1,
        DilationHFactor=1,
        DilationWFactor=1,
        DepthMultiplier=multiplier,
        FusedActivationFunction=1,
    )
    real = np.transpose(kernel * scales.astype(np.float64), (3, 1, 2, 0))

    def expected(x):
        return np.maximum(conv_reference(x, real, (1, 1), (1, 0, 1, 1), (1, 1), 3), 0)

    check_unary(model, expected, ["nn.conv2d", "nn.relu"], S)


def transposed_reference(x, w, strides, out_shape, before):
    """Each input cell adds its weighted kernel [O, KH, KW, I] to the output; what falls outside is
    cut."""
    _, KH, KW, _ = w.shape
    out = np.zeros(out_shape)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            for a in range(KH):
                for b in range(KW):
                    r, c = i * strides[0] - before[0] + a, j * strides[1] - before[1] + b
                    if 0 <= r < out_shape[1] and 0 <= c < out_shape[2]:
                        out[:, r, c] += x[:, i, j] @ w[:, a, b].T
    return out


@pytest.mark.parametrize(
    ("kernel_shape", "strides", "same", "out_shape", "before"),
    [
        ((2, 3, 3, 3), (2, 2), True, (1, 8, 10, 2), (0, 0)),
        ((2, 4, 3, 3), (2, 1), True, (1, 7, 5, 2), (1, 1)),
        ((2, 3, 3, 3), (2, 2), False, (1, 9, 11, 2), (0, 0)),
        ((2, 2, 2, 3), (3, 2), True, (1, 12, 10, 2), (0, 0)),
    ],
)
@pytest.mark.parametrize("with_bias", [True, False])
def test_transpose_conv(kernel_shape, strides, same, out_shape, before, with_bias):
    w = ModelWriter()
    scales = np.array([0.003, 0.005], np.float32)
    x, y = w.tensor("x", S, affine=IN), w.tensor("y", out_shape, affine=OUT)
    kernel, bias = sample(kernel_shape, 1), np.array([300, -200], I32)
    operands = [
        w.constant("shape", np.array(out_shape, I32)),
        w.constant("w", kernel, Affine(scales)),
        x,
    ]
    if with_bias:
        operands.append(w.constant("b", bias, Affine(np.float32(IN.scale) * scales)))
    w.operator(
        "TRANSPOSE_CONV",
        operands,
        [y],
        "TransposeConvOptions",
        Padding=0 if same else 1,
        StrideH=strides[0],
        StrideW=strides[1],
    )
    names = ["permute_dims", "nn.conv2d_transpose", "permute_dims", *["add"] * with_bias]

    def expected(v):
        real = kernel * scales[:, None, None, None].astype(np.float64)
        return transposed_reference(v, real, strides, out_shape, before) + (
            bias * IN.scale * scales * with_bias
        )

    check_unary(w.finish([x], [y]), expected, names, S)


def test_weights_of_four_bits_are_read_as_int8():
    values = np.array([-8, 7, 1, -1, 0, 5, -3], np.int8)
    packed = np.array([0x78, 0xF1, 0x50, 0x0D], np.uint8)
    np.testing.assert_array_equal(_nibbles(packed, (7, 1), "w"), values.reshape(7, 1))
    with pytest.raises(ModelError, match=r"3 bytes of data; shape \(7,\) of int4 needs 4"):
        _nibbles(packed[:3], (7,), "w")
