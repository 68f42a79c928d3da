"""Operators that read quantized integers without a DequantizeLinear before them.

Moving, selecting or comparing the integers has the same effect on the reals that they stand for,
under any scale. Such an operator therefore becomes dequantize -> operator -> quantize, with all its
operands, constants included, in one quantization. Any other operator is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tvm_tiny.errors import UnsupportedError

from ..graph import Graph, Node, QParams
from .islands import MOVEMENT

INTEGER_TYPES = ("int8", "uint8")
# Operator -> positions of operands that carry values (None: all); the others are conditions,
# shapes and the like.
SELECTING: dict[str, tuple[int, ...] | None] = {
    **{op: None if count is None else tuple(range(count)) for op, count in MOVEMENT.items()},
    **dict.fromkeys(("Gather", "GatherElements", "GatherND", "ReduceMax", "ReduceMin"), (0,)),
    **dict.fromkeys(("Identity", "Dropout"), (0,)),
    "Clip": (0, 1, 2),
    "Max": None,
    "Min": None,
    "Pad": (0, 2),
    "Where": (1, 2),
}
# Likewise, for operators whose results are indices or bool, not values of the operands.
COMPARING: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("ArgMax", "ArgMin"), (0,)),
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"), None),
}
OWN_RULES = ("QuantizeLinear", "DequantizeLinear", "Shape", "Size")


def wrap_integer_nodes(graph: Graph) -> None:
    """Put each operator on quantized integers between a dequantize and a quantize.

    The parameters are those of its operands or results where a QuantizeLinear or DequantizeLinear
    names them, else scale 1 and zero point 0, since the result is the same for any parameters.
    """
    for node in graph.nodes:
        _spell_out(graph, node)
    types, params = _integer_types(graph), _known_params(graph)
    changes: dict[int, list[Node]] = {}
    reasons: list[str] = []
    for node in graph.nodes:
        if _is_wrapped(graph, node, types):
            changes[id(node)] = _wrap(graph, node, types, params)
        elif node.op == "Cast" and node.inputs[0] in types:
            _replace_cast(graph, node, types, changes, reasons)
        elif _computes(graph, node, types):
            reasons.append(
                f"{node.where}: computes with quantized integers, whose scale it cannot know; "
                "put DequantizeLinear before it and QuantizeLinear behind it"
            )
    if reasons:
        raise UnsupportedError(reasons)
    graph.replace(changes)


def _spell_out(graph: Graph, node: Node) -> None:
    """Make an implied integer 0 an operand of its own.

    It is the bound of a Relu and the default value of a Pad.
    """
    known = graph.types.get(node.input(0))
    if known is None or known.dtype not in INTEGER_TYPES or node.domain:
        return
    if node.op == "Relu":
        node.op = "Clip"
        node.inputs = [node.inputs[0], _zero(graph, node, known.dtype)]
    constant = node.op == "Pad" and node.attrs.get("mode", "constant") == "constant"
    if constant and not node.input(2):
        zero = _zero(graph, node, known.dtype)
        node.inputs = [*node.inputs[:2], zero, *node.inputs[3:]]


def _zero(graph: Graph, node: Node, dtype: str) -> str:
    return graph.constant(f"{node.outputs[0]}_zero", np.zeros((), dtype))


def _data(node: Node, table: dict[str, tuple[int, ...] | None]) -> list[int]:
    """Positions of the operands that carry values and are present."""
    positions = table[node.op]
    given = range(len(node.inputs)) if positions is None else positions
    return [position for position in given if node.input(position)]


def _operands(node: Node) -> list[int]:
    """Positions of the operands that carry values; none for an operator of neither table."""
    if node.domain or node.op not in SELECTING | COMPARING:
        return []
    return _data(node, SELECTING | COMPARING)


def _selected(graph: Graph) -> Iterator[tuple[Node, list[str]]]:
    """Operators with results that are values of their operands, and those operands."""
    for node in graph.nodes:
        if not node.domain and node.op in SELECTING:
            yield node, [node.inputs[position] for position in _data(node, SELECTING)]


def _integer_types(graph: Graph) -> dict[str, str]:
    """The element type of every int8 and uint8 tensor."""
    types = {name: str(value.dtype) for name, value in graph.constants.items()}
    types |= {name: known.dtype for name, known in graph.types.items()}
    for node in graph.nodes:
        if node.op == "QuantizeLinear":
            types[node.outputs[0]] = str(graph.qparams(node).zero_point.dtype)
    for node, sources in _selected(graph):
        for name in node.outputs:
            types.setdefault(name, types.get(sources[0], "") if sources else "")
    return {name: dtype for name, dtype in types.items() if dtype in INTEGER_TYPES}


def _known_params(graph: Graph) -> dict[str, QParams]:
    params: dict[str, QParams] = {}
    for node in graph.nodes:
        if node.op == "QuantizeLinear":
            params[node.outputs[0]] = graph.qparams(node)
    for node in graph.dequantized():
        if node.inputs[0] not in graph.constants:
            params.setdefault(node.inputs[0], graph.qparams(node))
    selected = list(_selected(graph))
    for node, sources in selected:
        known = [params[name] for name in sources if name in params]
        for name in node.outputs if known else ():
            params.setdefault(name, known[0])
    for node, sources in reversed(selected):
        known = [params[name] for name in node.outputs if name in params]
        for name in sources if known else ():
            if name not in graph.constants:
                params.setdefault(name, known[0])
    return params


def _is_wrapped(graph: Graph, node: Node, types: dict[str, str]) -> bool:
    reads = any(node.inputs[position] in types for position in _operands(node))
    return reads and not _passes_an_input(graph, node)


def _computes(graph: Graph, node: Node, types: dict[str, str]) -> bool:
    if node.op in OWN_RULES or _passes_an_input(graph, node):
        return False
    return any(name in types for name in node.inputs)


def _passes_an_input(graph: Graph, node: Node) -> bool:
    """Whether the node passes a model input on; the input's integers stay as they are."""
    return node.op in ("Identity", "Dropout") and node.inputs[0] in graph.inputs


def _wrap(
    graph: Graph, node: Node, types: dict[str, str], params: dict[str, QParams]
) -> list[Node]:
    positions = _operands(node)
    names = [node.inputs[position] for position in positions]
    known = [params[name] for name in (*names, *node.outputs) if name in params]
    dtype = next(types[name] for name in names if name in types)
    plain = QParams(np.asarray(1, np.float32), np.asarray(0, dtype))
    own = known[0] if known else plain
    before = [graph.dequantize(name, graph.fresh(f"{name}_dequantized"), own) for name in names]
    for position, part in zip(positions, before, strict=True):
        node.inputs[position] = part.outputs[0]
    after = []
    if node.op in SELECTING:
        for index, name in enumerate(node.outputs):
            if name:
                node.outputs[index] = graph.fresh(f"{name}_float")
                after.append(graph.quantize(node.outputs[index], name, own))
    return [*before, node, *after]


def _replace_cast(
    graph: Graph,
    node: Node,
    types: dict[str, str],
    changes: dict[int, list[Node]],
    reasons: list[str],
) -> None:
    """Replace a Cast of quantized integers to float32 by a dequantize.

    A float32 cast of an integer is the integer itself: scale 1, zero point 0. Casts to other types
    are refused, except for model inputs.
    """
    source = node.inputs[0]
    if node.attrs.get("to") == 1:
        plain = QParams(np.asarray(1, np.float32), np.asarray(0, types[source]))
        changes[id(node)] = [graph.dequantize(source, node.outputs[0], plain)]
    elif source not in graph.inputs:
        reasons.append(
            f"{node.where}: makes other integers of quantized ones; only a Cast to float is "
            "supported there"
        )
