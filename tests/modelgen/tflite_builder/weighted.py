"""Convolutions and products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..draw import Quant
from .graph import Graph, Tensor
from .windows import window_extents


class Weighted(Graph):
    """Operators that multiply and accumulate."""

    def conv2d(
        self,
        x: Tensor,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        out: Quant,
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: str = "SAME",
        activation: str = "NONE",
    ) -> Tensor:
        """x [N,H,W,C], weights int8 [O,KH,KW,C/groups], bias int32 [O]; stride (h, w)."""
        height, width = window_extents(x, weights.shape[1:3], stride, dilation, padding)
        return self.operator(
            "CONV_2D",
            self._weighted(x, weights, scales, bias, axis=0),
            (x.shape[0], height, width, weights.shape[0]),
            out,
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
            dilation_h_factor=dilation[0],
            dilation_w_factor=dilation[1],
            fused_activation_function=activation,
        )

    def depthwise_conv2d(
        self,
        x: Tensor,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        out: Quant,
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: str = "SAME",
        activation: str = "NONE",
    ) -> Tensor:
        """x [N,H,W,C], weights int8 [1,KH,KW,C*multiplier], bias int32 [C*multiplier]."""
        height, width = window_extents(x, weights.shape[1:3], stride, dilation, padding)
        return self.operator(
            "DEPTHWISE_CONV_2D",
            self._weighted(x, weights, scales, bias, axis=3),
            (x.shape[0], height, width, weights.shape[3]),
            out,
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
            depth_multiplier=weights.shape[3] // x.shape[3],
            dilation_h_factor=dilation[0],
            dilation_w_factor=dilation[1],
            fused_activation_function=activation,
        )

    def transpose_conv(
        self,
        x: Tensor,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        out: Quant,
        extent: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: str = "SAME",
        activation: str = "NONE",
    ) -> Tensor:
        """x [N,H,W,C], weights int8 [O,KH,KW,C], extent: the output's height and width."""
        shape = (x.shape[0], *extent, weights.shape[0])
        _, w, *b = self._weighted(x, weights, scales, bias, axis=0)
        return self.operator(
            "TRANSPOSE_CONV",
            [self.ints("output_shape", shape), w, x, *b],
            shape,
            out,
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
            fused_activation_function=activation,
        )

    def fully_connected(
        self,
        x: Tensor,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        out: Quant,
        *,
        activation: str = "NONE",
        keep_num_dims: bool = False,
    ) -> Tensor:
        """x [..., I] or anything of n*I elements, weights int8 [O, I], bias int32 [O]."""
        rows, columns = weights.shape
        shape = (*x.shape[:-1], rows) if keep_num_dims else (x.size // columns, rows)
        return self.operator(
            "FULLY_CONNECTED",
            self._weighted(x, weights, scales, bias, axis=0),
            shape,
            out,
            fused_activation_function=activation,
            keep_num_dims=keep_num_dims,
        )

    def fully_connected_at_run_time(
        self,
        x: Tensor,
        weights: Tensor,
        bias: np.ndarray | None,
        out: Quant,
        *,
        activation: str = "NONE",
    ) -> Tensor:
        """As `fully_connected` with [O, I] weights that are another tensor of the graph."""
        terms = (
            [] if bias is None else [self.constant("bias", bias, [x.scales[0] * weights.scales[0]])]
        )
        return self.operator(
            "FULLY_CONNECTED",
            [x, weights, *(terms or [None])],
            (x.size // weights.shape[1], weights.shape[0]),
            out,
            fused_activation_function=activation,
            keep_num_dims=False,
        )

    def batch_matmul(
        self, a: Tensor, b: Tensor, out: Quant, *, adj_x: bool = False, adj_y: bool = False
    ) -> Tensor:
        """a [..., M, K] (or [..., K, M] with adj_x) times b [..., K, N] (or [..., N, K])."""
        rows, columns = a.shape[-1 if adj_x else -2], b.shape[-2 if adj_y else -1]
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*batch, rows, columns)
        return self.operator("BATCH_MATMUL", [a, b], shape, out, adj_x=adj_x, adj_y=adj_y)

    def _narrow(self, weights: np.ndarray) -> bool:
        """Whether weights are stored in four bits: where all of them fit and are not a few."""
        return weights.size > 8 and int(weights.min()) >= -8 and int(weights.max()) <= 7

    def _weighted(
        self,
        x: Tensor,
        weights: np.ndarray,
        scales: Sequence[float],
        bias: np.ndarray | None,
        axis: int,
    ) -> list[Tensor | None]:
        """Inputs x, weights and, if any, the bias with scale x's times the weights'."""
        w = self.constant("weights", weights, scales, axis=axis, narrow=self._narrow(weights))
        if bias is None:
            # Converters mark a missing bias with -1 here and leave it out in convolutions.
            return [x, w, None] if weights.ndim == 2 else [x, w]
        bias_scales = [x.scales[0] * s for s in w.scales]
        return [x, w, self.constant("bias", bias, bias_scales)]
