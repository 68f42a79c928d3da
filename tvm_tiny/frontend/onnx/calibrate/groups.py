"""Groups elementwise operators over one tensor to one step while a model is quantized.

onnxruntime quantizes before and after every operator. A GELU that is spelled out as five operators
would get five quantizations, of which four cost accuracy and time. Each group is therefore hidden
in a local function of the model, which onnxruntime treats as one operator; `onnx.inliner` then
restores the operators, between one dequantize and one quantize.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import onnx.inliner
from onnx import helper

DOMAIN = "tvm_tiny.groups"
UNARY = frozenset(
    (
        *("Abs", "Celu", "Ceil", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu"),
        *("HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Mish", "Neg", "Reciprocal", "Relu"),
        *("Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Swish"),
        *("Tanh", "ThresholdedRelu"),
    )
)
BINARY = frozenset(("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"))
# Clamps cost nothing after a convolution, a product or a sum, so they do not begin a group.
CLAMPS = ("Relu", "Clip")


@dataclass(frozen=True)
class _Group:
    """The nodes, in order, that compute tensor `result` from tensor `source` and constants."""

    source: str
    result: str
    nodes: tuple[Any, ...]


def hide_groups(model: Any) -> list[str]:
    """Replace groups of `model` by calls of local functions, in place; returns their names."""
    names = []
    for number, group in enumerate(_find(model.graph)):
        name = f"Elementwise{number}"
        _replace(model, group, name)
        names.append(name)
    if names:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return names


def show_groups(model: Any) -> Any:
    """Inline the functions of `hide_groups`."""
    return onnx.inliner.inline_local_functions(model) if model.functions else model


def sole_readers(graph: Any) -> dict[str, Any]:
    """For each tensor with exactly one reader, that node.

    A tensor that is a model output is left out.
    """
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    return {x: nodes[0] for x, nodes in readers.items() if len(nodes) == 1 and x not in outputs}


def is_elementwise(node: Any) -> bool:
    """Whether a node computes each element from one element of its only activation."""
    return node.domain == DOMAIN or node.op_type in UNARY


def operators(model: Any, node: Any | None) -> str:
    """The operators that `node` computes: its own, or those of its group."""
    if node is None:
        return ""
    group = next((f for f in model.functions if f.name == node.op_type), None)
    if group is None or node.domain != DOMAIN:
        return str(node.op_type)
    return ", ".join(inner.op_type for inner in group.node if inner.op_type != "Constant")


def _find(graph: Any) -> list[_Group]:
    """Groups by their results, last first.

    Each is as large as tensors with other readers allow.
    """
    search = _Search(graph)
    groups = []
    for node in reversed(graph.node):
        result = node.output[0] if node.output else ""
        if result not in search.needed or result not in search.sources:
            continue
        group = search.group(result)
        search.needed.add(group.source)
        if len(group.nodes) > 1 or _is_not_seen(search, group):
            groups.append(group)
    return groups


def _is_not_seen(search: _Search, group: _Group) -> bool:
    """Whether onnxruntime quantizes this single operator wrongly.

    It quantizes the operator's constant, or leaves a clamp at a model input in float.
    """
    (node,) = group.nodes
    if node.op_type in BINARY:
        return any(name in search.scalars for name in node.input)
    return node.op_type in CLAMPS and group.source not in search.producers


class _Search:
    """A search for groups of elementwise operators.

    sources: for each result of an elementwise operator, the tensors from which alone it can be
    computed, the nearest first. needed: tensors that must exist because an operator that is not
    elementwise reads them.
    """

    def __init__(self, graph: Any) -> None:
        self.scalars = {t.name for t in graph.initializer if math.prod(t.dims) == 1}
        constants = {t.name for t in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output}
        self.readers: dict[str, int] = {}
        for node in graph.node:
            for name in node.input:
                self.readers[name] = self.readers.get(name, 0) + 1
        self.sources: dict[str, list[str]] = {}
        self.needed = {value.name for value in graph.output}
        for node in graph.node:
            found = self._common_sources(node, constants)
            if found:
                self.sources[node.output[0]] = found
            else:
                self.needed.update(node.input)

    def _common_sources(self, node: Any, constants: set[str]) -> list[str]:
        if node.domain or node.op_type not in UNARY | BINARY:
            return []
        operands = [name for name in node.input if name and name not in self.scalars]
        if not operands or any(name in constants for name in operands):
            return []
        first, *others = [[name, *self.sources.get(name, [])] for name in operands]
        return [name for name in first if all(name in other for other in others)]

    def group(self, result: str) -> _Group:
        """The group of `result`, from the nearest tensor that exists anyway, else the farthest."""
        candidates = self.sources[result]
        source = next((name for name in candidates if name in self.needed), candidates[-1])
        nodes = self._nodes(result, source)
        while len(nodes) > 1 and self._is_free_clamp(nodes[0], source):
            source = nodes[0].output[0]
            nodes = self._nodes(result, source)
        return _Group(source, result, tuple(nodes))

    def _nodes(self, result: str, source: str) -> list[Any]:
        found: dict[str, Any] = {}
        self._collect(result, source, found)
        return list(found.values())

    def _collect(self, name: str, source: str, found: dict[str, Any]) -> None:
        if name == source or name in found or name not in self.sources:
            return
        node = self.producers[name]
        for operand in node.input:
            self._collect(operand, source, found)
        found[name] = node

    def _is_free_clamp(self, node: Any, source: str) -> bool:
        return (
            node.op_type in CLAMPS
            and node.input[0] == source
            and self.readers[source] == 1
            and source in self.producers
        )


def _replace(model: Any, group: _Group, name: str) -> None:
    """Replace the node that computes the group's result by a call of function `name`.

    Nodes of the group that something else reads stay.
    """
    graph = model.graph
    inside = {name for node in group.nodes for name in node.input}
    constants = [t for t in graph.initializer if t.name in inside]
    body = [helper.make_node("Constant", [], [t.name], value=t) for t in constants]
    opsets = [entry for entry in model.opset_import if entry.domain != DOMAIN]
    model.functions.append(
        helper.make_function(
            DOMAIN, name, [group.source], [group.result], [*body, *group.nodes], opsets
        )
    )
    call = helper.make_node(name, [group.source], [group.result], f"{name}_call", domain=DOMAIN)
    position = next(i for i, node in enumerate(graph.node) if group.result in node.output)
    graph.node.remove(graph.node[position])
    graph.node.insert(position, call)
    _drop_unread(graph)


def _drop_unread(graph: Any) -> None:
    """Remove nodes that nothing reads any more, last first."""
    read = {value.name for value in graph.output}
    for node in reversed(list(graph.node)):
        if not read.intersection(node.output):
            graph.node.remove(node)
        else:
            read.update(node.input)
