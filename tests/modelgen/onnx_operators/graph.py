"""The ONNX graph a rule appends to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..draw import USUAL_SCALE, Draw, Quant

# Indices that models take at run time lie from -INDICES to INDICES - 1.
INDICES = 4


@dataclass(frozen=True)
class Value:
    """A quantized tensor; the zero point counts in int8, whatever is stored.

    dtype: int8 or uint8, as which it is stored; that of the graph's activations where empty.
    """

    name: str
    shape: tuple[int, ...]
    quant: Quant
    dtype: str = ""

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Graph:
    """A model under construction; `dtype` (int8 or uint8) is that of all activations.

    unequal: any activation may be of the other type, and every QuantizeLinear and
    DequantizeLinear may have a scale and zero point of its own.
    """

    draw: Draw
    dtype: str = "int8"
    unequal: bool = False
    opset: int = 13
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    pool: list[Value] = field(default_factory=list)
    written: list[Value] = field(default_factory=list)
    domains: set[str] = field(default_factory=set)

    def fresh(self, stem: str) -> str:
        return f"/{stem}_{len(self.nodes)}_{len(self.constants)}"

    def constant(self, stem: str, array: np.ndarray) -> str:
        name = self.fresh(stem)
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(
        self, op: str, inputs: Sequence[str], *, outputs: int = 1, domain: str = "", **attrs: Any
    ) -> list[str]:
        """Appends a node; gives the names of its outputs."""
        names = [f"{self.fresh(op)}/out{i}" for i in range(outputs)]
        self.nodes.append(
            helper.make_node(op, list(inputs), names, names[0], domain=domain, **attrs)
        )
        self.domains.add(domain)
        return names

    def stored(self, codes: np.ndarray, dtype: str = "") -> np.ndarray:
        """int8 codes as activations of that type, or of the graph's own, are stored."""
        if (dtype or self.dtype) == "int8":
            return codes.astype("int8")
        return (codes.astype("int16") + 128).astype("uint8")

    def parameters(self, quant: Quant, dtype: str = "") -> list[str]:
        """Constants of an activation's scale and zero point."""
        zero = self.stored(np.asarray(quant.zero_point), dtype)
        return [self.constant("scale", np.float32(quant.scale)), self.constant("zero_point", zero)]

    def quantize(self, name: str, shape: Sequence[int], quant: Quant) -> Value:
        quant, dtype = self._moved(quant), self._type()
        (out,) = self.node("QuantizeLinear", [name, *self.parameters(quant, dtype)])
        return self.record(out, shape, quant, dtype)

    def record(self, name: str, shape: Sequence[int], quant: Quant, dtype: str = "") -> Value:
        """A quantized tensor that some node has written."""
        self.written.append(Value(name, tuple(int(d) for d in shape), quant, dtype))
        return self.written[-1]

    def dequantize(self, value: Value) -> str:
        parameters = self.parameters(self._moved(value.quant), value.dtype)
        return self.node("DequantizeLinear", [value.name, *parameters])[0]

    def _type(self) -> str:
        return self.draw.choice(("int8", "uint8")) if self.unequal else ""

    def _moved(self, quant: Quant) -> Quant:
        """`quant` or, in half of the cases of an unequal graph, another one near it."""
        if not self.unequal or self.draw.chance(0.5):
            return quant
        scale = min(quant.scale * self.draw.log_uniform(0.4, 2.5), 2.0)
        return Quant(scale, self.draw.zero_point())

    def dequantized_constant(
        self, stem: str, codes: np.ndarray, scale: np.ndarray, axis: int = 0
    ) -> str:
        """DequantizeLinear of weights or a bias; `scale` is a scalar or has one axis.

        Weights are symmetric but for some, whose zero points may leave nine bits.
        """
        scale = np.asarray(scale, "float32")
        if codes.dtype == np.int8 and self.draw.chance(0.2):
            zero = self.draw.integers(scale.shape, -20, 20, "int8")
        elif codes.dtype == np.int8 and scale.ndim == 0 and self.dtype == "uint8":
            codes, zero = (codes.astype("int16") + 128).astype("uint8"), np.uint8(128)
        else:
            zero = np.zeros(scale.shape, codes.dtype)
        names = [
            self.constant(stem, codes),
            self.constant("scale", scale),
            self.constant("zero_point", zero),
        ]
        return self.node("DequantizeLinear", names, **({"axis": axis} if scale.ndim else {}))[0]

    def quant(self) -> Quant:
        return Quant(self.draw.log_uniform(*USUAL_SCALE), self.draw.zero_point())

    def quant_near(self, scale: float) -> Quant:
        # Chains of products must not drift to ranges no network has.
        usual = min(scale * self.draw.log_uniform(0.5, 2.0), 2.0)
        return Quant(usual, self.draw.zero_point())

    def new_input(self, shape: tuple[int, ...], quant: Quant) -> Value:
        """A float input and its QuantizeLinear, or an input that is already quantized."""
        name = f"input.{len(self.inputs)}"
        if self.draw.chance(0.7):
            self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            return self.quantize(name, shape, quant)
        dtype = self._type()
        self.inputs.append(helper.make_tensor_value_info(name, self.kind(dtype), shape))
        return Value(name, shape, quant, dtype)

    def kind(self, dtype: str) -> int:
        """ONNX's number of the type in which an activation is stored."""
        is_signed = (dtype or self.dtype) == "int8"
        return int(TensorProto.INT8 if is_signed else TensorProto.UINT8)

    def constant_value(self, shape: tuple[int, ...]) -> Value:
        codes = self.draw.integers(shape, -128, 127, "int8")
        return Value(self.constant("constant", self.stored(codes)), shape, self.quant())

    def activation(self, name: str) -> str:
        """A Relu or Clip between the operator and its QuantizeLinear, or neither."""
        kind = self.draw.integer(0, 4)
        if kind == 0:
            return self.node("Relu", [name])[0]
        if kind == 1:
            limits = self.draw.choice(((0.0, 6.0), (-1.0, 1.0)))
            low, high = (self.constant("limit", np.float32(v)) for v in limits)
            return self.node("Clip", [name, low, high])[0]
        return name
