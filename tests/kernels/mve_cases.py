"""Calls of the Helium micro-kernels with the results NumPy gives for them.

What does not depend on the number of filters in a block are the cases of the plain ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from kernels import plain_cases as plain
from kernels.plain_runs import Case

FILTERS = 4


def all_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    alike = [
        *plain.requantizations(rng),
        *plain.depthwises(rng),
        *plain.in_place(rng),
        *plain.adds(rng),
    ]
    renamed = [replace(case, body=case.body.replace("_plain_", "_mve_")) for case in alike]
    return [*renamed, *convolutions(rng)]


def packed(w: np.ndarray) -> np.ndarray:
    """[filters][K] -> [blocks][ceil(K / 16)][4 filters][16], zeros behind both."""
    count, K = w.shape
    full = np.pad(w, ((0, -count % FILTERS), (0, -K % 16)))
    return full.reshape(-1, FILTERS, full.shape[1] // 16, 16).transpose(0, 2, 1, 3)


def conv_body(
    K: int, M: int, pixels: int, columns: str, limits: tuple[int, int], pitch: int
) -> str:
    """One group of pixels of a convolution, in blocks of four filters."""
    blocks = []
    for first in range(0, M, FILTERS):
        real = min(FILTERS, M - first)
        rows = [4 * (first + min(f, real - 1)) for f in range(FILTERS)]
        start = ", ".join(f"params[{row}]" for _ in range(pixels) for row in rows)
        blocks.append(f"""
    {{
      int32_t acc[{FILTERS * pixels}] = {{{start}}};
      tvm_tiny_mve_dot({columns}, {pitch}, w + {first * -(-K // 16) * 16}, acc, {pixels}, {K});
      tvm_tiny_mve_requantize(acc, {FILTERS}, params + {4 * first}, out + p * {M} + {first},
                              {pixels}, {real}, {M}, {limits[0]}, {limits[1]});
    }}""")
    return "".join(blocks)


def convolutions(rng: plain.Rng) -> Iterator[Case]:
    for case, (K, count) in enumerate(
        [(1, 4), (3, 4), (8, 12), (15, 5), (16, 8), (27, 4), (37, 2), (64, 4), (144, 7), (300, 4)]
    ):
        yield pointwise(rng, K, count, 4 + case % 2, plain.LIMITS[case % 2])
    yield windows(rng, channels=3, kernel=(3, 3), stride=2, left=1, width=9)
    yield windows(rng, channels=4, kernel=(2, 5), stride=1, left=2, width=4)
    yield windows(rng, channels=1, kernel=(10, 4), stride=2, left=1, width=7)
    yield windows(rng, channels=16, kernel=(3, 3), stride=1, left=0, width=6)


def filters(rng: plain.Rng, count: int, K: int) -> np.ndarray:
    """[count][K]; the last filter all -128, the worst there is."""
    w = plain.bytes_(rng, count, K)
    w[-1] = -128
    return w


def sums_of(columns: np.ndarray, w: np.ndarray, params: np.ndarray) -> np.ndarray:
    return columns.astype("int64") @ w.T.astype("int64") + params[:, 0]


def pointwise(rng: plain.Rng, K: int, M: int, pixels: int, limits: tuple[int, int]) -> Case:
    x, w = plain.bytes_(rng, pixels, K), filters(rng, M, K)
    params = plain.channel_params(rng, M, K << 14)
    x[0] = -128
    want = plain.guarded(pixels * M)
    want[:-8] = plain.output(sums_of(x, w, params), params, *limits).reshape(-1)
    body = f"""
  const int8_t* from = at_end(x, {x.size});
  int32_t p;
  for (p = 0; p + 2 <= {pixels}; p += 2) {{{conv_body(K, M, 2, f"from + p * {K}", limits, K)}
  }}
  for (; p < {pixels}; p++) {{{conv_body(K, M, 1, f"from + p * {K}", limits, K)}
  }}"""
    arrays = {"x": x, "w": packed(w), "params": params}
    return Case(f"pointwise {K} {M}", arrays, plain.guarded(pixels * M), body, want)


def windows(
    rng: plain.Rng, *, channels: int, kernel: tuple[int, int], stride: int, left: int, width: int
) -> Case:
    """A row of a convolution with windows gathered in pairs, and what is in the columns."""
    KH, KW = kernel
    K, M, pixels = KH * KW * channels, 4, (width + 2 * left - KW) // stride + 1
    x, w = plain.bytes_(rng, KH, width, channels), filters(rng, M, K)
    params = plain.channel_params(rng, M, K << 14)
    zero_point, lines = int(rng.integers(-128, 128)), plain.line_numbers(rng, KH, channels % 2)
    rows = plain.padded(x, lines, left, left, zero_point)
    columns = np.stack([rows[:, p * stride : p * stride + KW].reshape(-1) for p in range(pixels)])
    want = plain.guarded(pixels * (M + K))
    outputs = plain.output(sums_of(columns, w, params), params, -128, 127)
    want[:-8] = np.concatenate([outputs.reshape(-1), columns.reshape(-1)])
    gather = f"tvm_tiny_mve_gather(from, lines, cols, p * {stride} - {left}, {zero_point}, "
    sizes = f", {width}, {channels}, {KH}, {KW}, {stride}, {width * channels});"
    body = f"""
  const int8_t* from = at_end(x, {x.size});
  int32_t p;
  for (p = 0; p + 2 <= {pixels}; p += 2) {{
    int8_t* cols = out + {pixels * M} + p * {K};
    {gather}2{sizes}{conv_body(K, M, 2, "cols", (-128, 127), K)}
  }}
  for (; p < {pixels}; p++) {{
    int8_t* cols = out + {pixels * M} + p * {K};
    {gather}1{sizes}{conv_body(K, M, 1, "cols", (-128, 127), K)}
  }}"""
    arrays = {"x": x, "w": packed(w), "params": params, "lines": np.array(lines, "int32")}
    before = plain.guarded(want.size - 8)
    return Case(f"windows {channels} {kernel}", arrays, before, body, want)
