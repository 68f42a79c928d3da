"""Sliding windows: output sizes and explicit padding from TFLite's SAME and VALID.

Source: TensorFlow's documentation of `tf.nn` padding ("Notes on padding"): SAME gives
ceil(in / stride) outputs, and where the padding is odd, the extra row or column is at the end.
"""

from __future__ import annotations

from tvm_tiny.errors import ModelError

from ..model import Operator
from ..validate import label

SAME, VALID = 0, 1


def window(
    operator: Operator, size: int, kernel: int, stride: int, dilation: int
) -> tuple[int, int, int]:
    """(output size, padding before, padding after) of one spatial dimension."""
    if min(kernel, stride, dilation) < 1:
        raise ModelError(
            f"{label(operator)}: kernel {kernel}, stride {stride}, dilation {dilation}; "
            "expected each to be at least 1"
        )
    mode = operator.integer("padding")
    extent = (kernel - 1) * dilation + 1
    if mode == SAME:
        count = -(-size // stride)
        total = max((count - 1) * stride + extent - size, 0)
        return count, total // 2, total - total // 2
    if mode != VALID:
        raise ModelError(f"{label(operator)}: padding mode {mode}; expected SAME (0) or VALID (1)")
    if extent > size:
        raise ModelError(
            f"{label(operator)}: a window of {extent} does not fit an input of {size} unpadded"
        )
    return (size - extent) // stride + 1, 0, 0


def image_shape(operator: Operator, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(N, H, W, C) of an image tensor; ModelError for another rank."""
    if len(shape) != 4:
        raise ModelError(f"{label(operator)}: input of shape {shape}; expected N, H, W, C")
    return shape[0], shape[1], shape[2], shape[3]
