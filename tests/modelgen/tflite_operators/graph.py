"""The graph a TFLite rule appends to, and the table of rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..draw import Draw, Quant
from ..tflite_builder import Builder, Tensor

# Indices that models take at run time lie below this.
INDICES = 4
ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
# Fixed by the kernels: outputs lie in [0, 1) and [-1, 1).
UNIT_QUANT = Quant(1 / 256, -128)
SIGNED_UNIT_QUANT = Quant(1 / 128, 0)
# Above this no rule makes tensors larger, so that a model stays a matter of milliseconds.
LARGE = 2500
# Values times multiplier must stay below this for the doubling high multiply's left shift.
PRODUCT_LIMIT = 2.0**28


@dataclass
class Graph:
    """A model under construction: its builder, and the int8 tensors that rules may read."""

    draw: Draw
    builder: Builder = field(default_factory=Builder)
    pool: list[Tensor] = field(default_factory=list)

    def constant_like(self, shape: tuple[int, ...], quant: Quant) -> Tensor:
        data = self.draw.integers(shape, -128, 127, "int8")
        return self.builder.constant("constant", data, (quant.scale,), quant.zero_point)

    def new_input(self, shape: tuple[int, ...], quant: Quant) -> Tensor:
        """An int8 tensor fed by a model input of type int8, float32 or uint8."""
        kind = self.draw.integer(0, 9)
        if kind == 0:
            return self.builder.quantize(self.builder.input(shape, None, "float32"), quant)
        if kind == 1:
            outer = self.builder.outer(quant)
            return self.builder.quantize(self.builder.input(shape, outer, "uint8"), quant)
        return self.builder.input(shape, quant)

    def activation(self) -> str:
        return self.draw.choice(ACTIVATIONS)


Rule = Callable[[Graph, Tensor], list[Tensor]]
RULES: dict[str, Rule] = {}
RANKS: dict[str, tuple[int, ...]] = {}
ANY_RANK = (1, 2, 3, 4)


def rule(code: str, ranks: tuple[int, ...] = ANY_RANK) -> Callable[[Rule], Rule]:
    """Registers the rule of one operator for inputs of the given ranks."""

    def register(function: Rule) -> Rule:
        RULES[code] = function
        RANKS[code] = ranks
        return function

    return register


def applies(code: str, x: Tensor) -> bool:
    """Whether the operator's kernel takes a tensor of this shape."""
    # The softmax kernel aborts where a sum of exponentials, each at most one, reaches 512.
    return x.rank in RANKS[code] and not (code == "SOFTMAX" and x.shape[-1] >= 512)
