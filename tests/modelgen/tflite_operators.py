"""One rule an operator: append it, with random legal parameters, to a growing TFLite graph.

Legal means what TensorFlow Lite Micro's kernels accept in their Prepare functions, and inside
the range where their 32-bit fixed-point arithmetic is defined (no signed overflow).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .draw import Draw, Quant
from .tflite_builder import Builder, Tensor

ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
# Fixed by the kernels: outputs lie in [0, 1) and [-1, 1).
UNIT_QUANT = Quant(1 / 256, -128)
SIGNED_UNIT_QUANT = Quant(1 / 128, 0)
# Above this no rule makes tensors larger, so that a model stays a matter of milliseconds.
LARGE = 2500
# Values times multiplier must stay below this for the doubling high multiply's left shift.
PRODUCT_LIMIT = 2.0**28


@dataclass
class Graph:
    """A model under construction: its builder, and the int8 tensors that rules may read."""

    draw: Draw
    builder: Builder = field(default_factory=Builder)
    pool: list[Tensor] = field(default_factory=list)

    def constant_like(self, shape: tuple[int, ...], quant: Quant) -> Tensor:
        data = self.draw.integers(shape, -128, 127, "int8")
        return self.builder.constant("constant", data, (quant.scale,), quant.zero_point)

    def new_input(self, shape: tuple[int, ...], quant: Quant) -> Tensor:
        """An int8 tensor fed by a model input of type int8, float32 or uint8."""
        kind = self.draw.integer(0, 9)
        if kind == 0:
            return self.builder.quantize(self.builder.input(shape, None, "float32"), quant)
        if kind == 1:
            outer = Quant(quant.scale, quant.zero_point + 128)
            return self.builder.quantize(self.builder.input(shape, outer, "uint8"), quant)
        return self.builder.input(shape, quant)

    def activation(self) -> str:
        return self.draw.choice(ACTIVATIONS)


Rule = Callable[[Graph, Tensor], list[Tensor]]
RULES: dict[str, Rule] = {}
RANKS: dict[str, tuple[int, ...]] = {}
ANY_RANK = (1, 2, 3, 4)


def rule(code: str, ranks: tuple[int, ...] = ANY_RANK) -> Callable[[Rule], Rule]:
    """Registers the rule of one operator for inputs of the given ranks."""

    def register(function: Rule) -> Rule:
        RULES[code] = function
        RANKS[code] = ranks
        return function

    return register


def applies(code: str, x: Tensor) -> bool:
    """Whether the operator's kernel takes a tensor of this shape."""
    # The softmax kernel aborts where a sum of exponentials, each at most one, reaches 512.
    return x.rank in RANKS[code] and not (code == "SOFTMAX" and x.shape[-1] >= 512)


# -- convolutions and products ----------------------------------------------------------------


def _parameters(
    graph: Graph, x: Tensor, shape: tuple[int, ...], axis: int, terms: int, per_tensor: float
) -> tuple[np.ndarray, list[float], np.ndarray | None, Quant]:
    """Weights int8 [shape], their scales, a bias int32 or None, and the output's quantization."""
    draw, channels = graph.draw, shape[axis]
    lowest = -128 if draw.chance(0.1) else -127
    weights = draw.integers(shape, lowest, 127, "int8")
    out = draw.quant()
    scale = draw.multiplier(terms) * out.scale / x.scales[0]
    scales = [scale * draw.uniform(0.5, 1.0) for _ in range(channels)]
    if draw.chance(per_tensor):
        scales = [scale]
    reach = draw.choice((0, int(5000 * terms**0.5), 128 * 255 * terms))
    bias = draw.integers((channels,), -reach, reach, "int32")
    return weights, scales, None if draw.chance(0.2) else bias, out


def _window(graph: Graph, x: Tensor) -> dict[str, object]:
    """Kernel, stride, dilation and padding that leave at least one output position."""
    draw = graph.draw
    kernel, stride, dilation = [], [], []
    padding = draw.choice(("SAME", "VALID"))
    for extent in x.shape[1:3]:
        size = draw.choice((1, 2, 3, 3, 5))
        step = draw.integer(1, 3) if draw.chance(0.2) else 1
        if padding == "VALID":
            size = min(size, extent)
            step = step if (size - 1) * step < extent else 1
        kernel.append(size)
        dilation.append(step)
        stride.append(draw.choice((1, 1, 2, 2, 3)))
    if dilation != [1, 1] and draw.chance(0.8):
        # Converters never emit both; kernels do not mind.
        stride = [1, 1]
    return {"kernel": tuple(kernel), "stride": tuple(stride), "dilation": tuple(dilation),
            "padding": padding}


@rule("CONV_2D", (4,))
def conv_2d(graph: Graph, x: Tensor) -> list[Tensor]:
    draw, window = graph.draw, _window(graph, x)
    groups = 1
    if draw.chance(0.15):
        groups = draw.choice([g for g in range(1, x.shape[3] + 1) if x.shape[3] % g == 0])
    kernel = window.pop("kernel")
    outputs = groups * draw.integer(1, 3) if groups > 1 else draw.channels()
    shape = (outputs, *kernel, x.shape[3] // groups)
    weights, scales, bias, out = _parameters(
        graph, x, shape, 0, int(np.prod(shape[1:])), per_tensor=0.15
    )
    return [graph.builder.conv2d(x, weights, scales, bias, out, activation=graph.activation(),
                                 **window)]


@rule("DEPTHWISE_CONV_2D", (4,))
def depthwise_conv_2d(graph: Graph, x: Tensor) -> list[Tensor]:
    window = _window(graph, x)
    kernel = window.pop("kernel")
    multiplier = graph.draw.choice((1, 1, 1, 2, 3)) if x.size < LARGE else 1
    shape = (1, *kernel, x.shape[3] * multiplier)
    weights, scales, bias, out = _parameters(
        graph, x, shape, 3, int(np.prod(kernel)), per_tensor=0.15
    )
    return [graph.builder.depthwise_conv2d(x, weights, scales, bias, out,
                                           activation=graph.activation(), **window)]


@rule("TRANSPOSE_CONV", (4,))
def transpose_conv(graph: Graph, x: Tensor) -> list[Tensor]:
    """The output extent is any whose forward convolution has the input's extent."""
    draw = graph.draw
    padding = draw.choice(("SAME", "VALID"))
    kernel, stride, extent = [], [], []
    for size in x.shape[1:3]:
        k = draw.integer(1, 4)
        s = draw.integer(1, 3) if size <= 6 and x.size < LARGE else 1
        o = draw.choice((s * size, draw.integer(s * (size - 1) + 1, s * size)))
        kernel.append(k)
        stride.append(s)
        extent.append(o if padding == "SAME" else o + k - 1)
    shape = (draw.channels(), *kernel, x.shape[3])
    weights, scales, bias, out = _parameters(
        graph, x, shape, 0, int(np.prod(shape[1:])), per_tensor=0.15
    )
    return [graph.builder.transpose_conv(
        x, weights, scales, bias, out, tuple(extent), stride=tuple(stride), padding=padding,
        activation=graph.activation())]


@rule("FULLY_CONNECTED", (2, 3, 4))
def fully_connected(graph: Graph, x: Tensor) -> list[Tensor]:
    draw = graph.draw
    flatten = draw.chance(0.6) and x.size // x.shape[0] <= LARGE
    terms = x.size // x.shape[0] if flatten else x.shape[-1]
    keep = terms == x.shape[-1] and draw.chance(0.5)
    weights, scales, bias, out = _parameters(
        graph, x, (draw.channels(), terms), 0, terms, per_tensor=0.75
    )
    return [graph.builder.fully_connected(x, weights, scales, bias, out, keep_num_dims=keep,
                                          activation=graph.activation())]


@rule("BATCH_MATMUL", (2, 3, 4))
def batch_matmul(graph: Graph, x: Tensor) -> list[Tensor]:
    """Times a constant, another input, or itself transposed."""
    draw = graph.draw
    adj_x, adj_y = draw.chance(0.3), draw.chance(0.4)
    terms = x.shape[-2 if adj_x else -1]
    if draw.chance(0.3):
        other, adj_y = x, not adj_x
    else:
        batch = tuple(d if draw.chance(0.6) else 1 for d in x.shape[:-2])
        columns = draw.integer(1, 9)
        shape = (*batch, columns, terms) if adj_y else (*batch, terms, columns)
        make = graph.constant_like if draw.chance(0.5) else graph.new_input
        other = make(shape, draw.quant())
    scale = x.scales[0] * other.scales[0]
    usual = draw.multiplier(terms)
    out = draw.quant_near(
        scale / usual, largest_multiplier=PRODUCT_LIMIT / (255 * 255 * terms * usual)
    )
    return [graph.builder.batch_matmul(x, other, out, adj_x=adj_x, adj_y=adj_y)]


# -- elementwise ------------------------------------------------------------------------------


def _operand(graph: Graph, x: Tensor, quant: Quant | None) -> Tensor:
    """A second operand that broadcasts with x; with the given quantization if there is one."""
    draw = graph.draw
    ready = [t for t in graph.pool if t.shape == x.shape and (quant is None or t.quant == quant)]
    if ready and draw.chance(0.6):
        return draw.choice(ready)
    shape = x.shape
    if draw.chance(0.4):
        shape = tuple(d if draw.chance(0.5) else 1 for d in x.shape)[draw.integer(0, x.rank - 1) :]
    make = graph.new_input if draw.chance(0.4) else graph.constant_like
    return make(shape, quant or draw.quant())


def _ordered(graph: Graph, x: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    return (other, x) if graph.draw.chance(0.3) else (x, other)


def _sum_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        a, b = _ordered(graph, x, _operand(graph, x, None))
        # The kernels work with 20 extra bits: twice the larger scale over the output's < 2**20.
        out = graph.draw.quant_near(max(a.scales[0], b.scales[0]), largest_multiplier=2.0**18)
        return [graph.builder.binary(code, a, b, out, activation=graph.activation())]

    return make


def _extremum_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        a, b = _ordered(graph, x, _operand(graph, x, x.quant))
        return [graph.builder.binary(code, a, b, x.quant)]

    return make


for _code in ("ADD", "SUB"):
    rule(_code)(_sum_rule(_code))
for _code in ("MAXIMUM", "MINIMUM"):
    rule(_code)(_extremum_rule(_code))


@rule("MUL")
def mul(graph: Graph, x: Tensor) -> list[Tensor]:
    a, b = _ordered(graph, x, _operand(graph, x, None))
    usual = graph.draw.log_uniform(0.005, 0.02)
    out = graph.draw.quant_near(
        a.scales[0] * b.scales[0] / usual,
        largest_multiplier=PRODUCT_LIMIT / (255 * 255 * usual),
    )
    return [graph.builder.binary("MUL", a, b, out, activation=graph.activation())]


@rule("RELU")
def relu(graph: Graph, x: Tensor) -> list[Tensor]:
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 255)
    return [graph.builder.unary("RELU", x, out)]


@rule("RELU6")
def relu6(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.unary("RELU6", x, x.quant)]


@rule("LEAKY_RELU")
def leaky_relu(graph: Graph, x: Tensor) -> list[Tensor]:
    alpha = graph.draw.choice((0.0, 0.01, 0.1, 0.2, 0.3, 1.0, graph.draw.uniform(0, 1.5)))
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 510)
    return [graph.builder.unary("LEAKY_RELU", x, out, alpha=alpha)]


@rule("PRELU")
def prelu(graph: Graph, x: Tensor) -> list[Tensor]:
    """One slope a channel, as converters write it ([1, 1, C]), or of any shape below x's."""
    draw = graph.draw
    shape = (1,) * max(x.rank - 2, 0) + (x.shape[-1],)
    if draw.chance(0.3):
        shape = tuple(d if draw.chance(0.5) else 1 for d in x.shape)
    alpha, quant = draw.integers(shape, -128, 127, "int8"), draw.quant()
    limit = min(PRODUCT_LIMIT / 255, PRODUCT_LIMIT / (255 * 255 * quant.scale))
    return [graph.builder.prelu(x, alpha, quant, draw.quant_near(x.scales[0],
                                                                 largest_multiplier=limit))]


@rule("HARD_SWISH")
def hard_swish(graph: Graph, x: Tensor) -> list[Tensor]:
    # The kernel wants input scale / 128 < output scale; and its last right shift, in 16 bits,
    # means nothing beyond 15.
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=64.0)
    scale = min(out.scale, 256.0 * x.scales[0])
    return [graph.builder.unary("HARD_SWISH", x, Quant(scale, out.zero_point))]


@rule("LOGISTIC")
def logistic(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.unary("LOGISTIC", x, UNIT_QUANT)]


@rule("TANH")
def tanh(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.unary("TANH", x, SIGNED_UNIT_QUANT)]


@rule("SOFTMAX")
def softmax(graph: Graph, x: Tensor) -> list[Tensor]:
    beta = graph.draw.choice((1.0, 1.0, 1.0, 0.5, 2.0))
    return [graph.builder.unary("SOFTMAX", x, UNIT_QUANT, beta=beta)]


@rule("QUANTIZE")
def quantize(graph: Graph, x: Tensor) -> list[Tensor]:
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 255)
    return [graph.builder.quantize(x, out)]


@rule("DEQUANTIZE")
def dequantize(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.dequantize(x)]


# -- reductions and pooling -------------------------------------------------------------------


def _pool_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        window = _window(graph, x)
        del window["dilation"]
        if graph.draw.chance(0.2):
            window = {"kernel": x.shape[1:3], "padding": "VALID"}
        return [graph.builder.pool(code, x, activation=graph.activation(), **window)]

    return make


for _code in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
    rule(_code, (4,))(_pool_rule(_code))


@rule("MEAN")
def mean(graph: Graph, x: Tensor) -> list[Tensor]:
    """Over height and width as after a convolution, or over any axes; some counted from the end."""
    draw = graph.draw
    axes = (1, 2) if x.rank == 4 and draw.chance(0.5) else draw.subset(x.rank)
    keep = len(axes) == x.rank or draw.chance(0.5)
    if draw.chance(0.3):
        axes = tuple(axis - x.rank for axis in axes)
    out = draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 512)
    return [graph.builder.mean(x, axes, out, keep_dims=keep)]


@rule("ARG_MAX", (2, 3, 4))
def arg_max(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.arg_max(x, graph.draw.integer(-x.rank, x.rank - 1))]


# -- moving data ------------------------------------------------------------------------------


def _pad_widths(graph: Graph, x: Tensor) -> np.ndarray:
    """Up to three a side; usually only of height and width."""
    draw = graph.draw
    widths = draw.integers((x.rank, 2), 0, 3 if x.size < LARGE else 1, "int32")
    if x.rank == 4 and draw.chance(0.7):
        widths[[0, 3]] = 0
    return widths


@rule("PAD")
def pad(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.pad(x, _pad_widths(graph, x))]


@rule("PADV2")
def pad_v2(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.pad(x, _pad_widths(graph, x), graph.draw.integer(-128, 127))]


@rule("RESHAPE")
def reshape(graph: Graph, x: Tensor) -> list[Tensor]:
    """To one to four random factors of the size; or only the batch kept; sometimes with a -1."""
    draw = graph.draw
    shape = [x.shape[0], x.size // x.shape[0]]
    if draw.chance(0.5):
        shape, rest = [], x.size
        for _ in range(draw.integer(0, 3)):
            shape.append(draw.choice([d for d in range(1, 13) if rest % d == 0]))
            rest //= shape[-1]
        shape.append(rest)
    request = list(shape)
    if draw.chance(0.3):
        request[draw.integer(0, len(request) - 1)] = -1
    return [graph.builder.reshape(x, request, as_tensor=draw.chance(0.8))]


@rule("SQUEEZE")
def squeeze(graph: Graph, x: Tensor) -> list[Tensor]:
    """Only where an axis of extent one exists; otherwise one is made first."""
    draw = graph.draw
    if 1 not in x.shape or x.size == 1:
        shape = (1, *x.shape) if x.rank < 4 else (1, x.shape[0] * x.shape[1], *x.shape[2:])
        x = graph.builder.reshape(x, (1, 1, 1, x.size) if x.size == 1 else shape)
    ones = [i for i, d in enumerate(x.shape) if d == 1]
    if x.size == 1 or draw.chance(0.6):
        axis = draw.choice(ones)
        return [graph.builder.squeeze(x, [axis - x.rank if draw.chance(0.3) else axis])]
    return [graph.builder.squeeze(x)]


@rule("EXPAND_DIMS", (1, 2, 3))
def expand_dims(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.expand_dims(x, graph.draw.integer(-x.rank - 1, x.rank))]


@rule("TRANSPOSE")
def transpose(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.transpose(x, graph.draw.permutation(x.rank))]


@rule("CONCATENATION")
def concatenation(graph: Graph, x: Tensor) -> list[Tensor]:
    """With itself, constants, and other tensors requantized to the same quantization."""
    draw, builder = graph.draw, graph.builder
    axis = draw.integer(0, x.rank - 1)

    def joins(t: Tensor) -> bool:
        return t.rank == x.rank and all(
            a == b for i, (a, b) in enumerate(zip(t.shape, x.shape, strict=True)) if i != axis
        )

    parts = [x]
    for _ in range(draw.integer(1, 3) if x.size < LARGE else 1):
        ready = [t for t in graph.pool if joins(t) and t.size < LARGE]
        if ready and draw.chance(0.6):
            part = draw.choice(ready)
            ratio = part.scales[0] / x.scales[0]
            if part.quant != x.quant and ratio < PRODUCT_LIMIT / 512:
                part = builder.quantize(part, x.quant)
            elif part.quant != x.quant:
                part = x
        else:
            shape = tuple(draw.integer(1, 5) if i == axis else d for i, d in enumerate(x.shape))
            part = graph.constant_like(shape, x.quant)
        parts.append(part)
    order = draw.permutation(len(parts))
    return [builder.concatenation([parts[i] for i in order],
                                  axis - x.rank if draw.chance(0.3) else axis)]


@rule("SPLIT")
def split(graph: Graph, x: Tensor) -> list[Tensor]:
    draw = graph.draw
    axis = draw.choice([i for i, d in enumerate(x.shape) if d > 1] or [0])
    counts = [n for n in range(2, 5) if x.shape[axis] % n == 0] or [1]
    return graph.builder.split(
        x, axis - x.rank if draw.chance(0.2) else axis, draw.choice(counts)
    )


@rule("STRIDED_SLICE")
def strided_slice(graph: Graph, x: Tensor) -> list[Tensor]:
    """Each axis whole, a range in either direction, or a single index that drops the axis."""
    draw = graph.draw
    begin, end, strides, shape = [], [], [], []
    masks = {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}
    for axis, extent in enumerate(x.shape):
        kind = draw.integer(0, 3)
        if kind == 0 and (shape or axis < x.rank - 1):
            index = draw.integer(-extent, extent - 1)
            masks["shrink_axis_mask"] |= 1 << axis
            begin.append(index)
            end.append(index + 1)
            strides.append(1)
            continue
        stride = draw.choice((1, 1, 2, 3, -1, -2))
        first, last = sorted((draw.integer(0, extent - 1), draw.integer(0, extent - 1)))
        stop = last + 1
        if stride < 0:
            # One before index 0 is written as one below -extent.
            first, stop = last, first - 1 if first else -extent - 1
        if kind == 1:
            masks["begin_mask"] |= 1 << axis
            first = 0 if stride > 0 else extent - 1
            stop = extent if stride > 0 else -extent - 1
            masks["end_mask"] |= draw.integer(0, 1) << axis
        real_stop = stop if stop >= 0 else -1
        shape.append(len(range(first, real_stop, stride)))
        begin.append(first - extent if draw.chance(0.2) else first)
        end.append(stop)
        strides.append(stride)
    return [graph.builder.strided_slice(x, begin, end, strides, shape, **masks)]


def _resize_rule(code: str) -> Rule:
    def make(graph: Graph, x: Tensor) -> list[Tensor]:
        draw = graph.draw
        mode = draw.choice(({}, {"align_corners": True}, {"half_pixel_centers": True}))
        extent = tuple(draw.choice((2 * d if d <= 6 and x.size < LARGE else d, draw.extent()))
                       for d in x.shape[1:3])
        return [graph.builder.resize(code, x, extent, **mode)]

    return make


for _code in ("RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR"):
    rule(_code, (4,))(_resize_rule(_code))
