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
    """A quantized tensor; the zero point counts in int8, whatever the graph stores."""

    name: str
    shape: tuple[int, ...]
    quant: Quant

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass
class Graph:
    """A model under construction; `dtype` (int8 or uint8) is that of all activations."""

    draw: Draw
    dtype: str = "int8"
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
        self.nodes.append(helper.make_node(op, list(inputs), names, names[0], domain=domain,
                                           **attrs))
        self.domains.add(domain)
        return names

    def stored(self, codes: np.ndarray) -> np.ndarray:
        """int8 codes as the graph's activations store them."""
        if self.dtype == "int8":
            return codes.astype("int8")
        return (codes.astype("int16") + 128).astype("uint8")

    def parameters(self, quant: Quant) -> list[str]:
        """Constants of an activation's scale and zero point."""
        return [self.constant("scale", np.float32(quant.scale)),
                self.constant("zero_point", self.stored(np.asarray(quant.zero_point)))]

    def quantize(self, name: str, shape: Sequence[int], quant: Quant) -> Value:
        (out,) = self.node("QuantizeLinear", [name, *self.parameters(quant)])
        return self.record(out, shape, quant)

    def record(self, name: str, shape: Sequence[int], quant: Quant) -> Value:
        """A quantized tensor that some node has written."""
        self.written.append(Value(name, tuple(int(d) for d in shape), quant))
        return self.written[-1]

    def dequantize(self, value: Value) -> str:
        return self.node("DequantizeLinear", [value.name, *self.parameters(value.quant)])[0]

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
        names = [self.constant(stem, codes), self.constant("scale", scale),
                 self.constant("zero_point", zero)]
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
        kind = TensorProto.INT8 if self.dtype == "int8" else TensorProto.UINT8
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return Value(name, shape, quant)

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
