"""Every operator family: the Relax operators it becomes, and its values on TVM's VM.

The expected values are float maths on the dequantized input, quantized at the end; the VM computes
in float32, so the two may differ by a step where a value lies half-way.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import tflite
import tvm
from tflite_models import IN, OUT, Affine, ModelWriter, unary_model
from tvm import relax

from tvm_tiny.frontend.tflite import from_tflite

I32 = np.int32


def run(module, *inputs):
    """The module's outputs on the host's VM, as a list of arrays."""
    relax.analysis.well_formed(module)
    vm = relax.VirtualMachine(relax.build(module, "llvm"), tvm.cpu())
    result = vm["main"](*[tvm.runtime.tensor(x) for x in inputs])
    parts = [result] if hasattr(result, "numpy") else list(result)
    return [part.numpy() for part in parts]


def operators(module):
    """Names of the Relax operators in order, without the quantize and dequantize around them."""
    names = [
        binding.value.op.name.removeprefix("relax.")
        for block in module["main"].body.blocks
        for binding in block.bindings
        if isinstance(binding.value, relax.Call)
    ]
    return [name for name in names if name not in {"quantize", "dequantize"}]


def sample(shape, seed=0):
    return np.random.default_rng(seed).integers(-128, 128, shape, np.int8)


def check_unary(model, function, expected_operators, shape, seed=0):
    module = from_tflite(model)
    assert operators(module) == expected_operators
    x = sample(shape, seed)
    (y,) = run(module, x)
    expected = OUT.integer(function(IN.real(x)))
    assert y.shape == expected.shape
    assert np.unique(expected).size > 1, "a constant result would prove nothing"
    assert np.abs(y.astype(int) - expected).max() <= 1


def relu6(x):
    return np.clip(x, 0, 6)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def erf(x):
    return np.vectorize(math.erf)(x)


S = (1, 4, 5, 3)
ELU = ["nn.relu", "minimum", "exp", "subtract", "add"]
HARD_SWISH = ["add", "clip", "divide", "multiply"]
ACTIVATIONS = {
    "RELU": (["nn.relu"], lambda x: np.maximum(x, 0), {}),
    "RELU6": (["clip"], relu6, {}),
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
    "SQUARE": (["multiply"], np.square, {}),
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
    "MAXIMUM": ("maximum", np.maximum, None),
    "MINIMUM": ("minimum", np.minimum, None),
    "SQUARED_DIFFERENCE": ("subtract", lambda a, b: (a - b) ** 2, None),
}


@pytest.mark.parametrize("kind", BINARY)
def test_binary_with_a_broadcast_constant(kind):
    name, function, options = BINARY[kind]
    other, affine = np.array([[[[20, -100, 117]]]], np.int8), Affine(0.03, 1)
    model = unary_model(kind, S, options=options, constants=[(other, affine)])
    names = [name, "multiply"] if kind == "SQUARED_DIFFERENCE" else [name]
    check_unary(model, lambda x: function(x, affine.real(other)), names, S)


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


def values(module):
    """All calls of the main function."""
    bindings = [b for block in module["main"].body.blocks for b in block.bindings]
    return [b.value for b in bindings if isinstance(b.value, relax.Call)]


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
    )
    padding = (0, 0, 1, 1) if same else padding
    check_unary(
        model,
        lambda x: relu6(pool_reference(x, (3, 2), (2, 1), padding, reduce)),
        [name, "clip"],
        S,
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


def test_pad_fills_with_real_zero():
    amounts = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], I32)
    model = unary_model("PAD", S, (1, 7, 6, 3), "PadOptions", [amounts])
    check_unary(model, lambda x: np.pad(x, amounts), ["nn.pad"], S)


def test_padv2_fills_with_its_operand():
    amounts = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int64)
    fill = (np.array([-128], np.int8), OUT)
    model = unary_model("PADV2", S, (1, 7, 6, 3), "PadV2Options", [amounts, fill])
    value = OUT.real(np.array(-128))
    check_unary(model, lambda x: np.pad(x, amounts, constant_values=value), ["nn.pad"], S)


RESHAPES = {
    "RESHAPE": ((2, -1), (2, 30), {"constants": [np.array([2, -1], I32)]}),
    "RESHAPE option": (
        (2, 30),
        (2, 30),
        {"options": "ReshapeOptions", "NewShape": [2, 30]},
    ),
    "RESHAPE bare": ((60,), (60,), {}),
    "SQUEEZE": ((4, 5, 3), (4, 5, 3), {}),
    "SQUEEZE option": (
        (4, 5, 3),
        (4, 5, 3),
        {"options": "SqueezeOptions", "SqueezeDims": [-4]},
    ),
    "EXPAND_DIMS": ((1, 4, 5, 1, 3), (1, 4, 5, 1, 3), {"constants": [np.array(-2, I32)]}),
}


@pytest.mark.parametrize("case", RESHAPES)
def test_reshapes(case):
    target, shape, options = RESHAPES[case]
    model = unary_model(case.split()[0], S, shape, **options)
    check_unary(model, lambda x: x.reshape(target), ["reshape"], S)


def test_transpose():
    order = np.array([0, 3, -3, 2], I32)
    model = unary_model("TRANSPOSE", S, (1, 3, 4, 5), constants=[order])
    check_unary(model, lambda x: x.transpose(0, 3, 1, 2), ["permute_dims"], S)


def test_concatenation_of_two_scales():
    other, affine = sample((1, 4, 5, 2), 1), Affine(0.02, 7)
    model = unary_model(
        "CONCATENATION", S, (1, 4, 5, 5), "ConcatenationOptions", [(other, affine)], Axis=-1
    )
    check_unary(model, lambda x: np.concatenate([x, affine.real(other)], axis=3), ["concat"], S)


def test_pack_makes_a_new_axis():
    other = (sample((4, 3), 1), Affine(0.02, 7))
    model = unary_model("PACK", (4, 3), (4, 2, 3), "PackOptions", [other], ValuesCount=2, Axis=1)
    check_unary(
        model,
        lambda x: np.stack([x, other[1].real(other[0])], axis=1),
        ["reshape", "reshape", "concat"],
        (4, 3),
    )


def several_outputs(kind, operands, shapes, options=None, **fields):
    """x [2, 6] (int8, `IN`) through one operator with several outputs (int8, `OUT`)."""
    w = ModelWriter()
    x = w.tensor("x", (2, 6), affine=IN)
    inputs = [x if value is None else w.constant("c", value) for value in operands]
    outputs = [w.tensor(f"part:{i}", shape, affine=OUT) for i, shape in enumerate(shapes)]
    w.operator(kind, inputs, outputs, options, **fields)
    return from_tflite(w.finish([x], outputs))


AXIS = np.array(1, I32)
SPLITS = {
    "SPLIT": (
        [AXIS, None],
        [(2, 2)] * 3,
        {"options": "SplitOptions", "NumSplits": 3},
        lambda x: np.split(x, 3, 1),
    ),
    "SPLIT_V": (
        [None, np.array([1, -1, 2], I32), AXIS],
        [(2, 1), (2, 3), (2, 2)],
        {"options": "SplitVOptions", "NumSplits": 3},
        lambda x: np.split(x, [1, 4], 1),
    ),
    "UNPACK": (
        [None],
        [(6,), (6,)],
        {"options": "UnpackOptions", "Num": 2, "Axis": 0},
        list,
    ),
}


@pytest.mark.parametrize("kind", SPLITS)
def test_splits_give_one_island_each(kind):
    operands, shapes, options, function = SPLITS[kind]
    module = several_outputs(kind, operands, shapes, **options)
    assert list(module["main"].attrs["tvm_tiny.output_names"]) == [
        f"part:{i}" for i in range(len(shapes))
    ]
    assert operators(module).count("strided_slice") == len(shapes)
    x = sample((2, 6))
    for result, part in zip(run(module, x), function(IN.real(x)), strict=True):
        assert result.shape == part.shape
        assert np.abs(result.astype(int) - OUT.integer(part)).max() <= 1


SLICES = {
    "plain": ([0, 1, 0, 0], [1, 4, 5, 3], [1, 1, 2, 1], {}, np.s_[:, 1:4, 0:5:2]),
    "masks": ([5, 5, 1], [0, 0, -1], [1, 1, 1], {"BeginMask": 3, "EndMask": 3}, np.s_[:, :, 1:-1]),
    "shrink": ([0, -1, 0], [1, 9, 9], [1, 1, 3], {"ShrinkAxisMask": 2}, np.s_[:, -1, 0:9:3]),
    "backwards": ([0, 3, 0], [1, -9, 9], [1, -2, 1], {}, np.s_[:, 3:-9:-2]),
}


@pytest.mark.parametrize("case", SLICES)
def test_strided_slice(case):
    begin, end, strides, masks, index = SLICES[case]
    out_shape = np.zeros(S)[index].shape
    model = unary_model(
        "STRIDED_SLICE",
        S,
        out_shape,
        "StridedSliceOptions",
        [np.array(v, I32) for v in (begin, end, strides)],
        **masks,
    )
    names = ["strided_slice", *["reshape"] * (case == "shrink")]
    check_unary(model, lambda x: x[index], names, S)


def test_slice_with_minus_one_takes_the_rest():
    bounds = [np.array(v, I32) for v in ([0, 1, 2, 0], [1, 2, -1, 3])]
    model = unary_model("SLICE", S, (1, 2, 3, 3), "SliceOptions", bounds)
    check_unary(model, lambda x: x[:, 1:3, 2:], ["strided_slice"], S)


def positions(size, out, corners, half):
    """Where output coordinates lie in the input, before rounding."""
    scale = (size - 1) / (out - 1) if corners and out > 1 else size / out
    return (np.arange(out) + (0.5 if half else 0)) * scale - (0.5 if half else 0)


def nearest(size, out, corners, half):
    at = positions(size, out, corners, half) + (0.5 if corners or half else 0)
    return np.clip(np.floor(at + 1e-9).astype(int), 0, size - 1)


def linear(x, axis, out, corners, half):
    size = x.shape[axis]
    at = np.clip(positions(size, out, corners, half), 0, size - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, size - 1)
    shape = [-1 if i == axis else 1 for i in range(4)]
    part = (at - low).reshape(shape)
    return x.take(low, axis) * (1 - part) + x.take(high, axis) * part


@pytest.mark.parametrize(("corners", "half"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size", [(8, 10), (3, 4)])
def test_resize(corners, half, size):
    names = {"AlignCorners": corners, "HalfPixelCenters": half}
    constants = [np.array(size, I32)]
    shape = (1, *size, 3)
    model = unary_model(
        "RESIZE_NEAREST_NEIGHBOR", S, shape, "ResizeNearestNeighborOptions", constants, **names
    )
    rows, columns = (nearest(n, m, corners, half) for n, m in zip(S[1:3], size, strict=True))
    check_unary(model, lambda x: x[:, rows][:, :, columns], ["image.resize2d"], S)
    model = unary_model("RESIZE_BILINEAR", S, shape, "ResizeBilinearOptions", constants, **names)

    def expected(x):
        return linear(linear(x, 1, size[0], corners, half), 2, size[1], corners, half)

    check_unary(model, expected, ["image.resize2d"], S)


def test_uint8_edges_are_requantized():
    w = ModelWriter()
    before, after = Affine(0.05, 125), Affine(0.07, 133)
    x = w.tensor("x", (1, 4), "uint8", before)
    q, r = w.tensor("q", (1, 4), affine=IN), w.tensor("r", (1, 4), affine=OUT)
    y = w.tensor("y", (1, 4), "uint8", after)
    w.operator("QUANTIZE", [x], [q])
    w.operator("QUANTIZE", [q], [r])
    w.operator("QUANTIZE", [r], [y])
    module = from_tflite(w.finish([x], [y]))
    assert module["main"].params[0].ty.dtype == "uint8"
    data = np.array([[0, 120, 130, 255]], np.uint8)
    (result,) = run(module, data)
    assert result.dtype == np.uint8
    assert result.tolist() == [[44, 129, 137, 226]]


def test_float_edges_stay_float():
    w = ModelWriter()
    x, q = w.tensor("x", (1, 4), "float32"), w.tensor("q", (1, 4), affine=IN)
    y = w.tensor("y", (1, 4), "float32")
    w.operator("QUANTIZE", [x], [q])
    w.operator("DEQUANTIZE", [q], [y])
    module = from_tflite(w.finish([x], [y]))
    assert [v.op.name for v in values(module)] == ["relax.quantize", "relax.dequantize"]
    (result,) = run(module, np.array([[-9, 0.024, 0.026, 9]], np.float32))
    np.testing.assert_allclose(result, [[-6.25, 0, 0.05, 6.5]], atol=1e-6)


def test_tensor_names_are_kept_verbatim():
    w = ModelWriter()
    x = w.tensor("serving_default_in:0", (1, 4), affine=IN)
    names = ["model/a/Relu;model/a/BiasAdd", "StatefulPartitionedCall:0"]
    a, b = (w.tensor(name, (1, 4), affine=OUT) for name in names)
    w.operator("RELU", [x], [a])
    w.operator("ABS", [a], [b])
    main = from_tflite(w.finish([x], [b]))["main"]
    bound = [
        binding.var.name
        for binding in main.body.blocks[0].bindings
        if binding.value.op.name == "relax.quantize"
    ]
    assert [p.name for p in main.params] == ["serving_default_in:0"]
    assert bound == names
    assert main.attrs["num_input"] == 1
