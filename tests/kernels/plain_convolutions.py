"""Pointwise layers, gathered windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from kernels.plain_reference import LIMITS, Rng, bytes_, channel_params, guarded, output
from kernels.plain_runs import Case


def conv_body(K: int, M: int, pixels: int, columns: str, low: int, high: int, pitch: int) -> str:
    """One group of pixels of a convolution, in blocks of two filters."""
    start = ", ".join(f"params[8 * ob + {4 * f}]" for _ in range(pixels) for f in range(2))
    return f"""
    for (ob = 0; ob < {M // 2}; ob++) {{
      int32_t acc[{2 * pixels}] = {{{start}}};
      tvm_tiny_plain_dot({columns}, {pitch}, w + ob * {2 * K}, acc, {pixels}, {K});
      tvm_tiny_plain_requantize(acc, 2, params + 8 * ob, out + p * {M} + 2 * ob, {pixels}, 2, {M},
                                {low}, {high});
    }}"""


def convolutions(rng: Rng) -> Iterator[Case]:
    """Depths that loops divide, and others; windows inside, over each edge, of missing rows."""
    for case, (K, M) in enumerate(
        [(1, 2), (3, 4), (8, 6), (15, 2), (16, 4), (24, 2), (27, 2), (37, 4), (64, 2)]
    ):
        yield pointwise(rng, K, M, 2, 4 + case % 2, LIMITS[case % 2])
        yield pointwise(rng, K, M, 4, 6, LIMITS[case % 2])
    yield windows(rng, channels=3, kernel=(3, 3), stride=2, left=1, width=9)
    yield windows(rng, channels=4, kernel=(2, 5), stride=1, left=2, width=4)
    yield windows(rng, channels=1, kernel=(10, 4), stride=2, left=1, width=7)
    yield windows(rng, channels=16, kernel=(3, 3), stride=1, left=0, width=6)


def filters(rng: Rng, K: int, count: int) -> np.ndarray:
    """[count // 2][K][2]; the last filter all -128, the worst there is."""
    w = bytes_(rng, count // 2, K, 2)
    w[-1, :, -1] = -128
    return w


def sums_of(columns: np.ndarray, w: np.ndarray, params: np.ndarray) -> np.ndarray:
    """columns [pixels][K], w [blocks][K][2] -> int64 [pixels][2 * blocks] with biases."""
    flat = w.transpose(1, 0, 2).reshape(columns.shape[1], -1).astype("int64")
    return columns.astype("int64") @ flat + params[:, 0]


def pointwise(rng: Rng, K: int, M: int, group: int, pixels: int, limits: tuple[int, int]) -> Case:
    """`group` pixels at a time and those left over one by one."""
    x, w, params = bytes_(rng, pixels, K), filters(rng, K, M), channel_params(rng, M, K * 2**14)
    x[0] = -128
    want = guarded(pixels * M)
    want[: pixels * M] = output(sums_of(x, w, params), params, *limits).reshape(-1)
    body = f"""
  int32_t p, ob;
  for (p = 0; p + {group} <= {pixels}; p += {group}) {{{
        conv_body(K, M, group, f"x + p * {K}", *limits, K)
    }
  }}
  for (; p < {pixels}; p++) {{{conv_body(K, M, 1, f"x + p * {K}", *limits, K)}
  }}"""
    arrays = {"x": x, "w": w, "params": params}
    return Case(f"pointwise {K} by {group}", arrays, guarded(pixels * M), body, want)


def padded(x: np.ndarray, lines: list[int], left: int, right: int, zero_point: int) -> np.ndarray:
    """The rows `lines` of x [rows][width][channels], all zero point where there is none."""
    rows = np.stack([x[n] if n >= 0 else np.full_like(x[0], zero_point) for n in lines])
    return np.pad(rows, ((0, 0), (left, right), (0, 0)), constant_values=zero_point)


def line_numbers(rng: Rng, kernel_h: int, missing: int) -> list[int]:
    """Rows in a ring, out of order; `missing` of them not there (from the end if negative)."""
    lines = list(map(int, rng.permutation(kernel_h)))
    gone = range(missing) if missing >= 0 else range(kernel_h + missing, kernel_h)
    return [-1 if k in gone else n for k, n in enumerate(lines)]


def windows(
    rng: Rng, *, channels: int, kernel: tuple[int, int], stride: int, left: int, width: int
) -> Case:
    """A row of a convolution with windows gathered in pairs, and what is in the columns."""
    KH, KW = kernel
    K, M, pixels = KH * KW * channels, 2, (width + 2 * left - KW) // stride + 1
    x, w, params = (
        bytes_(rng, KH, width, channels),
        filters(rng, K, M),
        channel_params(rng, M, K << 14),
    )
    zero_point, lines = int(rng.integers(-128, 128)), line_numbers(rng, KH, channels % 2)
    rows = padded(x, lines, left, left, zero_point)
    columns = np.stack([rows[:, p * stride : p * stride + KW].reshape(-1) for p in range(pixels)])
    want = guarded(pixels * (M + K))
    want[:-8] = np.concatenate(
        [output(sums_of(columns, w, params), params, -128, 127).reshape(-1), columns.reshape(-1)]
    )
    gather = f"tvm_tiny_plain_gather(x, lines, cols, p * {stride} - {left}, {zero_point}, "
    sizes = f", {width}, {channels}, {KH}, {KW}, {stride}, {width * channels});"
    body = f"""
  int32_t p, ob;
  for (p = 0; p + 2 <= {pixels}; p += 2) {{
    int8_t* cols = out + {pixels * M} + p * {K};
    {gather}2{sizes}{conv_body(K, M, 2, "cols", -128, 127, K)}
  }}
  for (; p < {pixels}; p++) {{
    int8_t* cols = out + {pixels * M} + p * {K};
    {gather}1{sizes}{conv_body(K, M, 1, "cols", -128, 127, K)}
  }}"""
    arrays = {"x": x, "w": w, "params": params, "lines": np.array(lines, "int32")}
    return Case(f"windows {channels} {kernel}", arrays, guarded(want.size - 8), body, want)
