"""Pooling and resize, and how far a window reaches."""

from __future__ import annotations

from collections.abc import Sequence

from .graph import Graph, Tensor


def window_extent(extent: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Output extent of a sliding window."""
    covered = (kernel - 1) * dilation + 1
    return -(-extent // stride) if padding == "SAME" else -(-(extent - covered + 1) // stride)


def window_extents(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], padding: str
) -> tuple[int, int]:
    """Output height and width of a window that slides over x [N,H,W,C]."""
    height, width = (
        window_extent(x.shape[1 + i], kernel[i], stride[i], dilation[i], padding) for i in (0, 1)
    )
    return height, width


class Windows(Graph):
    """Operators that slide a window and have no weights."""

    def pool(
        self,
        code: str,
        x: Tensor,
        kernel: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: str = "SAME",
        activation: str = "NONE",
    ) -> Tensor:
        """AVERAGE_POOL_2D or MAX_POOL_2D; the output's quantization is the input's."""
        height, width = window_extents(x, kernel, stride, (1, 1), padding)
        return self.operator(
            code,
            [x],
            (x.shape[0], height, width, x.shape[3]),
            x.quant,
            padding=padding,
            stride_h=stride[0],
            stride_w=stride[1],
            filter_height=kernel[0],
            filter_width=kernel[1],
            fused_activation_function=activation,
        )

    def resize(
        self,
        code: str,
        x: Tensor,
        extent: tuple[int, int],
        *,
        align_corners: bool = False,
        half_pixel_centers: bool = False,
    ) -> Tensor:
        """RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR to (height, width)."""
        return self.operator(
            code,
            [x, self.ints("size", extent)],
            (x.shape[0], *extent, x.shape[3]),
            self.copied(x),
            align_corners=align_corners,
            half_pixel_centers=half_pixel_centers,
        )
