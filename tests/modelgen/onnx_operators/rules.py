"""The table of rules, and what rules share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..draw import Quant
from .graph import Graph, Value

MICROSOFT = "com.microsoft"
LARGE = 2500
UNIT_QUANT = Quant(1 / 256, -128)
SIGNED_UNIT_QUANT = Quant(1 / 128, 0)

Rule = Callable[[Graph, Value], list[Value]]
RULES: dict[str, Rule] = {}
RANKS: dict[str, tuple[int, ...]] = {}
ANY_RANK = (2, 3, 4)
# From this version on all reductions take their axes as an input.
REDUCTION_AXES_OPSET = 18


def rule(name: str, ranks: tuple[int, ...] = ANY_RANK) -> Callable[[Rule], Rule]:
    """Registers a rule for inputs of the given ranks."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        RANKS[name] = ranks
        return function

    return register


def simple(
    graph: Graph,
    op: str,
    x: Value,
    quant: Quant,
    shape: Sequence[int] | None = None,
    extra: Sequence[str] = (),
    domain: str = "",
    **attrs: Any,
) -> list[Value]:
    """One float operator between dequantized x (and constants) and a QuantizeLinear."""
    (name,) = graph.node(op, [graph.dequantize(x), *extra], domain=domain, **attrs)
    return [graph.quantize(name, x.shape if shape is None else shape, quant)]


def ints(graph: Graph, stem: str, values: Sequence[int]) -> str:
    return graph.constant(stem, np.asarray(values, "int64"))


def reduced(graph: Graph, op: str, name: str, axes: Sequence[int] | None, keep: int) -> str:
    """A reduction; `axes` of all but ReduceSum are an attribute until `axes_as_inputs`."""
    if axes is None:
        return graph.node(op, [name], keepdims=keep)[0]
    if op == "ReduceSum":
        return graph.node(op, [name, ints(graph, "axes", axes)], keepdims=keep)[0]
    return graph.node(op, [name], axes=list(axes), keepdims=keep)[0]


def axes_as_inputs(graph: Graph) -> None:
    """Give reductions their `axes` as opset 18 has them, where the graph is of that opset."""
    if graph.opset < REDUCTION_AXES_OPSET:
        return
    for node in graph.nodes:
        if node.op_type.startswith("Reduce"):
            for attribute in [a for a in node.attribute if a.name == "axes"]:
                node.input.append(ints(graph, "axes", attribute.ints))
                node.attribute.remove(attribute)
