"""Models of one entry of `supported-ops`: alone, behind a convolution, in front of one.

    data = listed_model(Entry("onnx", "Tanh", rank=3, dtype="uint8", place="behind"), seed=0)

Generators are those of the random models, and for what these leave out the rules here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from modelgen import onnx_operators, random_onnx, random_tflite, tflite_operators
from modelgen.draw import Draw, Quant
from modelgen.onnx_operators.rules import MICROSOFT, simple

PLACES = ("alone", "behind", "in front")
#: What stands for a convolution, by rank: there are none of vectors.
TFLITE_PRODUCTS = {2: "FULLY_CONNECTED", 3: "BATCH_MATMUL", 4: "CONV_2D"}
ONNX_PRODUCTS = {2: "Gemm", 3: "Conv", 4: "Conv"}
# Generators whose models are of another operator's entry, by the entry.
SPELLED = {
    "QuantizeLinear": "Relu",
    "DequantizeLinear": "Relu",
}


@dataclass(frozen=True)
class Entry:
    """One form of an entry: rank of its first operand, type of activations, where it stands."""

    format: str
    operator: str
    rank: int
    dtype: str = "int8"
    place: str = "alone"

    def __str__(self) -> str:
        return f"{self.format} {self.operator} {self.dtype} rank {self.rank} {self.place}"


def _onnx(op: str, opset: int = 13, domain: str = "", *constants: Any, **attrs: Any) -> Any:
    def make(graph: Any, x: Any) -> list[Any]:
        graph.opset = max(graph.opset, opset)
        extra = [graph.constant("constant", np.asarray(value, "float32")) for value in constants]
        near = graph.quant_near(x.quant.scale)
        return simple(graph, op, x, near, extra=extra, domain=domain, **attrs)

    return make


def _qlinear(op: str, shape: Callable[[tuple[int, ...]], tuple[int, ...]], **attrs: Any) -> Any:
    def make(graph: Any, x: Any) -> list[Any]:
        out = graph.quant_near(x.quant.scale)
        inputs = [x.name, *graph.parameters(x.quant), *graph.parameters(out)]
        (name,) = graph.node(op, inputs, domain=MICROSOFT, **attrs)
        return [graph.record(name, shape(x.shape), out)]

    return make


def _qlinear_concat(graph: Any, x: Any) -> list[Any]:
    out = graph.quant_near(x.quant.scale)
    part = [x.name, *graph.parameters(x.quant)]
    (name,) = graph.node(
        "QLinearConcat", [*graph.parameters(out), *part, *part], domain=MICROSOFT, axis=1
    )
    return [graph.record(name, (x.shape[0], 2 * x.shape[1], *x.shape[2:]), out)]


def _qgemm(graph: Any, x: Any) -> list[Any]:
    out, weights = graph.quant_near(1.0), graph.draw.integers((x.shape[1], 4), -127, 127, "int8")
    inputs = [x.name, *graph.parameters(x.quant), graph.constant("weights", weights)]
    inputs += [graph.constant("scale", np.float32(0.01)), graph.constant("zero", np.int8(0))]
    inputs += [graph.constant("bias", graph.draw.integers((4,), -99, 99, "int32"))]
    (name,) = graph.node("QGemm", [*inputs, *graph.parameters(out)], domain=MICROSOFT)
    return [graph.record(name, (x.shape[0], 4), out)]


def _index(op: str) -> Any:
    """The index of the largest or least, as numbers again: what is cast is integers there."""

    def make(graph: Any, x: Any) -> list[Any]:
        (index,) = graph.node(op, [graph.dequantize(x)], axis=1, keepdims=1)
        (number,) = graph.node("Cast", [index], to=onnx.TensorProto.FLOAT)
        return [graph.quantize(number, (x.shape[0], 1, *x.shape[2:]), Quant(1.0, -128))]

    return make


def _copied(op: str) -> Any:
    return lambda graph, x: simple(graph, op, x, x.quant)


def _normalized(op: str, opset: int, domain: str) -> Any:
    def make(graph: Any, x: Any) -> list[Any]:
        graph.opset = max(graph.opset, opset)
        scale = graph.constant("scale", np.ones(x.shape[-1], "float32"))
        out = graph.quant_near(0.03)
        return simple(graph, op, x, out, extra=[scale], domain=domain, axis=-1)

    return make


_TRIGONOMETRY = ("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan")
#: Entry -> rule, where the random models have none.
ONNX_REST: dict[str, Callable[[Any, Any], list[Any]]] = {
    **{op: _onnx(op) for op in _TRIGONOMETRY},
    "Dropout": _copied("Dropout"),
    "Identity": _copied("Identity"),
    "FastGelu": _onnx("FastGelu", 13, MICROSOFT),
    "Pow": _onnx("Pow", 13, "", 2.0),
    "Swish": _onnx("Swish", 24),
    "RMSNormalization": _normalized("RMSNormalization", 23, ""),
    "ArgMax": _index("ArgMax"),
    "ArgMin": _index("ArgMin"),
    "Cast": _index("ArgMax"),
    "QGemm": _qgemm,
    "QLinearAveragePool": _qlinear(
        "QLinearAveragePool", lambda s: (*s[:2], s[2] - 1, s[3] - 1), kernel_shape=[2, 2]
    ),
    "QLinearConcat": _qlinear_concat,
    "QLinearReduceMean": _qlinear(
        "QLinearReduceMean", lambda s: (*s[:-1], 1), axes=[-1], keepdims=1
    ),
}


def _tflite(op: str) -> Any:
    def make(graph: Any, x: Any) -> list[Any]:
        out = graph.draw.quant_near(x.scales[0], largest_multiplier=64.0)
        return [graph.builder.unary(op, x, out)]

    return make


def _select(graph: Any, x: Any) -> list[Any]:
    condition = graph.builder.input(x.shape, None, "bool")
    other = graph.builder.input(x.shape, graph.builder.copied(x))
    choice = [condition, x, other]
    return [graph.builder.operator("SELECT", choice, x.shape, graph.builder.copied(x))]


def _power(graph: Any, x: Any) -> list[Any]:
    two = graph.builder.constant("two", np.full((1,), 20, "int8"), (0.1,))
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=64.0)
    return [graph.builder.operator("POW", [x, two], x.shape, out)]


TFLITE_REST: dict[str, Callable[[Any, Any], list[Any]]] = {
    **{op: _tflite(op) for op in ("RELU_0_TO_1", "RELU_N1_TO_1", "LOG_SOFTMAX")},
    "POW": _power,
    "SELECT": _select,
}


def has_generator(model_format: str, operator: str, rank: int) -> bool:
    """Whether there are models of that operator with a first operand of that rank."""
    if model_format == "tflite":
        return operator in TFLITE_REST or rank in tflite_operators.RANKS.get(operator, ())
    name = SPELLED.get(operator, operator)
    return name in ONNX_REST or rank in onnx_operators.RANKS.get(name, ())


def entries(
    model_format: str, operator: str, ranks: tuple[int, ...], types: tuple[str, ...]
) -> Iterator[Entry]:
    """All forms of an entry that are listed: each rank, type and place."""
    products = TFLITE_PRODUCTS if model_format == "tflite" else ONNX_PRODUCTS
    for rank in ranks:
        for dtype in types:
            for place in PLACES if rank in products else PLACES[:1]:
                yield Entry(model_format, operator, rank, dtype, place)


def listed_model(entry: Entry, seed: int) -> bytes:
    """The model; what comes out of the entry as another type than int8 is an output as it is."""
    return _tflite_model(entry, seed) if entry.format == "tflite" else _onnx_model(entry, seed)


def _tflite_model(entry: Entry, seed: int) -> bytes:
    draw = Draw(seed)
    graph = tflite_operators.Graph(draw)
    x = graph.builder.input(random_tflite._shape(draw, entry.rank), draw.quant())
    if entry.place == "behind":
        x = tflite_operators.RULES[TFLITE_PRODUCTS[entry.rank]](graph, x)[0]
    graph.pool.append(x)
    rule = tflite_operators.RULES.get(entry.operator) or TFLITE_REST[entry.operator]
    outputs = rule(graph, x)
    if entry.place == "in front" and outputs[0].dtype == "int8":
        product = TFLITE_PRODUCTS.get(outputs[0].rank)
        if product is not None:
            outputs[:1] = tflite_operators.RULES[product](graph, outputs[0])
    return graph.builder.finish(outputs)


def _onnx_model(entry: Entry, seed: int) -> bytes:
    draw = Draw(seed)
    graph = onnx_operators.Graph(draw, dtype=entry.dtype, opset=draw.choice((13, 15, 17)))
    x = graph.new_input(random_onnx._shape(draw, entry.rank), graph.quant())
    if entry.place == "behind":
        x = onnx_operators.RULES[ONNX_PRODUCTS[entry.rank]](graph, x)[0]
    graph.pool.append(x)
    name = SPELLED.get(entry.operator, entry.operator)
    rule = onnx_operators.RULES.get(name) or ONNX_REST[name]
    outputs = rule(graph, x)
    product = ONNX_PRODUCTS.get(len(outputs[0].shape)) if outputs else None
    if entry.place == "in front" and product is not None:
        onnx_operators.RULES[product](graph, outputs[0])
    return random_onnx._finish(graph)
