"""Recognizes operators that ONNX models spell out in several float operators.

`find` looks at a chain's last operator. It serves the frontend's graphs and the reference's, whose
nodes have the same attributes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# A node of the frontend or of the reference: it has `op`, `domain`, `inputs`, `outputs`, and
# `attributes` or `attrs`.
AnyNode = Any


@dataclass(frozen=True)
class Fused:
    """The operator that a chain is equal to: its name, its inputs and its attributes."""

    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)


def attributes_of(node: AnyNode) -> dict[str, Any]:
    """The attributes of a node of the frontend or of the reference."""
    found: dict[str, Any] = node.attributes if hasattr(node, "attributes") else node.attrs
    return found


class Chain:
    """A graph's nodes by the tensors that they make, with the number of readers."""

    def __init__(self, nodes: Sequence[AnyNode], constants: Mapping[str, Array]) -> None:
        self.constants = constants
        self._makers = {name: node for node in nodes for name in node.outputs if name}
        self._reads = Counter(name for node in nodes for name in dict.fromkeys(node.inputs))
        self._users = {name: node for node in nodes for name in node.inputs}

    def made_by(self, name: str, *ops: str) -> AnyNode | None:
        """The operator that makes the tensor; None if it is not one of `ops`."""
        node = self._makers.get(name)
        return node if node is not None and not node.domain and node.op in ops else None

    def reader(self, node: AnyNode, *ops: str) -> AnyNode | None:
        """The only operator that reads the node's result, if it is one of `ops`."""
        name = node.outputs[0]
        user = self._users.get(name)
        return user if self._reads[name] == 1 and user is not None and user.op in ops else None

    def is_quantized(self, node: AnyNode) -> bool:
        """Whether only a QuantizeLinear reads the result, possibly after Relu or Clip."""
        user = self.reader(node, "QuantizeLinear", "Relu", "Clip")
        return user is not None and (user.op == "QuantizeLinear" or self.is_quantized(user))

    def same(self, left: str, right: str) -> bool:
        """Whether two names are one tensor, or dequantize one tensor in the same way."""
        first, second = (self.made_by(name, "DequantizeLinear") for name in (left, right))
        return left == right or (
            first is not None and second is not None and first.inputs == second.inputs
        )

    def is_constant(self, name: str) -> bool:
        """Whether the tensor is a constant, dequantized or not."""
        source = self.made_by(name, "DequantizeLinear")
        return name in self.constants or (source is not None and source.inputs[0] in self.constants)

    def real(self, name: str) -> Array | None:
        """The values of a constant, dequantized if need be; None for any other tensor."""
        source = self.made_by(name, "DequantizeLinear")
        if source is None:
            return self.constants.get(name)
        parts = [self.constants.get(part) for part in source.inputs]
        if parts[0] is None or any(part is None for part in parts):
            return None
        raw, scale, *zero = (np.asarray(part) for part in parts)
        shape = [1] * raw.ndim
        if scale.size > 1:
            shape[attributes_of(source).get("axis", 1)] = -1
        level = zero[0].astype("int64").reshape(shape) if zero else 0
        return np.asarray((raw.astype("int64") - level) * scale.astype("float64").reshape(shape))

    def is_table(self, name: str) -> bool:
        """Whether the operand is a number or a float constant.

        An operator on another tensor and such an operand is a function of one tensor, a table.
        """
        value = self.real(name) if self.is_constant(name) else None
        return name in self.constants or (value is not None and value.size == 1)

    def scalar(self, name: str) -> float | None:
        """The value of a constant of one element; None for any other tensor."""
        value = self.constants.get(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def split(self, node: AnyNode | None) -> tuple[str, str] | None:
        """(non-constant operand, constant operand) of a commutative operator, else None."""
        if node is None or len(node.inputs) != 2:
            return None
        a, b = node.inputs
        if self.is_constant(a) == self.is_constant(b):
            return None
        return (b, a) if self.is_constant(a) else (a, b)


def squared_difference(chain: Chain, node: AnyNode) -> Fused | None:
    """Mul(d, d) or Pow(d, 2) with d = Sub(a, b), as SquaredDifference(a, b)."""
    squared = _squared(chain, node)
    difference = chain.made_by(squared, "Sub") if squared is not None else None
    if difference is None or any(chain.is_table(name) for name in difference.inputs):
        return None
    return Fused("SquaredDifference", tuple(difference.inputs))


def _squared(chain: Chain, node: AnyNode | None) -> str | None:
    """The tensor that the node squares; None if it is no square."""
    if node is None or node.op not in ("Mul", "Pow") or len(node.inputs) != 2:
        return None
    first, second = node.inputs
    squares = chain.same(first, second) if node.op == "Mul" else chain.scalar(second) == 2.0
    return first if squares else None


def layer_norm(chain: Chain, node: AnyNode) -> Fused | None:
    """Layer or RMS normalization, spelled out; the node is the last of the chain.

    (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps) * gain + offset, where gain and offset may be
    left out. Without the subtractions it is RMSNormalization, which has no offset. The attribute
    `axes` says which axes are normalized.
    """
    offset = chain.split(node) if node.op == "Add" else None
    scaled = chain.made_by(offset[0], "Mul") if offset is not None else node
    gain = chain.split(scaled) if scaled is not None and scaled.op == "Mul" else None
    if offset is not None and gain is None:
        return None
    found = _normalized(chain, gain[0] if gain is not None else node.outputs[0])
    if found is None or _goes_on(chain, node, gain, offset, found.op):
        return None
    parameters = [part[1] if part is not None else "" for part in (gain, offset)]
    if found.op == "RMSNormalization":
        parameters = parameters[:1] if offset is None else []
    if not parameters:
        return None
    return Fused(found.op, (*found.inputs, *parameters), found.attributes)


def _goes_on(
    chain: Chain,
    node: AnyNode,
    gain: tuple[str, str] | None,
    offset: tuple[str, str] | None,
    op: str,
) -> bool:
    """Whether a gain or an offset follows: the node is not the chain's last then."""
    if gain is None and chain.split(chain.reader(node, "Mul")) is not None:
        return True
    takes = gain is not None and offset is None and op == "LayerNormalization"
    return takes and chain.split(chain.reader(node, "Add")) is not None


def _normalized(chain: Chain, name: str) -> Fused | None:
    """d / sqrt(mean(d^2) + eps), also as a product with the reciprocal."""
    quotient = chain.made_by(name, "Div", "Mul")
    if quotient is None:
        return None
    above, below = quotient.inputs
    if quotient.op == "Mul":
        inverse = chain.made_by(below, "Reciprocal", "Div")
        if inverse is None or (inverse.op == "Div" and chain.scalar(inverse.inputs[0]) != 1.0):
            return None
        below = inverse.inputs[-1]
    root = chain.made_by(below, "Sqrt")
    total = chain.split(chain.made_by(root.inputs[0], "Add")) if root is not None else None
    epsilon = chain.scalar(total[1]) if total is not None else None
    mean = chain.made_by(total[0], "ReduceMean") if total is not None else None
    squared = _squared(chain, chain.made_by(mean.inputs[0], "Mul", "Pow")) if mean else None
    axes = _axes(chain, mean) if mean is not None else None
    if epsilon is None or axes is None or squared is None or not chain.same(squared, above):
        return None
    attributes = {"epsilon": epsilon, "axes": axes}
    centred = _centred(chain, above, axes)
    if centred is not None:
        return Fused("LayerNormalization", (centred,), attributes)
    return Fused("RMSNormalization", (above,), attributes)


def _centred(chain: Chain, name: str, axes: tuple[int, ...]) -> str | None:
    """x where the tensor is x - mean(x) over the same axes, else None."""
    difference = chain.made_by(name, "Sub")
    mean = chain.made_by(difference.inputs[1], "ReduceMean") if difference is not None else None
    if difference is None or mean is None or _axes(chain, mean) != axes:
        return None
    x = str(difference.inputs[0])
    return x if chain.same(mean.inputs[0], x) else None


def _axes(chain: Chain, mean: AnyNode) -> tuple[int, ...] | None:
    """The axes of a ReduceMean that keeps them, else None.

    None also where the axes are not constant.
    """
    attributes = attributes_of(mean)
    axes = attributes.get("axes")
    if len(mean.inputs) > 1 and mean.inputs[1] in chain.constants:
        axes = chain.constants[mean.inputs[1]].reshape(-1)
    if axes is None or not attributes.get("keepdims", 1):
        return None
    return tuple(int(axis) for axis in axes)


def affine(chain: Chain, node: AnyNode) -> Fused | None:
    """Products, sums and batch normalization of one tensor with constant tensors.

    A chain whose constants are all single numbers is no such operator. Attribute `line`: a function
    from the tensor's rank to (its name, gain, offset).
    """
    operands = [name for name in node.inputs if chain.made_by(name, "DequantizeLinear")]
    line = _line(chain, node.outputs[0], 4) if len(operands) < 2 else None
    if line is None or max(part.size for part in line[1:]) == 1:
        return None
    return Fused("Affine", line[:1], {"line": partial(_line, chain, node.outputs[0])})


Line = tuple[str, Array, Array]


def _line(chain: Chain, name: str, rank: int) -> Line | None:
    """(x, gain, offset) of a tensor gain * x + offset, with x dequantized."""
    if chain.made_by(name, "DequantizeLinear"):
        return None if chain.is_constant(name) else (name, np.ones(()), np.zeros(()))
    node = chain.made_by(name, "Add", "Sub", "Mul", "Div", "BatchNormalization")
    if node is None:
        return None
    if node.op == "BatchNormalization":
        return _batch_norm(chain, node, rank)
    for position, other in enumerate(node.inputs):
        value = chain.real(other)
        inner = _line(chain, node.inputs[1 - position], rank) if value is not None else None
        if value is not None and inner is not None:
            return _step(node.op, inner, value.astype("float64"), position)
    return None


def _step(op: str, line: Line, value: Array, position: int) -> Line | None:
    x, gain, offset = line
    if op == "Mul":
        return x, gain * value, offset * value
    if op == "Add":
        return x, gain, offset + value
    if op == "Sub":
        return (x, gain, offset - value) if position else (x, -gain, value - offset)
    return (x, gain / value, offset / value) if position and value.all() else None


def _batch_norm(chain: Chain, node: AnyNode, rank: int) -> Line | None:
    """BatchNormalization with constant statistics, of [N, C, ...]."""
    values = [chain.real(name) for name in node.inputs[1:5]]
    line = _line(chain, node.inputs[0], rank)
    if line is None or any(value is None for value in values):
        return None
    gamma, beta, mean, variance = (np.asarray(value, "float64") for value in values)
    gain = gamma / np.sqrt(variance + float(attributes_of(node).get("epsilon", 1e-5)))
    offset = (beta - gain * mean).astype("float32").astype("float64")
    gain = gain.astype("float32").astype("float64")
    shape = (-1,) + (1,) * (rank - 2)
    product = _step("Mul", line, gain.reshape(shape), 1)
    return _step("Add", product, offset.reshape(shape), 1) if product is not None else None


FUSIONS: tuple[Callable[[Chain, AnyNode], Fused | None], ...] = (
    squared_difference,
    layer_norm,
    affine,
)


def find(chain: Chain, node: AnyNode) -> Fused | None:
    """The operator that a chain ending with this node equals, if it is known."""
    if node.domain:
        return None
    found = (fusion(chain, node) for fusion in FUSIONS)
    return next((fused for fused in found if fused is not None), None)
