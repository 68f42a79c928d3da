"""Operators that ONNX models spell out between two quantizations, as the one that they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from .onnx_values import Node

Array = npt.NDArray[Any]


class Chain:
    """A graph's nodes by the tensors that they make, and how often each tensor is read."""

    def __init__(self, nodes: Sequence[Node], constants: Mapping[str, Array]) -> None:
        self.constants = constants
        self._makers = {name: node for node in nodes for name in node.outputs}
        self._reads = Counter(name for node in nodes for name in node.inputs)
        self._users = {name: node for node in nodes for name in node.inputs}

    def made_by(self, name: str, *ops: str) -> Node | None:
        """The operator that makes the tensor, if it is one of `ops`."""
        node = self._makers.get(name)
        return node if node is not None and not node.domain and node.op in ops else None

    def is_quantized(self, node: Node) -> bool:
        """Whether the node's only result is only read by a QuantizeLinear."""
        (name,) = node.outputs
        user = self._users.get(name)
        return self._reads[name] == 1 and user is not None and user.op == "QuantizeLinear"

    def scalar(self, name: str) -> float | None:
        """The value of a constant of one element."""
        value = self.constants.get(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None


def squared_difference(chain: Chain, node: Node) -> Node | None:
    """Mul(d, d) or Pow(d, 2) with d = Sub(a, b) of two dequantized tensors."""
    if node.op not in ("Mul", "Pow") or not chain.is_quantized(node):
        return None
    first, second = node.inputs
    difference = chain.made_by(first, "Sub")
    squares = first == second if node.op == "Mul" else chain.scalar(second) == 2.0
    if difference is None or not squares:
        return None
    if any(chain.made_by(name, "DequantizeLinear") is None for name in difference.inputs):
        return None
    return replace(node, op="SquaredDifference", inputs=difference.inputs, attributes={})


FUSIONS: tuple[Callable[[Chain, Node], Node | None], ...] = (squared_difference,)


def fuse(nodes: Sequence[Node], constants: Mapping[str, Array]) -> tuple[Node, ...]:
    """The nodes with each last operator of a known chain replaced; the others stay, unread."""
    chain = Chain(nodes, constants)
    return tuple(_fused(chain, node) for node in nodes)


def _fused(chain: Chain, node: Node) -> Node:
    found = (fusion(chain, node) for fusion in FUSIONS)
    return next((new for new in found if new is not None), node)
