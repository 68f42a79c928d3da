"""QLinear operators become DequantizeLinear -> operator -> QuantizeLinear.

Both spellings mean the same real-valued function; all later rules know only the second. Input
positions follow the operators' schemas (ONNX operator specification; onnxruntime's ContribOperators
document for com.microsoft).
"""

from __future__ import annotations

from collections.abc import Callable

from ..graph import Graph, Node, Refused

# QLinear operator -> the float operator that it computes, by number of quantized operands.

UNARY: dict[str, str] = {
    "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearSoftmax": "Softmax",
    "QLinearAveragePool": "AveragePool",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearReduceMean": "ReduceMean",
}
BINARY: dict[str, str] = {"QLinearAdd": "Add", "QLinearMul": "Mul"}


def expand_qlinear(graph: Graph) -> None:
    """Rewrite every QLinear operator that the tables below name."""
    changes: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if node.op in ("QuantizeLinear", "DequantizeLinear"):
            node.domain = ""  # com.microsoft's twins have the same meaning
        rule = EXPANSIONS.get(node.op)
        if rule is not None:
            changes[id(node)] = rule(graph, node)
    graph.replace(changes)


def _operand(graph: Graph, node: Node, index: int, axis: int = 0) -> Node:
    """DequantizeLinear of an operand: value, scale and zero point are inputs from `index` on."""
    triple = [node.input(index + offset) for offset in range(3)]
    name = graph.fresh(f"{triple[0]}_dequantized")
    return Node("DequantizeLinear", triple, [name], {"axis": axis})


def _result(graph: Graph, node: Node, index: int) -> tuple[str, Node]:
    """A float name for the result, and a QuantizeLinear that takes its scale from `index`."""
    name = graph.fresh(f"{node.outputs[0]}_float")
    inputs = [name, node.input(index), node.input(index + 1)]
    return name, Node("QuantizeLinear", inputs, list(node.outputs), {"axis": 1})


def _conv(graph: Graph, node: Node) -> list[Node]:
    x, w = _operand(graph, node, 0), _operand(graph, node, 3, axis=0)
    inputs, extra = [x.outputs[0], w.outputs[0]], []
    if node.input(8):
        extra = [_bias(graph, node, node.input(8), node.input(1), node.input(4))]
        inputs += extra[0].outputs
    name, quantize = _result(graph, node, 6)
    return [x, w, *extra, Node("Conv", inputs, [name], node.attrs), quantize]


def _bias(graph: Graph, node: Node, bias: str, x_scale: str, w_scale: str) -> Node:
    """DequantizeLinear of an int32 bias with its implied scale s_x * s_w."""
    scales = [graph.constants.get(name) for name in (x_scale, w_scale)]
    if bias not in graph.constants or scales[0] is None or scales[1] is None:
        raise Refused(f"{node.where}: bias and scales must be constants")
    scale = graph.constant(f"{bias}_scale", scales[0].reshape(()) * scales[1].reshape(-1))
    return Node(
        "DequantizeLinear", [bias, scale], [graph.fresh(f"{bias}_dequantized")], {"axis": 0}
    )


def _matmul(graph: Graph, node: Node) -> list[Node]:
    a, b = _operand(graph, node, 0), _operand(graph, node, 3, axis=-1)
    name, quantize = _result(graph, node, 6)
    return [a, b, Node("MatMul", [a.outputs[0], b.outputs[0]], [name]), quantize]


def _gemm(graph: Graph, node: Node) -> list[Node]:
    if not node.input(7):
        raise Refused(f"{node.where}: a float output is not supported")
    a = _operand(graph, node, 0)
    b = _operand(graph, node, 3, axis=0 if node.attrs.get("transB", 0) else 1)
    inputs, extra = [a.outputs[0], b.outputs[0]], []
    if node.input(6):
        extra = [_bias(graph, node, node.input(6), node.input(1), node.input(4))]
        inputs += extra[0].outputs
    name, quantize = _result(graph, node, 7)
    return [a, b, *extra, Node("Gemm", inputs, [name], node.attrs), quantize]


def _binary(graph: Graph, node: Node) -> list[Node]:
    a, b = _operand(graph, node, 0), _operand(graph, node, 3)
    name, quantize = _result(graph, node, 6)
    return [a, b, Node(BINARY[node.op], [a.outputs[0], b.outputs[0]], [name]), quantize]


def _unary(graph: Graph, node: Node) -> list[Node]:
    if node.attrs.pop("channels_last", 0):
        raise Refused(f"{node.where}: channels_last is not supported")
    if node.op == "QLinearSoftmax":
        # The attribute `opset` says which definition of Softmax applies; see `flatten_softmax`.
        node.attrs["flattens"] = node.attrs.pop("opset", 13) < 13
        node.attrs.setdefault("axis", -1)
    x = _operand(graph, node, 0)
    name, quantize = _result(graph, node, 3)
    return [x, Node(UNARY[node.op], x.outputs, [name], node.attrs), quantize]


def _concat(graph: Graph, node: Node) -> list[Node]:
    parts = [_operand(graph, node, index) for index in range(2, len(node.inputs), 3)]
    name, quantize = _result(graph, node, 0)
    concat = Node("Concat", [part.outputs[0] for part in parts], [name], node.attrs)
    return [*parts, concat, quantize]


EXPANSIONS: dict[str, Callable[[Graph, Node], list[Node]]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearConcat": _concat,
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(UNARY, _unary),
}
