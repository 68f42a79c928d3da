"""Random calls of small integer operators, one strategy a family."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from tvm import relax
from tvm.ir import Call

from tvm_tiny import ops

DIM = st.integers(1, 5)
POSITIVE = st.integers(1, 3)
SHAPE = st.lists(DIM, min_size=1, max_size=4)
IMAGE = st.tuples(DIM, DIM, DIM, DIM)

ZERO_POINTS = {"x_zp": 5, "y_zp": -2}
PAIR = {"a_zp": 1, "b_zp": 2, "y_zp": 3}
LIMITS = {"act_min": -128, "act_max": 127}
CHANNELS = {"shifts_left": 0, "rounding": "tflite"} | ZERO_POINTS | LIMITS
TENSOR = {"multiplier": 1 << 30, "shift": -8, "rounding": "tflite"}
TO_EVEN = {"headroom": 14, "rounding": "to_even"}
FLOAT32 = {"ratio": 0.01, "rounding": "float32"}
RESCALE = (("multiplier", 1 << 30), ("shift", -3))
SUM = {f"{tensor}_{k}": n for tensor in "aby" for k, n in RESCALE}
PRELU = {f"{tensor}{k}": n for tensor in ("", "alpha_") for k, n in RESCALE} | {"alpha_zp": 1}


def tensor(*shape: int, dtype: str = "int8") -> relax.Var:
    return relax.Var("x", relax.TensorType(shape, dtype))


def const(shape, dtype: str = "int8", fill: int | None = None):
    rng = np.random.default_rng(0)
    values = rng.integers(-100, 100, shape) if fill is None else np.full(shape, fill)
    return relax.const(values.astype(dtype))


def call(name: str, *args, **attrs) -> Call:
    return relax.BlockBuilder().normalize(ops.call(name, args, **attrs))


def channel_operands(outputs: int):
    return [const(outputs, "int32"), const(outputs, "int32", 1 << 30), const(outputs, "int32", -8)]


@st.composite
def windows(draw):
    """Input [N, H, W, C], window, and its attributes; none lies in the padding alone."""
    kernel = [draw(POSITIVE), draw(POSITIVE)]
    pads = [draw(st.integers(0, k - 1)) for k in kernel * 2]
    sizes = [draw(st.integers(k, k + 4)) for k in kernel]
    strides = [draw(POSITIVE), draw(POSITIVE)]
    shape = (draw(st.integers(1, 2)), *sizes, draw(DIM))
    return shape, kernel, {"strides": strides, "padding": pads}


@st.composite
def convolutions(draw):
    shape, kernel, attrs = draw(windows())
    # Padding such that a dilated kernel still fits.
    dilation = [draw(POSITIVE), draw(POSITIVE)]
    attrs["padding"] = [p + (d - 1) for p, d in zip(attrs["padding"], dilation * 2, strict=True)]
    groups = draw(st.sampled_from([1, shape[3]]))
    outputs = groups * draw(POSITIVE)
    operands = [const((outputs, *kernel, shape[3] // groups)), *channel_operands(outputs)]
    attrs |= {"dilation": dilation, "groups": groups} | CHANNELS
    return call("qconv2d", tensor(*shape), *operands, **attrs)


@st.composite
def transposed_convolutions(draw):
    shape, outputs = draw(IMAGE), draw(DIM)
    kernel, stride = [draw(POSITIVE), draw(POSITIVE)], draw(POSITIVE)
    size = [(n - 1) * stride + k for n, k in zip(shape[1:3], kernel, strict=True)]
    pads = [draw(st.integers(0, min(k, n) - 1)) for k, n in zip(kernel, size, strict=True)]
    result = [shape[0], size[0] - pads[0], size[1] - pads[1], outputs]
    operands = [const((outputs, *kernel, shape[3])), *channel_operands(outputs)]
    attrs = {"strides": [stride] * 2, "padding": [*pads, 0, 0], "shape": result} | CHANNELS
    return call("qconv2d_transpose", tensor(*shape), *operands, **attrs)


@st.composite
def pools(draw):
    shape, kernel, attrs = draw(windows())
    name = draw(st.sampled_from(["qavg_pool2d", "qmax_pool2d"]))
    return call(name, tensor(*shape), pool_size=kernel, **attrs, **LIMITS)


@st.composite
def dense_layers(draw):
    rows, inputs, outputs = draw(DIM), draw(DIM), draw(DIM)
    operands = [const((outputs, inputs)), *channel_operands(outputs)]
    return call("qdense", tensor(rows, inputs), *operands, **CHANNELS)


@st.composite
def matrix_products(draw):
    batch, m, k, n = draw(IMAGE)
    other = draw(st.sampled_from([1, batch]))
    a, b = tensor(batch, m, k), tensor(other, k, n)
    bias = const((draw(st.sampled_from([1, n])),), "int32")
    return call("qbatch_matmul", a, b, bias, **PAIR, **LIMITS, **TENSOR)


@st.composite
def pairs(draw):
    """Operators of two tensors of which one may be broadcast."""
    shape = draw(SHAPE)
    x, y = tensor(*shape), tensor(*(draw(st.sampled_from([1, d])) for d in shape))
    name, attrs = draw(
        st.sampled_from(
            [
                ("qadd", PAIR | LIMITS | SUM),
                ("qmultiply", PAIR | LIMITS | TENSOR | {"headroom": 0}),
                ("qmultiply", PAIR | LIMITS | TENSOR | TO_EVEN),
                ("qmultiply", PAIR | LIMITS | TENSOR | FLOAT32 | {"headroom": 0}),
                ("qmaximum", LIMITS),
            ]
        )
    )
    return call(name, *draw(st.permutations([x, y])), **attrs)


@st.composite
def unary(draw):
    """Operators of one tensor, to elements of one and of four bytes."""
    shape = draw(SHAPE)
    x, real = tensor(*shape), tensor(*shape, dtype="float32")
    scale = {"scale": 0.5, "zero_point": 1}
    made = {
        "copy": lambda: call("copy", x, dtype="int8"),
        "lut": lambda: call("lut", x, const(256)),
        "float lut": lambda: call("lut", x, const(256, "float32")),
        "quantize": lambda: call("quantize", real, **scale, rounding="tflite"),
        "to even": lambda: call("quantize", real, **scale, rounding="float32"),
        "dequantize": lambda: call("dequantize", x, **scale),
    }
    return made[draw(st.sampled_from(sorted(made)))]()


@st.composite
def pads_and_slices(draw):
    shape = draw(SHAPE)
    if draw(st.booleans()):
        before, after = ([draw(st.integers(0, 2)) for _ in shape] for _ in range(2))
        padded = [sum(dims) for dims in zip(shape, before, after, strict=True)]
        return call("pad", tensor(*shape), before=before, value=3, shape=padded)
    strides = [draw(st.sampled_from([-2, -1, 1, 2])) for _ in shape]
    begin = [0 if s > 0 else d - 1 for s, d in zip(strides, shape, strict=True)]
    sliced = [-(-d // abs(s)) for s, d in zip(strides, shape, strict=True)]
    return call("strided_slice", tensor(*shape), begin=begin, strides=strides, shape=sliced)


@st.composite
def transposes_and_concatenations(draw):
    shape = draw(SHAPE)
    if draw(st.booleans()):
        return call("transpose", tensor(*shape), axes=draw(st.permutations(range(len(shape)))))
    axis = draw(st.integers(0, len(shape) - 1))
    parts = [tensor(*shape[:axis], draw(DIM), *shape[axis + 1 :]) for _ in range(3)]
    return call("concat", *parts, axis=axis)


@st.composite
def resizes(draw):
    shape = draw(IMAGE)
    taps = draw(st.sampled_from([1, 4]))
    sources = (st.lists(st.integers(0, n - 1), min_size=taps, max_size=taps) for n in shape[1:3])
    tables = [draw(st.lists(source, min_size=1, max_size=5)) for source in sources]
    heights, widths = (np.array(table, "int32") for table in tables)
    if taps == 4:
        return call("resize_bilinear", tensor(*shape), relax.const(heights), relax.const(widths))
    lines, columns = (relax.const(table.reshape(-1)) for table in (heights, widths))
    return call("resize_nearest", tensor(*shape), lines, columns)


@st.composite
def means(draw):
    shape = draw(st.lists(DIM, min_size=2, max_size=4))
    first = draw(st.integers(0, len(shape) - 1))
    axes = list(range(first, draw(st.integers(first, len(shape) - 1)) + 1))
    kept = [d for k, d in enumerate(shape) if k not in axes]
    return call("qmean", tensor(*shape), axes=axes, shape=kept, **ZERO_POINTS, **TENSOR)


@st.composite
def sums(draw):
    """The accumulator and an operator that reads its four-byte sums."""
    if draw(st.booleans()):
        return call("row_sums", tensor(1, *(draw(DIM) for _ in range(3))))
    shape = [1, 1, 1, draw(DIM)]
    x = tensor(*shape, dtype="int32")
    return call("qmean_of_sums", x, count=6, shape=shape, **ZERO_POINTS, **TENSOR)


@st.composite
def softmaxes(draw):
    operands = tensor(*draw(SHAPE)), const(256, "int32", 1 << 30)
    if draw(st.booleans()):
        return call("qsoftmax", *operands)
    return call("qsoftmax_rescaled", *operands, multiplier=1 << 30, exponent=9, y_zp=-5)


@st.composite
def argmaxes(draw):
    shape = draw(st.lists(DIM, min_size=2, max_size=4))
    axis = draw(st.integers(0, len(shape) - 1))
    shape[axis] += 1  # of one element nothing is read
    kept = [d for k, d in enumerate(shape) if k != axis]
    return call("argmax", tensor(*shape), axis=axis, shape=kept, dtype="int32")


@st.composite
def parametric_relus(draw):
    shape = draw(SHAPE)
    alpha = tensor(*(draw(st.sampled_from([1, d])) for d in shape))
    if draw(st.booleans()):
        return call("qprelu", tensor(*shape), alpha, **ZERO_POINTS, **PRELU)
    slopes = const([int(d) for d in alpha.ty.shape], "float32")
    return call("qprelu_float32", tensor(*shape), slopes, **ZERO_POINTS, x_scale=0.5, y_scale=0.25)


EXACT = {
    "convolution": convolutions(),
    "transposed convolution": transposed_convolutions(),
    "pooling": pools(),
    "product": dense_layers() | matrix_products(),
    "elementwise": pairs() | unary(),
    "movement": pads_and_slices() | transposes_and_concatenations(),
    "resizing": resizes(),
    "reduction": means() | sums() | softmaxes(),
}

# What these read depends on the elements.
DATA_DEPENDENT = argmaxes() | parametric_relus()
