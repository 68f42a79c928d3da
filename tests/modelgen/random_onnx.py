"""Random legal quantized ONNX models (QDQ and QLinear) and small float ones for calibration.

    data = random_model(seed)                  a quantized graph of a few operators
    data = single_op_model("Conv", seed)       one operator
    data = random_float_model(seed)            a small float network
    feeds = random_inputs(data, seed, 4)       list of {input name: array}

Seeds are 0 .. 2**32 - 1. In hypothesis tests use `models()` and `single_ops()`.
"""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from .draw import Draw
from .onnx_operators import (
    INDICES,
    LARGE,
    MICROSOFT,
    RANKS,
    RULES,
    Graph,
    Value,
    axes_as_inputs,
)

OPERATORS: tuple[str, ...] = tuple(sorted(RULES))
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = {
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "uint8",
    TensorProto.FLOAT: "float32",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
}
INDEX_LIMITS = (-INDICES, INDICES - 1)
LIMITS = {"uint8": (0, 255), "int32": INDEX_LIMITS, "int64": INDEX_LIMITS}


def random_model(seed: int, *, max_ops: int = 6, unequal: bool = False) -> bytes:
    """A quantized graph of one to `max_ops` rules, often with branches.

    unequal: its QuantizeLinear and DequantizeLinear differ in scale, zero point and type.
    """
    draw = Draw(seed)
    graph = _new_graph(draw)
    graph.unequal = unequal
    x = graph.new_input(_shape(draw, draw.choice((4, 4, 4, 4, 3, 2))), graph.quant())
    graph.pool.append(x)
    for _ in range(draw.integer(1, max_ops)):
        x = graph.pool[-1] if draw.chance(0.75) else draw.choice(graph.pool)
        names = [n for n in OPERATORS if _applies(n, x)]
        name = draw.choice([n for n in names if not unequal or _takes_any_pair(n)])
        made = [v for v in RULES[name](graph, x) if 2 <= len(v.shape) <= 4]
        graph.pool += [v for v in made if v.size <= 4 * LARGE]
    return _finish(graph)


def single_op_model(operator: str, seed: int) -> bytes:
    """Just that operator with random parameters (Squeeze needs a pooling before it)."""
    draw = Draw(seed)
    graph = _new_graph(draw)
    graph.pool.append(graph.new_input(_shape(draw, draw.choice(RANKS[operator])), graph.quant()))
    RULES[operator](graph, graph.pool[0])
    return _finish(graph)


def random_float_model(seed: int) -> bytes:
    """Convolutions with activations, pooling and a classifier, in float32."""
    draw = Draw(seed)
    graph = _new_graph(draw)
    batch, channels, height, width = _shape(draw, 4)
    graph.inputs.append(
        helper.make_tensor_value_info("image", TensorProto.FLOAT, (batch, channels, height, width))
    )
    name = "image"
    for _ in range(draw.integer(1, 3)):
        outputs, depthwise = draw.choice((4, 8)), draw.chance(0.3)
        groups, outputs = (channels, channels) if depthwise else (1, outputs)
        weights = draw.normal((outputs, channels // groups, 3, 3)) / (9 * channels / groups) ** 0.5
        inputs = [
            name,
            graph.constant("weight", weights),
            graph.constant("bias", draw.normal((outputs,)) / 10),
        ]
        (name,) = graph.node("Conv", inputs, kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=groups)
        (name,) = graph.node(draw.choice(("Relu", "Sigmoid", "Relu")), [name])
        channels = outputs
    (name,) = graph.node("GlobalAveragePool", [name])
    (name,) = graph.node("Flatten", [name], axis=1)
    inputs = [
        name,
        graph.constant("weight", draw.normal((5, channels)) / channels**0.5),
        graph.constant("bias", draw.normal((5,))),
    ]
    (name,) = graph.node("Gemm", inputs, transB=1)
    if draw.chance(0.5):
        (name,) = graph.node("Softmax", [name], axis=-1)
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, (batch, 5))
    return _serialize(graph, [output])


def models(max_ops: int = 6) -> st.SearchStrategy[bytes]:
    """Hypothesis strategy over `random_model`; shrinks towards fewer operators."""
    return st.builds(lambda n, seed: random_model(seed, max_ops=n), st.integers(1, max_ops), SEEDS)


def single_ops() -> st.SearchStrategy[tuple[str, bytes]]:
    """Hypothesis strategy of (operator name, model)."""
    return st.builds(
        lambda name, seed: (name, single_op_model(name, seed)), st.sampled_from(OPERATORS), SEEDS
    )


def random_inputs(model: bytes, seed: int, n: int) -> list[dict[str, np.ndarray]]:
    """`n` feeds: the lowest values, the highest, then random ones.

    Float inputs span the range of the QuantizeLinear that reads them, or about [-2, 2].
    """
    draw, proto = Draw(seed), onnx.load_from_string(model)
    return [
        {value.name: _input(draw, proto.graph, value, turn) for value in proto.graph.input}
        for turn in range(n)
    ]


def _new_graph(draw: Draw) -> Graph:
    return Graph(draw, dtype=draw.choice(("int8", "uint8")), opset=draw.choice((13, 13, 15, 17)))


def _applies(name: str, x: Value) -> bool:
    # As for TFLite: the integer softmax is defined up to 511 elements.
    return len(x.shape) in RANKS[name] and not ("Softmax" in name and max(x.shape) >= 512)


def _takes_any_pair(name: str) -> bool:
    """QLinear operators state their operands' quantization; a divisor moved may become zero."""
    return not name.startswith(("QLinear", "QGemm", "Div"))


def _shape(draw: Draw, rank: int) -> tuple[int, ...]:
    batch = 2 if draw.chance(0.1) else 1
    return (batch, draw.channels(), *(draw.extent() for _ in range(2)))[:rank]


def _finish(graph: Graph) -> bytes:
    """Outputs are all quantized tensors nobody reads: dequantized to float32, or as they are."""
    read = {name for node in graph.nodes for name in node.input}
    leaves = [value for value in graph.written if value.name not in read]
    as_float = graph.draw.chance(0.7)
    outputs = []
    for leaf in leaves:
        name = graph.dequantize(leaf) if as_float else leaf.name
        kind = TensorProto.FLOAT if as_float else graph.kind(leaf.dtype)
        outputs.append(helper.make_tensor_value_info(name, kind, leaf.shape))
    return _serialize(graph, outputs)


def _serialize(graph: Graph, outputs: list[onnx.ValueInfoProto]) -> bytes:
    axes_as_inputs(graph)
    proto = helper.make_graph(graph.nodes, "random", graph.inputs, outputs, graph.constants)
    imports = [helper.make_opsetid("", graph.opset)]
    if MICROSOFT in graph.domains:
        imports.append(helper.make_opsetid(MICROSOFT, 1))
    model = helper.make_model(proto, opset_imports=imports, ir_version=8, producer_name="modelgen")
    return bytes(model.SerializeToString(deterministic=True))


def _input(draw: Draw, graph: onnx.GraphProto, value: onnx.ValueInfoProto, turn: int) -> np.ndarray:
    """Turn 0 is the lowest value everywhere, turn 1 the highest, the rest are random."""
    shape = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    dtype = DTYPES[value.type.tensor_type.elem_type]
    low, high = LIMITS.get(dtype, (-128, 127))
    codes = (
        np.full(shape, (low, high)[turn]) if turn < 2 else draw.integers(shape, low, high, "int64")
    )
    if dtype != "float32":
        return codes.astype(dtype)
    scale, zero = _reader_quant(graph, value.name)
    return ((codes - zero) * np.float32(scale)).astype("float32")


def _reader_quant(graph: onnx.GraphProto, name: str) -> tuple[float, int]:
    """Scale and int8 zero point of the QuantizeLinear that reads an input, if one does."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] == name:
            scale, zero = (numpy_helper.to_array(constants[n]) for n in node.input[1:])
            return float(scale), int(zero) - (128 if zero.dtype == np.uint8 else 0)
    return 1 / 64, 0
