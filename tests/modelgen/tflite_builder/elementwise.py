"""Operators on single elements, and reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..draw import Quant
from .graph import Graph, Tensor


class Elementwise(Graph):
    """Operators whose result depends on no neighbours, and sums over axes."""

    def binary(
        self, code: str, a: Tensor, b: Tensor, out: Quant, *, activation: str | None = None
    ) -> Tensor:
        """ADD, SUB, MUL (with a fused activation), MAXIMUM or MINIMUM (without), broadcasting."""
        fused = {} if activation is None else {"fused_activation_function": activation}
        return self.operator(code, [a, b], np.broadcast_shapes(a.shape, b.shape), out, **fused)

    def unary(self, code: str, x: Tensor, out: Quant, **options: Any) -> Tensor:
        """SOFTMAX (beta), LOGISTIC, TANH, HARD_SWISH, RELU, RELU6, LEAKY_RELU (alpha)."""
        return self.operator(code, [x], x.shape, out, **options)

    def prelu(self, x: Tensor, alpha: np.ndarray, alpha_quant: Quant, out: Quant) -> Tensor:
        slope = self.constant("alpha", alpha, (alpha_quant.scale,), alpha_quant.zero_point)
        return self.operator("PRELU", [x, slope], x.shape, out)

    def quantize(self, x: Tensor, out: Quant, dtype: str = "int8") -> Tensor:
        """From float32, or from another quantization."""
        return self.operator("QUANTIZE", [x], x.shape, out, dtype)

    def dequantize(self, x: Tensor) -> Tensor:
        return self.operator("DEQUANTIZE", [x], x.shape, None, "float32")

    def reduce(
        self, code: str, x: Tensor, axes: Sequence[int], out: Quant, *, keep_dims: bool
    ) -> Tensor:
        """MEAN, SUM, REDUCE_MAX or REDUCE_MIN."""
        reduced = {axis % x.rank for axis in axes}
        shape = [
            1 if i in reduced else d for i, d in enumerate(x.shape) if keep_dims or i not in reduced
        ]
        return self.operator(code, [x, self.ints("axes", axes)], shape, out, keep_dims=keep_dims)

    def arg_extreme(self, code: str, x: Tensor, axis: int) -> Tensor:
        """int32 indices without the reduced axis."""
        shape = [d for i, d in enumerate(x.shape) if i != axis % x.rank]
        return self.operator(
            code, [x, self.ints("axis", axis)], shape, None, "int32", output_type="INT32"
        )
