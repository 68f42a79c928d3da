"""Random legal int8 .tflite models over the whole operator list, and inputs for them.

    data = random_model(seed)                    a graph of a few operators
    data = single_op_model("CONV_2D", seed)      one operator, so that a failure is easy to read
    for arrays in random_inputs(data, seed, 4):  one array a model input, in order

Seeds are 0 .. 2**32 - 1. In hypothesis tests use `models()` and `single_ops()`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tflite
from hypothesis import strategies as st

from .draw import Draw, Quant
from .tflite_builder import Tensor
from .tflite_operators import INDICES, LARGE, RANKS, RULES, Graph, applies

OPERATORS: tuple[str, ...] = tuple(sorted(RULES))
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = {
    tflite.TensorType.FLOAT32: "float32",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.BOOL: "bool",
}
LIMITS = {"bool": (0, 1), "uint8": (0, 255), "int32": (0, INDICES - 1)}


def random_model(
    seed: int, *, max_ops: int = 6, unequal: bool = False, operators: Sequence[str] = OPERATORS
) -> bytes:
    """A graph of one to `max_ops` rules (some add a helper operator), often with branches.

    unequal: results that are copies of integers get quantization of their own, any at all; and
    now and then an operator reads a constant.
    """
    draw = Draw(seed)
    graph = Graph(draw)
    if unequal:
        graph.builder.copied = lambda x: x.quant if draw.chance(0.2) else draw.quant()
        graph.builder.outer = lambda inner: _outer(draw, inner)
    graph.pool.append(
        graph.new_input(_shape(draw, draw.choice((4, 4, 4, 4, 4, 3, 2, 1))), draw.quant())
    )
    for _ in range(draw.integer(1, max_ops)):
        # Mostly go on from the newest tensor: chains with now and then a branch.
        x = graph.pool[-1] if draw.chance(0.75) else draw.choice(graph.pool)
        if unequal and draw.chance(0.1):
            x = graph.constant_like(x.shape, x.quant)
        code = draw.choice([code for code in operators if applies(code, x)])
        made = [t for t in RULES[code](graph, x) if t.dtype == "int8" and 1 <= t.rank <= 4]
        graph.pool += [t for t in made if t.size <= 4 * LARGE]
    return _finish(graph)


def single_op_model(operator: str, seed: int) -> bytes:
    """Just that operator with random parameters (SQUEEZE may need a RESHAPE before it)."""
    draw = Draw(seed)
    graph = Graph(draw)
    quant = draw.quant()
    shape = _shape(draw, draw.choice(RANKS[operator]))
    if operator == "QUANTIZE" and draw.chance(0.5):
        return _quantize_edge(graph, shape, quant)
    x = graph.builder.input(shape, quant)
    graph.pool.append(x)
    outputs = RULES[operator](graph, x)
    return graph.builder.finish(outputs)


def single_op_models(operator: str, seed: int, n: int = 8) -> Iterator[bytes]:
    """`n` models of one operator, from the seeds seed, seed + 1, ..."""
    for i in range(n):
        yield single_op_model(operator, seed + i)


def models(max_ops: int = 6) -> st.SearchStrategy[bytes]:
    """Hypothesis strategy over `random_model`; shrinks towards fewer operators."""
    return st.builds(lambda n, seed: random_model(seed, max_ops=n), st.integers(1, max_ops), SEEDS)


def single_ops() -> st.SearchStrategy[tuple[str, bytes]]:
    """Hypothesis strategy of (operator name, model)."""
    return st.builds(
        lambda code, seed: (code, single_op_model(code, seed)), st.sampled_from(OPERATORS), SEEDS
    )


def random_inputs(model: bytes, seed: int, n: int) -> list[list[np.ndarray]]:
    """`n` sets of inputs: the lowest values, the highest, then random ones.

    Float inputs lie around the representable range of the QUANTIZE that reads them, on grid
    points and exactly between two, where rounding shows.
    """
    draw = Draw(seed)
    subgraph = tflite.Model.GetRootAsModel(model, 0).Subgraphs(0)
    return [
        [_input(draw, subgraph, int(index), i) for index in subgraph.InputsAsNumpy()]
        for i in range(n)
    ]


def _shape(draw: Draw, rank: int) -> tuple[int, ...]:
    batch = 2 if draw.chance(0.15) else 1
    spatial = tuple(draw.extent() for _ in range(max(rank - 2, 0)))
    return (batch, *spatial, draw.channels())[-rank:]


def _quantize_edge(graph: Graph, shape: tuple[int, ...], quant: Quant) -> bytes:
    """QUANTIZE from float32, from uint8 or to uint8."""
    builder, outer = graph.builder, Quant(quant.scale, quant.zero_point + 128)
    kind = graph.draw.choice(("float32", "uint8", "to uint8"))
    if kind == "to uint8":
        output = builder.quantize(builder.input(shape, quant), outer, "uint8")
    else:
        source = builder.input(shape, outer if kind == "uint8" else None, kind)
        output = builder.quantize(source, quant)
    return builder.finish([output])


def _finish(graph: Graph) -> bytes:
    """Every tensor nobody reads is an output; now and then an inner one too."""
    draw, builder = graph.draw, graph.builder
    read = {t.index for operator in builder.operators for t in operator.inputs if t is not None}
    written = [t for operator in builder.operators for t in operator.outputs]
    outputs = [t for t in written if t.index not in read]
    inner = [t for t in written if t.index in read and t.dtype == "int8"]
    if inner and draw.chance(0.1):
        outputs.append(draw.choice(inner))
    edge = draw.choice(("int8",) * 8 + ("float32", "uint8"))
    return builder.finish([_edge(graph, t, edge) for t in outputs])


def _edge(graph: Graph, output: Tensor, edge: str) -> Tensor:
    """The output as converters wrap it for float32 or uint8 interfaces."""
    if output.dtype != "int8" or edge == "int8":
        return output
    if edge == "float32":
        return graph.builder.dequantize(output)
    return graph.builder.quantize(output, graph.builder.outer(output.quant), "uint8")


def _outer(draw: Draw, inner: Quant) -> Quant:
    """A uint8 edge whose scale is some other one; either may be requantized to the other."""
    return Quant(inner.scale * draw.log_uniform(0.1, 10.0), draw.integer(0, 255))


def _input(draw: Draw, subgraph: tflite.SubGraph, index: int, turn: int) -> np.ndarray:
    """Turn 0 is the lowest value everywhere, turn 1 the highest, the rest are random."""
    tensor = subgraph.Tensors(index)
    shape = tuple(int(d) for d in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
    dtype = DTYPES.get(tensor.Type(), "int8")
    low, high = LIMITS.get(dtype, (-128, 127))
    if turn < 2:
        codes = np.full(shape, (low, high)[turn])
    else:
        codes = draw.integers(shape, low, high, "int64")
    if dtype != "float32":
        return codes.astype(dtype)
    quant = _reader_quant(subgraph, index)
    codes = codes + draw.integers(shape, -2, 2, "int64") / 2 if turn >= 2 else codes
    return ((codes - quant.zero_point) * np.float32(quant.scale)).astype("float32")


def _reader_quant(subgraph: tflite.SubGraph, index: int) -> Quant:
    """Quantization that the QUANTIZE operator reading tensor `index` writes."""
    for i in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(i)
        if index in operator.InputsAsNumpy():
            q = subgraph.Tensors(operator.Outputs(0)).Quantization()
            return Quant(q.Scale(0), int(q.ZeroPoint(0)))
    raise AssertionError(f"nobody reads input {index}")
