"""A small mutable graph, in which ONNX models are prepared before they become Relax.

ONNX protobufs are awkward to rewrite: constants hide in nodes, initializers and attributes, and
every lookup is a search. `Graph` holds the same content as plain Python: nodes in topological
order, constants as NumPy arrays, static types by tensor name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Refused(Exception):  # noqa: N818 - a signal between modules, never shown to users
    """A signal that one operator cannot be expressed; all refusals are reported together."""


@dataclass(frozen=True)
class TensorType:
    """Static type of a tensor: shape and NumPy dtype name."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(eq=False)
class Node:
    """One operator: type, tensor names in and out ("" is an absent optional), attributes."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)
    domain: str = ""

    @property
    def where(self) -> str:
        """The operator's name in messages: `Conv (tensor 'x')`."""
        tensor = next((name for name in self.outputs if name), "")
        return f"{self.op} (tensor '{tensor}')"

    def input(self, index: int) -> str:
        """The name of input `index`, or "" where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass(frozen=True, eq=False)
class QParams:
    """Quantization parameters: real = scale * (q - zero_point).

    `scale` is float32 and `zero_point` of the quantized dtype; both are scalars (`axis` is -1), or
    both have one element for each index along `axis`.
    """

    scale: Array
    zero_point: Array
    axis: int = -1

    @property
    def per_tensor(self) -> bool:
        """Whether one scale holds for the whole tensor."""
        return self.scale.ndim == 0

    def real(self, integers: Array) -> Array:
        """The float32 values that `integers` stand for."""
        shape = [1] * integers.ndim
        if not self.per_tensor:
            shape[self.axis] = -1
        offset = integers.astype(np.int64) - self.zero_point.astype(np.int64).reshape(shape)
        return np.asarray(offset.astype(np.float32) * self.scale.reshape(shape), np.float32)

    def same(self, other: QParams) -> bool:
        """Whether both describe the same integers."""
        return (
            self.axis == other.axis
            and self.zero_point.dtype == other.zero_point.dtype
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )


@dataclass
class Graph:
    """A model as plain Python values; `outputs` are tensor names in the model's order."""

    nodes: list[Node]
    constants: dict[str, Array]
    inputs: dict[str, TensorType]
    outputs: list[str]
    types: dict[str, TensorType]
    opset: int

    def __post_init__(self) -> None:
        self._names = {*self.constants, *self.inputs, *self.types, *self.outputs}
        for node in self.nodes:
            self._names.update(node.inputs, node.outputs)

    def fresh(self, base: str) -> str:
        """A tensor name not used so far: `base`, else `base_1`, `base_2`, ..."""
        name, count = base, 0
        while name in self._names:
            count += 1
            name = f"{base}_{count}"
        self._names.add(name)
        return name

    def constant(self, base: str, value: Array) -> str:
        """Store `value` under a fresh name and return the name."""
        name = self.fresh(base)
        self.constants[name] = value
        return name

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The static shape of a tensor; None where it is not known."""
        known = self.types.get(name)
        return None if known is None else known.shape

    def real(self, name: str) -> Array | None:
        """The value of a constant, dequantized where it is quantized; None for other tensors."""
        if name in self.constants:
            return self.constants[name]
        source = self.producers().get(name)
        if source is None or source.op != "DequantizeLinear":
            return None
        raw = self.constants.get(source.inputs[0])
        return None if raw is None else self.qparams(source).real(raw)

    def producers(self) -> dict[str, Node]:
        """The node that makes each tensor; inputs and constants have none."""
        return {out: node for node in self.nodes for out in node.outputs if out}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor, in order; model outputs do not count."""
        users: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    users.setdefault(name, []).append(node)
        return users

    def sole_consumer(self, name: str) -> Node | None:
        """The only reader of a tensor.

        None if several nodes read it, or if it is a model output.
        """
        users = self.consumers().get(name, [])
        return users[0] if len(users) == 1 and name not in self.outputs else None

    def replace(self, changes: dict[int, list[Node]]) -> None:
        """Replace nodes (keys: `id(node)`) by lists of nodes, at the same position in the order."""
        self.nodes = [new for node in self.nodes for new in changes.get(id(node), [node])]

    def rename_uses(self, old: str, new: str) -> None:
        """Let every reader of `old` read `new`."""
        for node in self.nodes:
            node.inputs = [new if name == old else name for name in node.inputs]

    def dequantized(self) -> Iterator[Node]:
        """All DequantizeLinear nodes."""
        return (node for node in self.nodes if node.op == "DequantizeLinear")

    def qparams(self, node: Node) -> QParams:
        """Parameters of a QuantizeLinear or DequantizeLinear, after `normalize_qdq`."""
        scale, zero_point = (self.constants[name] for name in node.inputs[1:3])
        return QParams(scale, zero_point, node.attrs["axis"])

    def quantize(self, source: str, target: str, params: QParams) -> Node:
        """A QuantizeLinear from `source` to `target`, not yet inserted in the graph."""
        return self._qdq("QuantizeLinear", source, target, params)

    def dequantize(self, source: str, target: str, params: QParams) -> Node:
        """A DequantizeLinear from `source` to `target`, not yet inserted in the graph."""
        return self._qdq("DequantizeLinear", source, target, params)

    def _qdq(self, op: str, source: str, target: str, params: QParams) -> Node:
        scale = self.constant(f"{target}_scale", params.scale)
        zero_point = self.constant(f"{target}_zero_point", params.zero_point)
        return Node(op, [source, scale, zero_point], [target], {"axis": params.axis})
