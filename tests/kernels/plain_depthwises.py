"""Rows of depthwise convolutions, beside and above their inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from kernels.float32_reference import Scaling, scaling
from kernels.plain_convolutions import line_numbers, padded
from kernels.plain_reference import GUARD, LIMITS, Rng, bytes_, channel_params, guarded, output
from kernels.plain_runs import Case


def depthwise_body(
    at: str, to: str, sizes: tuple[int, ...], zero_point: int, limits, suffix: str = ""
) -> str:
    rest = ", ".join(map(str, (zero_point, *limits, *sizes)))
    return f"  tvm_tiny_plain_depthwise{suffix}({at}, lines, w, params, {to}, {rest});"


def depthwises(rng: Rng) -> Iterator[Case]:
    """channels, kernel_h, kernel_w, stride, pad_left, pad_right, width, missing rows."""
    yield depthwise(rng, 8, 3, 3, 1, 1, 1, 12, 0)
    yield depthwise(rng, 5, 3, 3, 1, 1, 1, 3, -1)
    yield depthwise(rng, 4, 3, 3, 1, 1, 1, 1, 1)
    yield depthwise(rng, 8, 3, 3, 2, 0, 1, 10, 1)
    yield depthwise(rng, 3, 5, 5, 1, 2, 2, 9, -2)
    yield depthwise(rng, 4, 5, 5, 2, 1, 2, 10, 0)
    yield depthwise(rng, 2, 7, 7, 1, 3, 3, 5, 3)
    yield depthwise(rng, 6, 7, 7, 2, 2, 3, 20, 0)
    yield depthwise(rng, 3, 10, 4, 2, 1, 1, 9, 0)
    yield depthwise(rng, 1, 1, 9, 1, 4, 4, 11, 0)


def depthwises_float32(rng: Rng) -> Iterator[Case]:
    for sizes in FLOAT32:
        channels, kernel_h, kernel_w = sizes[:3]
        yield depthwise(rng, *sizes, scaling(rng, channels, kernel_h * kernel_w << 12))


# As above.
FLOAT32 = (
    (8, 3, 3, 1, 1, 1, 12, 0),
    (5, 3, 3, 1, 1, 1, 3, -1),
    (4, 5, 5, 2, 1, 2, 10, 0),
    (2, 7, 7, 1, 3, 3, 5, 3),
    (17, 2, 2, 2, 0, 0, 8, 0),
)


def depthwise_sums(rows, w, params, stride: int, out_width: int) -> np.ndarray:
    """rows padded [kernel_h][columns][channels], w [kernel_h][kernel_w][channels]."""
    wide, kernel_w = rows.astype("int64"), w.shape[1]
    parts = [wide[:, p * stride : p * stride + kernel_w] for p in range(out_width)]
    return np.stack([(part * w).sum((0, 1)) for part in parts]) + params[:, 0]


def depthwise(
    rng: Rng,
    C: int,
    KH: int,
    KW: int,
    stride: int,
    left: int,
    right: int,
    W: int,
    gone: int,
    how: Scaling | None = None,
) -> Case:
    """how: of rounding in float32."""
    x, w, params = (
        bytes_(rng, KH, W, C),
        bytes_(rng, KH, KW, C),
        channel_params(rng, C, KH * KW << 14),
    )
    x[:, : KW // 2], w[..., -1] = -128, -128
    zero_point, lines = int(rng.integers(-128, 128)), line_numbers(rng, KH, gone)
    out_width = (W + left + right - KW) // stride + 1
    rows = padded(x, lines, left, right, zero_point)
    want, limits = guarded(out_width * C), LIMITS[W % 2]
    sums = depthwise_sums(rows, w, params, stride, out_width)
    want[:-8] = output(sums, params, *limits).reshape(-1)
    if how is not None:
        params = np.concatenate([params[:, :1], how.parts], 1)
        want[:-8] = how.outputs(sums, *limits).reshape(-1)
    sizes, suffix = (W, C, KH, KW, stride, left, out_width), "_float32" if how else ""
    body = depthwise_body("x", "out", sizes, zero_point, limits, suffix)
    arrays = {"x": x, "w": w, "params": params, "lines": np.array(lines, "int32")}
    return Case(f"depthwise {KH}x{KW} s{stride} W{W}", arrays, guarded(want.size - 8), body, want)


def in_place(rng: Rng) -> Iterator[Case]:
    """Depthwise rows as close below their oldest input row as the order of accesses allows.

    Output element e is written after all reads of the windows of elements up to e: the input
    element that lies there must belong to no later window.
    """
    for C, KW, stride, W in [(6, 3, 1, 9), (5, 3, 2, 9), (4, 5, 1, 8), (3, 7, 1, 8)]:
        left = KW // 2
        out_width = (W + 2 * left - KW) // stride + 1
        last = {}  # element of the row -> the last output element that reads it
        for p in range(out_width):
            for column in range(max(p * stride - left, 0), min(p * stride - left + KW, W)):
                last |= {column * C + c: p * C + c for c in range(C)}
        gap = max(0, *(e - i for i, e in last.items()))
        x, w, params = (
            bytes_(rng, KW, W, C),
            bytes_(rng, KW, KW, C),
            channel_params(rng, C, KW**2 << 14),
        )
        lines = list(range(KW))
        sums = depthwise_sums(padded(x, lines, left, left, 7), w, params, stride, out_width)
        before = np.concatenate([np.full(gap, GUARD, "int8"), x.reshape(-1)])
        want = before.copy()
        want[: out_width * C] = output(sums, params, -128, 127).reshape(-1)
        sizes = (W, C, KW, KW, stride, left, out_width)
        body = depthwise_body(f"out + {gap}", "out", sizes, 7, LIMITS[0])
        arrays = {"w": w, "params": params, "lines": np.array(lines, "int32")}
        yield Case(f"in place {KW} s{stride}", arrays, before, body, want)
