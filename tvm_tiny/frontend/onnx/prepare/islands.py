"""Each data movement becomes an island: dequantize -> one operator -> quantize.

Moving, selecting or comparing values commutes with quantization, so QuantizeLinear and
DequantizeLinear pairs may be inserted before or after such operators without changing a value.
"""

from __future__ import annotations

from ..graph import Graph, Node

SHAPE_ONLY = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split")
# Number of leading inputs that are data (None: all); the others are shapes, axes and the like.
MOVEMENT: dict[str, int | None] = {
    **dict.fromkeys(SHAPE_ONLY, 1),
    "Concat": None,
    "MaxPool": 1,
    "GlobalMaxPool": 1,
    "DepthToSpace": 1,
    "SpaceToDepth": 1,
    "Expand": 1,
    "Gather": 1,
    "GatherND": 1,
    "Tile": 1,
    "Pad": 1,
    "Resize": 1,
}


def data_inputs(node: Node) -> list[str]:
    """The inputs of a movement node that carry values."""
    count = MOVEMENT[node.op]
    return node.inputs if count is None else node.inputs[:count]


def _moves(graph: Graph, node: Node) -> bool:
    if node.domain or node.op not in MOVEMENT:
        return False
    if node.op == "Resize":
        return bool(node.attrs.get("mode", "nearest") == "nearest")
    if node.op == "Pad":
        # Zero is always representable; another value only if it is on the grid, so not here.
        value = graph.constants.get(node.input(2))
        zero = node.attrs.get("value", 0.0) == 0.0 if value is None else not value.any()
        return node.attrs.get("mode", "constant") != "constant" or zero
    return True


def isolate_movement(graph: Graph) -> None:
    """Insert QuantizeLinear/DequantizeLinear pairs around float movement of quantized values."""
    for node in reversed(list(graph.nodes)):
        if _moves(graph, node):
            _quantize_before(graph, node)
    for node in list(graph.nodes):
        if _moves(graph, node) or node.op == "Relu":
            _quantize_after(graph, node)


def _quantize_before(graph: Graph, node: Node) -> None:
    """Quantize a movement's operands where its result is quantized.

    `float op -> movement -> Q(s)` becomes `float op -> Q(s) -> DQ(s) -> movement -> Q(s)`.
    """
    users = [graph.sole_consumer(name) for name in node.outputs if name]
    if len(users) != 1 or users[0] is None or users[0].op != "QuantizeLinear":
        return
    params, producers = graph.qparams(users[0]), graph.producers()
    changes: list[Node] = []
    for position, name in enumerate(data_inputs(node)):
        producer = producers.get(name)
        if producer is None or producer.op == "DequantizeLinear":
            continue
        if graph.sole_consumer(name) is not node:
            continue
        integers = graph.fresh(f"{name}_quantized")
        back = graph.fresh(f"{name}_dequantized")
        changes.append(graph.quantize(name, integers, params))
        changes.append(graph.dequantize(integers, back, params))
        node.inputs[position] = back
    graph.replace({id(node): [*changes, node]})


def _quantize_after(graph: Graph, node: Node) -> None:
    """Quantize a movement's result where its operands are dequantized.

    `DQ(s) -> movement -> float op` becomes `DQ(s) -> movement -> Q(s) -> DQ(s) -> float op`.
    """
    producers, consumers = graph.producers(), graph.consumers()
    sources = data_inputs(node) if node.op in MOVEMENT else node.inputs
    origins = [producers.get(name) for name in sources]
    known = [graph.qparams(o) for o in origins if o is not None and o.op == "DequantizeLinear"]
    if len(known) != len(sources) or not all(known[0].same(other) for other in known):
        return
    after: list[Node] = []
    for index, name in enumerate(node.outputs):
        users = consumers.get(name, [])
        read_as_float = name in graph.outputs or any(u.op != "QuantizeLinear" for u in users)
        if name and read_as_float:
            node.outputs[index] = graph.fresh(f"{name}_float")
            integers = graph.fresh(f"{name}_quantized")
            after.append(graph.quantize(node.outputs[index], integers, known[0]))
            after.append(graph.dequantize(integers, name, known[0]))
    graph.replace({id(node): [node, *after]})
