"""Activations and conversions of one operand."""

from __future__ import annotations

from ..draw import Quant
from ..tflite_builder import Tensor
from .graph import PRODUCT_LIMIT, SIGNED_UNIT_QUANT, UNIT_QUANT, Graph, rule


@rule("RELU")
def relu(graph: Graph, x: Tensor) -> list[Tensor]:
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 255)
    return [graph.builder.unary("RELU", x, out)]


@rule("RELU6")
def relu6(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.unary("RELU6", x, graph.builder.copied(x))]


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
    return [
        graph.builder.prelu(x, alpha, quant, draw.quant_near(x.scales[0], largest_multiplier=limit))
    ]


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


def _table(code: str) -> None:
    """An operator that has no limits on its quantization."""

    @rule(code)
    def unary(graph: Graph, x: Tensor) -> list[Tensor]:
        out = graph.draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 255)
        return [graph.builder.unary(code, x, out)]


for _code in (
    "ABS",
    "CEIL",
    "COS",
    "ELU",
    "EXP",
    "FLOOR",
    "LOG",
    "NEG",
    "ROUND",
    "RSQRT",
    "SIN",
    "SQRT",
    "SQUARE",
):
    _table(_code)


@rule("GELU")
def gelu(graph: Graph, x: Tensor) -> list[Tensor]:
    out = graph.draw.quant_near(x.scales[0], largest_multiplier=PRODUCT_LIMIT / 255)
    return [graph.builder.unary("GELU", x, out, approximate=graph.draw.chance(0.5))]


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


@rule("LOG_SOFTMAX")
def log_softmax(graph: Graph, x: Tensor) -> list[Tensor]:
    return [graph.builder.unary("LOG_SOFTMAX", x, Quant(16 / 256, 127))]
