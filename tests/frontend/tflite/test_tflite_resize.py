"""Resize, nearest and linear, in the three coordinate systems."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_checks import I32, S, check_copy
from tflite_models import unary_model


def positions(size, out, corners, half):
    """Where output coordinates lie in the input, before rounding."""
    scale = (size - 1) / (out - 1) if corners and out > 1 else size / out
    return (np.arange(out) + (0.5 if half else 0)) * scale - (0.5 if half else 0)


def nearest(size, out, corners, half):
    at = positions(size, out, corners, half) + (0.5 if corners or half else 0)
    return np.clip(np.floor(at + 1e-9).astype(int), 0, size - 1)


def linear(x, axis, out, corners, half):
    size = x.shape[axis]
    at = np.clip(positions(size, out, corners, half), 0, size - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, size - 1)
    shape = [-1 if i == axis else 1 for i in range(4)]
    part = (at - low).reshape(shape)
    return x.take(low, axis) * (1 - part) + x.take(high, axis) * part


@pytest.mark.parametrize(("corners", "half"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size", [(8, 10), (3, 4)])
def test_resize(corners, half, size):
    names = {"AlignCorners": corners, "HalfPixelCenters": half}
    constants = [np.array(size, I32)]
    shape = (1, *size, 3)
    model = unary_model(
        "RESIZE_NEAREST_NEIGHBOR", S, shape, "ResizeNearestNeighborOptions", constants, **names
    )
    rows, columns = (nearest(n, m, corners, half) for n, m in zip(S[1:3], size, strict=True))
    check_copy(model, lambda x: x[:, rows][:, :, columns], ["image.resize2d"], S)
    model = unary_model("RESIZE_BILINEAR", S, shape, "ResizeBilinearOptions", constants, **names)

    def expected(x):
        return linear(linear(x, 1, size[0], corners, half), 2, size[1], corners, half)

    check_copy(model, expected, ["image.resize2d"], S)
