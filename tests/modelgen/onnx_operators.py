"""One rule an operator: append it, quantized, to a growing ONNX graph (NCHW).

QDQ rules wrap the float operator in DequantizeLinear / QuantizeLinear pairs as onnxruntime's
quantizer does; QLinear rules write the integer operator itself (ai.onnx or com.microsoft).
Scales and zero points are realistic: ONNX runtimes requantize in float, so that extreme ones
compare roundings instead of operators. `rule` names say what is generated; most are ONNX names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .draw import USUAL_SCALE, Draw, Quant

MICROSOFT = "com.microsoft"
LARGE = 2500
UNIT_QUANT = Quant(1 / 256, -128)
SIGNED_UNIT_QUANT = Quant(1 / 128, 0)


@dataclass(frozen=True)
class Value:
    """A quantized tensor; the zero point counts in int8, whatever the graph stores."""

    name: str
    shape: tuple[int, ...]
    quant: Quant

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Graph:
    """A model under construction; `dtype` (int8 or uint8) is that of all activations."""

    draw: Draw
    dtype: str = "int8"
    opset: int = 13
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    pool: list[Value] = field(default_factory=list)
    written: list[Value] = field(default_factory=list)
    domains: set[str] = field(default_factory=set)

    def fresh(self, stem: str) -> str:
        return f"/{stem}_{len(self.nodes)}_{len(self.constants)}"

    def constant(self, stem: str, array: np.ndarray) -> str:
        name = self.fresh(stem)
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(
        self, op: str, inputs: Sequence[str], *, outputs: int = 1, domain: str = "", **attrs: Any
    ) -> list[str]:
        """Appends a node; gives the names of its outputs."""
        names = [f"{self.fresh(op)}/out{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, names[0], domain=domain,
                                           **attrs))
        self.domains.add(domain)
        return names

    def stored(self, codes: np.ndarray) -> np.ndarray:
        """int8 codes as the graph's activations store them."""
        if self.dtype == "int8":
            return codes.astype("int8")
        return (codes.astype("int16") + 128).astype("uint8")

    def parameters(self, quant: Quant) -> list[str]:
        """Constants of an activation's scale and zero point."""
        return [self.constant("scale", np.float32(quant.scale)),
                self.constant("zero_point", self.stored(np.asarray(quant.zero_point)))]

    def quantize(self, name: str, shape: Sequence[int], quant: Quant) -> Value:
        (out,) = self.node("QuantizeLinear", [name, *self.parameters(quant)])
        return self.record(out, shape, quant)

    def record(self, name: str, shape: Sequence[int], quant: Quant) -> Value:
        """A quantized tensor that some node has written."""
        self.written.append(Value(name, tuple(int(d) for d in shape), quant))
        return self.written[-1]

    def dequantize(self, value: Value) -> str:
        return self.node("DequantizeLinear", [value.name, *self.parameters(value.quant)])[0]

    def dequantized_constant(
        self, stem: str, codes: np.ndarray, scale: np.ndarray, axis: int = 0
    ) -> str:
        """DequantizeLinear of symmetric weights or a bias; `scale` is a scalar or has one axis."""
        scale = np.asarray(scale, "float32")
        if codes.dtype == np.int8 and scale.ndim == 0 and self.dtype == "uint8":
            codes, zero = (codes.astype("int16") + 128).astype("uint8"), np.uint8(128)
        else:
            zero = np.zeros(scale.shape, codes.dtype)
        names = [self.constant(stem, codes), self.constant("scale", scale),
                 self.constant("zero_point", zero)]
        return self.node("DequantizeLinear", names, **({"axis": axis} if scale.ndim else {}))[0]

    def quant(self) -> Quant:
        return Quant(self.draw.log_uniform(*USUAL_SCALE), self.draw.zero_point())

    def quant_near(self, scale: float) -> Quant:
        # Chains of products must not drift to ranges no network has.
        usual = min(scale * self.draw.log_uniform(0.5, 2.0), 2.0)
        return Quant(usual, self.draw.zero_point())

    def new_input(self, shape: tuple[int, ...], quant: Quant) -> Value:
        """A float input and its QuantizeLinear, or an input that is already quantized."""
        name = f"input.{len(self.inputs)}"
        if self.draw.chance(0.7):
            self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            return self.quantize(name, shape, quant)
        kind = TensorProto.INT8 if self.dtype == "int8" else TensorProto.UINT8
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return Value(name, shape, quant)

    def constant_value(self, shape: tuple[int, ...]) -> Value:
        codes = self.draw.integers(shape, -128, 127, "int8")
        return Value(self.constant("constant", self.stored(codes)), shape, self.quant())

    def activation(self, name: str) -> str:
        """A Relu or Clip between the operator and its QuantizeLinear, or neither."""
        kind = self.draw.integer(0, 4)
        if kind == 0:
            return self.node("Relu", [name])[0]
        if kind == 1:
            limits = self.draw.choice(((0.0, 6.0), (-1.0, 1.0)))
            low, high = (self.constant("limit", np.float32(v)) for v in limits)
            return self.node("Clip", [name, low, high])[0]
        return name


Rule = Callable[[Graph, Value], list[Value]]
RULES: dict[str, Rule] = {}
RANKS: dict[str, tuple[int, ...]] = {}
ANY_RANK = (2, 3, 4)


def rule(name: str, ranks: tuple[int, ...] = ANY_RANK) -> Callable[[Rule], Rule]:
    """Registers a rule for inputs of the given ranks."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        RANKS[name] = ranks
        return function

    return register


def _simple(
    graph: Graph, op: str, x: Value, quant: Quant, shape: Sequence[int] | None = None,
    extra: Sequence[str] = (), **attrs: Any,
) -> list[Value]:
    """One float operator between dequantized x (and constants) and a QuantizeLinear."""
    (name,) = graph.node(op, [graph.dequantize(x), *extra], **attrs)
    return [graph.quantize(name, x.shape if shape is None else shape, quant)]


def _ints(graph: Graph, stem: str, values: Sequence[int]) -> str:
    return graph.constant(stem, np.asarray(values, "int64"))


# -- convolutions and products ----------------------------------------------------------------


def _weights(
    graph: Graph, x: Value, shape: tuple[int, ...], axis: int, terms: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, Quant]:
    """Weights int8, their scale (scalar or per channel), bias int32 or None, output's quant."""
    draw, channels = graph.draw, shape[axis]
    weights = draw.integers(shape, -127, 127, "int8")
    out = graph.quant()
    scale = draw.log_uniform(0.3, 3.0) / (74 * terms**0.5) * out.scale / x.quant.scale
    scales = np.float32(scale)
    if draw.chance(0.6):
        scales = np.asarray([scale * draw.uniform(0.5, 1.0) for _ in range(channels)], "float32")
    reach = int(5000 * terms**0.5)
    bias = draw.integers((channels,), -reach, reach, "int32")
    return weights, scales, None if draw.chance(0.2) else bias, out


def _bias_scale(x: Value, scales: np.ndarray) -> np.ndarray:
    return np.float32(x.quant.scale) * np.asarray(scales, "float32")


def _window(graph: Graph, x: Value, *, dilate: bool = True) -> tuple[dict[str, Any], list[int]]:
    """Attributes of a window that fits, and the output's extents."""
    draw = graph.draw
    kernel, strides, dilations, begin, end, extents = [], [], [], [], [], []
    automatic = draw.choice(("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"))
    for extent in x.shape[2:]:
        size, step = draw.choice((1, 2, 3, 3, 5)), 1
        if dilate and not automatic.startswith("SAME") and draw.chance(0.15):
            step = 2  # onnxruntime refuses it with SAME
        covered = (size - 1) * step + 1
        if covered > extent:
            size, step, covered = 1, 1, 1
        stride = draw.choice((1, 1, 2, 3))
        before, after = (draw.integer(0, size // 2) for _ in range(2))
        padded = extent + (before + after if automatic == "NOTSET" else 0)
        same = automatic.startswith("SAME")
        if same and not dilate:
            stride = min(stride, size)  # onnxruntime's pooling would pad by less than nothing
        extents.append(-(-extent // stride) if same else (padded - covered) // stride + 1)
        kernel.append(size)
        strides.append(stride)
        dilations.append(step)
        begin.append(before)
        end.append(after)
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    if dilate:
        attrs["dilations"] = dilations
    if automatic == "NOTSET":
        attrs["pads"] = begin + end
    else:
        attrs["auto_pad"] = automatic
    return attrs, extents


def _conv_parts(graph: Graph, x: Value, groups: int, outputs: int) -> tuple[Any, ...]:
    attrs, extents = _window(graph, x)
    shape = (outputs, x.shape[1] // groups, *attrs["kernel_shape"])
    terms = int(np.prod(shape[1:]))
    return ({**attrs, "group": groups}, (x.shape[0], outputs, *extents),
            *_weights(graph, x, shape, 0, terms))


def _conv(graph: Graph, x: Value, groups: int, outputs: int) -> list[Value]:
    attrs, shape, weights, scales, bias, out = _conv_parts(graph, x, groups, outputs)
    inputs = [graph.dequantize(x), graph.dequantized_constant("weight", weights, scales)]
    if bias is not None:
        inputs.append(graph.dequantized_constant("bias", bias, _bias_scale(x, scales)))
    (name,) = graph.node("Conv", inputs, **attrs)
    return [graph.quantize(graph.activation(name), shape, out)]


@rule("Conv", (4,))
def conv(graph: Graph, x: Value) -> list[Value]:
    groups = 1
    if graph.draw.chance(0.15):
        groups = graph.draw.choice([g for g in range(1, x.shape[1] + 1) if x.shape[1] % g == 0])
    outputs = groups * graph.draw.integer(1, 3) if groups > 1 else graph.draw.channels()
    return _conv(graph, x, groups, outputs)


@rule("DepthwiseConv", (4,))
def depthwise_conv(graph: Graph, x: Value) -> list[Value]:
    multiplier = graph.draw.choice((1, 1, 1, 2)) if x.size < LARGE else 1
    return _conv(graph, x, x.shape[1], x.shape[1] * multiplier)


@rule("QLinearConv", (4,))
def qlinear_conv(graph: Graph, x: Value) -> list[Value]:
    groups = x.shape[1] if graph.draw.chance(0.3) else 1
    outputs = x.shape[1] if groups > 1 else graph.draw.channels()
    attrs, shape, weights, scales, bias, out = _conv_parts(graph, x, groups, outputs)
    inputs = [x.name, *graph.parameters(x.quant), graph.constant("weight", weights),
              graph.constant("scale", scales),
              graph.constant("zero_point", np.zeros(scales.shape, "int8")),
              *graph.parameters(out)]
    if bias is not None:
        inputs.append(graph.constant("bias", bias))
    (name,) = graph.node("QLinearConv", inputs, **attrs)
    return [graph.record(name, shape, out)]


@rule("ConvTranspose", (4,))
def conv_transpose(graph: Graph, x: Value) -> list[Value]:
    draw = graph.draw
    kernel, strides, begin, end, extra, extents = [], [], [], [], [], []
    for extent in x.shape[2:]:
        size = draw.integer(1, 4)
        stride = draw.integer(1, 2) if extent <= 6 and x.size < LARGE else 1
        full = stride * (extent - 1) + size
        before = draw.integer(0, min(size - 1, full - 1) // 2)
        after = draw.integer(0, min(size - 1, full - 1) // 2)
        more = draw.integer(0, stride - 1)
        kernel.append(size)
        strides.append(stride)
        begin.append(before)
        end.append(after)
        extra.append(more)
        extents.append(full - before - after + more)
    outputs = draw.channels()
    shape = (x.shape[1], outputs, *kernel)
    weights, scales, bias, out = _weights(graph, x, shape, 1, x.shape[1] * int(np.prod(kernel)))
    inputs = [graph.dequantize(x), graph.dequantized_constant("weight", weights, scales, axis=1)]
    if bias is not None:
        inputs.append(graph.dequantized_constant("bias", bias, _bias_scale(x, scales)))
    (name,) = graph.node("ConvTranspose", inputs, kernel_shape=kernel, strides=strides,
                         pads=begin + end, output_padding=extra)
    return [graph.quantize(graph.activation(name), (x.shape[0], outputs, *extents), out)]


@rule("Gemm", (2,))
def gemm(graph: Graph, x: Value) -> list[Value]:
    transposed, terms, outputs = graph.draw.chance(0.7), x.shape[1], graph.draw.channels()
    shape, axis = ((outputs, terms), 0) if transposed else ((terms, outputs), 1)
    weights, scales, bias, out = _weights(graph, x, shape, axis, terms)
    inputs = [graph.dequantize(x), graph.dequantized_constant("weight", weights, scales, axis)]
    if bias is not None:
        inputs.append(graph.dequantized_constant("bias", bias, _bias_scale(x, scales)))
    (name,) = graph.node("Gemm", inputs, transB=int(transposed))
    return [graph.quantize(graph.activation(name), (x.shape[0], outputs), out)]


@rule("MatMul")
def matmul(graph: Graph, x: Value) -> list[Value]:
    """By constant weights [K, N], or by another activation."""
    draw, terms = graph.draw, x.shape[-1]
    shape = (terms, draw.channels())
    if draw.chance(0.6):
        weights, scales, _, out = _weights(graph, x, shape, 1, terms)
        other = graph.dequantized_constant("weight", weights, scales, axis=1)
    else:
        value = graph.new_input((*x.shape[:-2], *shape), graph.quant())
        other = graph.dequantize(value)
        out = graph.quant_near(x.quant.scale * value.quant.scale * 74 * terms**0.5)
    (name,) = graph.node("MatMul", [graph.dequantize(x), other])
    return [graph.quantize(name, (*x.shape[:-1], shape[1]), out)]


@rule("QLinearMatMul")
def qlinear_matmul(graph: Graph, x: Value) -> list[Value]:
    terms = x.shape[-1]
    shape = (terms, graph.draw.channels())
    weights, scales, _, out = _weights(graph, x, shape, 1, terms)
    scales = np.float32(np.max(scales))
    stored, zero = weights, np.int8(0)
    if graph.dtype == "uint8" and graph.draw.chance(0.5):
        stored, zero = (weights.astype("int16") + 128).astype("uint8"), np.uint8(128)
    inputs = [x.name, *graph.parameters(x.quant), graph.constant("weight", stored),
              graph.constant("scale", scales), graph.constant("zero_point", zero),
              *graph.parameters(out)]
    (name,) = graph.node("QLinearMatMul", inputs)
    return [graph.record(name, (*x.shape[:-1], shape[1]), out)]


# -- elementwise ------------------------------------------------------------------------------


def _operand(graph: Graph, x: Value) -> Value:
    ready = [v for v in graph.pool if v.shape == x.shape]
    if ready and graph.draw.chance(0.6):
        return graph.draw.choice(ready)
    shape = x.shape
    if graph.draw.chance(0.4):
        shape = tuple(d if graph.draw.chance(0.5) else 1 for d in x.shape)
    if graph.draw.chance(0.4):
        return graph.new_input(shape, graph.quant())
    return graph.constant_value(shape)


def _binary_quant(graph: Graph, op: str, a: Value, b: Value) -> Quant:
    if "Mul" in op:
        return graph.quant_near(a.quant.scale * b.quant.scale * 100)
    return graph.quant_near(max(a.quant.scale, b.quant.scale))


def _binary_rule(op: str) -> Rule:
    def make(graph: Graph, x: Value) -> list[Value]:
        other = _operand(graph, x)
        pair = (other, x) if graph.draw.chance(0.3) else (x, other)
        (name,) = graph.node(op, [graph.dequantize(v) for v in pair])
        if op in ("Add", "Sub", "Mul"):
            name = graph.activation(name)
        return [graph.quantize(name, x.shape, _binary_quant(graph, op, x, other))]

    return make


def _qlinear_binary_rule(op: str) -> Rule:
    def make(graph: Graph, x: Value) -> list[Value]:
        other = _operand(graph, x)
        out = _binary_quant(graph, op, x, other)
        inputs = [x.name, *graph.parameters(x.quant), other.name,
                  *graph.parameters(other.quant), *graph.parameters(out)]
        (name,) = graph.node(op, inputs, domain=MICROSOFT)
        return [graph.record(name, x.shape, out)]

    return make


for _op in ("Add", "Sub", "Mul", "Max", "Min"):
    rule(_op)(_binary_rule(_op))
for _op in ("QLinearAdd", "QLinearMul"):
    rule(_op)(_qlinear_binary_rule(_op))


@rule("Relu")
def relu(graph: Graph, x: Value) -> list[Value]:
    return _simple(graph, "Relu", x, graph.quant_near(x.quant.scale))


@rule("Clip")
def clip(graph: Graph, x: Value) -> list[Value]:
    limits = graph.draw.choice(((0.0, 6.0), (-1.0, 1.0), (0.0, 1.0)))
    names = [graph.constant("limit", np.float32(v)) for v in limits]
    return _simple(graph, "Clip", x, graph.quant_near(x.quant.scale), extra=names)


@rule("LeakyRelu")
def leaky_relu(graph: Graph, x: Value) -> list[Value]:
    alpha = graph.draw.choice((0.01, 0.1, 0.3))
    return _simple(graph, "LeakyRelu", x, graph.quant_near(x.quant.scale), alpha=alpha)


@rule("QLinearLeakyRelu")
def qlinear_leaky_relu(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale)
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(out)]
    (name,) = graph.node("QLinearLeakyRelu", inputs, domain=MICROSOFT, alpha=0.1)
    return [graph.record(name, x.shape, out)]


@rule("PRelu", (4,))
def prelu(graph: Graph, x: Value) -> list[Value]:
    slope = graph.dequantized_constant(
        "slope", graph.draw.integers((x.shape[1], 1, 1), -127, 127, "int8"), np.float32(0.003)
    )
    return _simple(graph, "PRelu", x, graph.quant_near(x.quant.scale), extra=[slope])


@rule("HardSwish")
def hard_swish(graph: Graph, x: Value) -> list[Value]:
    graph.opset = max(graph.opset, 14)
    return _simple(graph, "HardSwish", x, graph.quant_near(x.quant.scale))


@rule("Sigmoid")
def sigmoid(graph: Graph, x: Value) -> list[Value]:
    return _simple(graph, "Sigmoid", x, UNIT_QUANT)


@rule("QLinearSigmoid")
def qlinear_sigmoid(graph: Graph, x: Value) -> list[Value]:
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(UNIT_QUANT)]
    (name,) = graph.node("QLinearSigmoid", inputs, domain=MICROSOFT)
    return [graph.record(name, x.shape, UNIT_QUANT)]


@rule("Tanh")
def tanh(graph: Graph, x: Value) -> list[Value]:
    return _simple(graph, "Tanh", x, SIGNED_UNIT_QUANT)


@rule("Softmax")
def softmax(graph: Graph, x: Value) -> list[Value]:
    return _simple(graph, "Softmax", x, UNIT_QUANT, axis=-1)


# -- reductions and pooling -------------------------------------------------------------------


@rule("MaxPool", (4,))
def max_pool(graph: Graph, x: Value) -> list[Value]:
    attrs, extents = _window(graph, x, dilate=False)
    return _simple(graph, "MaxPool", x, x.quant, (*x.shape[:2], *extents), **attrs)


@rule("AveragePool", (4,))
def average_pool(graph: Graph, x: Value) -> list[Value]:
    attrs, extents = _window(graph, x, dilate=False)
    out = graph.quant_near(x.quant.scale) if graph.draw.chance(0.3) else x.quant
    return _simple(graph, "AveragePool", x, out, (*x.shape[:2], *extents),
                   count_include_pad=graph.draw.choice((0, 0, 0, 1)), **attrs)


@rule("GlobalAveragePool", (4,))
def global_average_pool(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale / 2)
    return _simple(graph, "GlobalAveragePool", x, out, (*x.shape[:2], 1, 1))


@rule("QLinearGlobalAveragePool", (4,))
def qlinear_global_average_pool(graph: Graph, x: Value) -> list[Value]:
    out = graph.quant_near(x.quant.scale / 2)
    inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(out)]
    (name,) = graph.node("QLinearGlobalAveragePool", inputs, domain=MICROSOFT, channels_last=0)
    return [graph.record(name, (*x.shape[:2], 1, 1), out)]


@rule("ReduceMean", (3, 4))
def reduce_mean(graph: Graph, x: Value) -> list[Value]:
    rank, keep = len(x.shape), graph.draw.choice((0, 1))
    axes = [-2, -1] if rank == 4 else [graph.draw.integer(1, 2)]
    gone = {axis % rank for axis in axes}
    shape = [1 if i in gone else d for i, d in enumerate(x.shape) if keep or i not in gone]
    out = graph.quant_near(x.quant.scale / 2)
    return _simple(graph, "ReduceMean", x, out, shape, axes=axes, keepdims=keep)


# -- moving data ------------------------------------------------------------------------------


@rule("Concat")
def concat(graph: Graph, x: Value) -> list[Value]:
    """Parts of one quantization, or, as quantizers also write it, each with its own."""
    axis = graph.draw.integer(1, len(x.shape) - 1)
    parts = [x, x] if graph.draw.chance(0.5) and x.size < LARGE else [x]
    shape = tuple(graph.draw.integer(1, 5) if i == axis else d for i, d in enumerate(x.shape))
    parts.append(graph.constant_value(shape))
    total = sum(part.shape[axis] for part in parts)
    out = graph.quant_near(x.quant.scale) if graph.draw.chance(0.5) else x.quant
    (name,) = graph.node("Concat", [graph.dequantize(part) for part in parts], axis=axis)
    shape = tuple(total if i == axis else d for i, d in enumerate(x.shape))
    return [graph.quantize(name, shape, out)]


@rule("Split")
def split(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(1, len(x.shape) - 1)
    first = graph.draw.integer(1, max(x.shape[axis] - 1, 1))
    sizes = [first, x.shape[axis] - first] if x.shape[axis] > 1 else [1]
    names = graph.node("Split", [graph.dequantize(x), _ints(graph, "split", sizes)],
                       outputs=len(sizes), axis=axis)
    return [graph.quantize(name, [size if i == axis else d for i, d in enumerate(x.shape)], x.quant)
            for name, size in zip(names, sizes, strict=True)]


@rule("Slice")
def slice_(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(1, len(x.shape) - 1)
    extent = x.shape[axis]
    step = graph.draw.choice((1, 1, 2, 3))
    low, high = sorted((graph.draw.integer(0, extent - 1), graph.draw.integer(0, extent - 1)))
    stop = graph.draw.choice((high + 1, 2**31 - 1))
    count = len(range(low, min(stop, extent), step))
    names = [_ints(graph, s, [v]) for s, v in
             (("starts", low), ("ends", stop), ("axes", axis), ("steps", step))]
    shape = [count if i == axis else d for i, d in enumerate(x.shape)]
    return _simple(graph, "Slice", x, x.quant, shape, names)


@rule("Pad", (4,))
def pad(graph: Graph, x: Value) -> list[Value]:
    widths = [0, 0, *(graph.draw.integer(0, 2) for _ in range(2))] * 2
    widths[6:] = [graph.draw.integer(0, 2) for _ in range(2)]
    shape = [d + widths[i] + widths[i + 4] for i, d in enumerate(x.shape)]
    names = [_ints(graph, "pads", widths)]
    if graph.draw.chance(0.5):
        names.append(graph.constant("value", np.float32(0)))
    return _simple(graph, "Pad", x, x.quant, shape, names, mode="constant")


@rule("Reshape")
def reshape(graph: Graph, x: Value) -> list[Value]:
    request = graph.draw.choice(([0, -1], [x.shape[0], x.size // x.shape[0]], [0, 1, -1]))
    shape = (x.shape[0], x.size // x.shape[0])
    shape = shape if len(request) == 2 else (shape[0], 1, shape[1])
    return _simple(graph, "Reshape", x, x.quant, shape, [_ints(graph, "shape", request)])


@rule("Flatten")
def flatten(graph: Graph, x: Value) -> list[Value]:
    shape = (x.shape[0], x.size // x.shape[0])
    return _simple(graph, "Flatten", x, x.quant, shape, axis=1)


@rule("Squeeze", (4,))
def squeeze(graph: Graph, x: Value) -> list[Value]:
    """After a global pooling, as classifiers have it."""
    (pooled,) = global_average_pool(graph, x)
    return _simple(graph, "Squeeze", pooled, pooled.quant, pooled.shape[:2],
                   [_ints(graph, "axes", [2, 3])])


@rule("Unsqueeze", (2, 3))
def unsqueeze(graph: Graph, x: Value) -> list[Value]:
    axis = graph.draw.integer(1, len(x.shape))
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    return _simple(graph, "Unsqueeze", x, x.quant, shape, [_ints(graph, "axes", [axis])])


@rule("Transpose")
def transpose(graph: Graph, x: Value) -> list[Value]:
    order = (0, *(i + 1 for i in graph.draw.permutation(len(x.shape) - 1)))
    return _simple(graph, "Transpose", x, x.quant, [x.shape[i] for i in order], perm=order)


@rule("Resize", (4,))
def resize(graph: Graph, x: Value) -> list[Value]:
    """By a whole factor (scales) or to any extent (sizes)."""
    draw = graph.draw
    mode = draw.choice(("nearest", "linear"))
    coordinates = draw.choice(("asymmetric", "half_pixel", "align_corners"))
    attrs = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attrs["nearest_mode"] = "floor" if coordinates == "asymmetric" else "round_prefer_floor"
    factor = 2 if max(x.shape[2:]) <= 6 and x.size < LARGE else 1
    if draw.chance(0.5):
        extents = [d * factor for d in x.shape[2:]]
        extra = ["", graph.constant("scales", np.asarray([1, 1, factor, factor], "float32"))]
    else:
        extents = [draw.extent() for _ in range(2)]
        extra = ["", "", _ints(graph, "sizes", [*x.shape[:2], *extents])]
    return _simple(graph, "Resize", x, x.quant, (*x.shape[:2], *extents), extra, **attrs)
