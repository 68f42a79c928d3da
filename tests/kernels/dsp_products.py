"""Dot products, requantization and both in the loop of generated code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from dsp_reference import (
    FULL,
    ORDER,
    channel_params,
    int8,
    noise,
    quads,
    requantized,
    some_zero_point,
)
from dsp_run import Case
from kernels.float32_reference import scaling


def dot(rng, pixels, filters, count, extreme=False) -> Case:
    w = int8(rng, count * 4, filters)
    x = rng.integers(-255, 256, (count * 4, pixels))
    if extreme:
        w[:], x[:] = -128, rng.choice([-255, 255])
    acc = rng.integers(-(1 << 24), 1 << 24, (pixels, filters)).astype(np.int32)
    want = (acc + x.T @ w.astype(np.int64)).astype(np.int32)
    cols = quads(x.T)[..., ORDER].astype(np.int16)
    call = f"""\
  int32_t acc[{pixels * filters}];
  int32_t* to = (int32_t*)(void*)at[2];
  int32_t i;
  for (i = 0; i < {pixels * filters}; i++) acc[i] = to[i];
  tvm_tiny_dsp_dot_{pixels}x{filters}((const int16_t*)(void*)at[1], (const int8_t*)at[0], acc,
                       {count});
  for (i = 0; i < {pixels * filters}; i++) to[i] = acc[i];
"""
    weights = np.ascontiguousarray(quads(w.T))
    name = f"dot {pixels}x{filters}, {count} quads"
    return Case(name, call, [weights, cols, acc], [weights, cols, want])


def dot_of_words(rng, kind, count, pixels=2, extreme=False) -> Case:
    """dot_2x2w: int16 filters; dot_2x2p and dot_1x2p: two filters in one int16."""
    w = int8(rng, count * 4, 2).astype(np.int64)
    x = rng.integers(-255, 256, (count * 4, pixels))
    if extreme:
        w[:], x[:] = (127, -128), rng.choice([-255, 255])
    if kind == "p":
        w[:, 1][(w[:, 1] == -128) & (w[:, 0] < 0)] = -127
        # The sum of filter 1 has 24 bits: what is left of them has no weight.
        w[:, 1][255 * np.cumsum(np.abs(w[:, 1])) >= 1 << 23] = 0
    acc = rng.integers(-(1 << 24), 1 << 24, (pixels, 2)).astype(np.int32)
    words = quads((w[:, 0] + 256 * w[:, 1])[None]) if kind == "p" else quads(w.T)
    buffers = [words[..., ORDER].astype(np.int16), quads(x.T)[..., ORDER].astype(np.int16), acc]
    call = f"""\
  int32_t acc[{2 * pixels}];
  int32_t* to = (int32_t*)(void*)at[2];
  int32_t i;
  for (i = 0; i < {2 * pixels}; i++) acc[i] = to[i];
  tvm_tiny_dsp_dot_{pixels}x2{kind}((const int16_t*)(void*)at[1], (const int16_t*)(void*)at[0], acc,
                             {count});
  for (i = 0; i < {2 * pixels}; i++) to[i] = acc[i];
"""
    want = (acc + x.T @ w).astype(np.int32)
    return Case(f"dot {pixels}x2{kind}, {count} quads", call, buffers, [*buffers[:2], want])


def widen(rng, count) -> Case:
    w = np.ascontiguousarray(quads(int8(rng, 2, count * 4)))
    call = f"""\
  tvm_tiny_dsp_widen((const int8_t*)at[0], (int16_t*)(void*)at[2], {count});
"""
    want = w[..., ORDER].astype(np.int16)
    none = np.zeros(0, np.int8)
    out = noise("int16", want.size).reshape(want.shape)
    return Case(f"widen {count} quads", call, [w, none, out], [w, none, want])


def requantize(rng, filters, pixels, channels, pitch, low, high, reach) -> Case:
    zero_point = some_zero_point(rng)
    params = channel_params(rng, channels, reach, zero_point)
    acc = rng.integers(-reach, reach + 1, (pixels, filters)).astype(np.int32)
    acc.flat[rng.integers(acc.size)] = rng.choice([-1, 0, 1])
    out = noise("int8", (pixels - 1) * pitch + channels).copy()
    want = out.copy()
    for p in range(pixels):
        values = requantized(acc[p, :channels].astype(np.int64), params, zero_point, low, high)
        want[p * pitch : p * pitch + channels] = values
    call = f"""\
  const int32_t* from = (const int32_t*)(void*)at[1];
  int32_t acc[{pixels * filters}];
  int32_t i;
  for (i = 0; i < {pixels * filters}; i++) acc[i] = from[i];
  tvm_tiny_dsp_requantize(acc, {filters}, (const int32_t*)(void*)at[0], (int8_t*)at[2], {pixels},
    {channels}, {pitch}, {zero_point}, {low}, {high});
"""
    name = f"requantize {pixels}x{channels} of {filters}, {zero_point}, {low}..{high}"
    return Case(name, call, [params, acc, out], [params, acc, want])


def requantize_float32(rng, filters, pixels, channels, low, high, reach) -> Case:
    pitch, how = channels + 5, scaling(rng, channels, reach)
    params = np.stack([how.bits * 0, how.bits], 1)
    acc = np.pad(how.near_ties(rng, pixels, reach), ((0, 0), (0, filters - channels)))
    out = noise("int8", (pixels - 1) * pitch + channels).copy()
    want = out.copy()
    for p, values in enumerate(how.outputs(acc[:, :channels], low, high)):
        want[p * pitch : p * pitch + channels] = values
    call = f"""\
  const int32_t* from = (const int32_t*)(void*)at[1];
  int32_t acc[{pixels * filters}];
  int32_t i;
  for (i = 0; i < {pixels * filters}; i++) acc[i] = from[i];
  tvm_tiny_dsp_requantize_float32(acc, {filters}, (const int32_t*)(void*)at[0], (int8_t*)at[2],
    {pixels}, {channels}, {pitch}, {how.zero_point}, {low}, {high});
"""
    acc = acc.astype(np.int32)
    name = f"requantize in float32 {pixels}x{channels} of {filters}, {low}..{high}"
    return Case(name, call, [params, acc, out], [params, acc, want])


def convolution(rng, size, outputs, pixels) -> Case:
    """The loop of generated code: pairs of output channels within pairs of pixels."""
    count = -(-size // 4)
    w = int8(rng, outputs, size)
    x = rng.integers(-255, 256, (pixels, size))
    zero_point = some_zero_point(rng)
    params = channel_params(rng, outputs, 128 * 64 * size // 4, zero_point)
    sums = (params[:, 0] >> 8) + x @ w.T.astype(np.int64)
    want = requantized(sums, params, zero_point, *FULL)
    pairs = pixels // 2
    cols = np.array([quads(pair) for pair in x.reshape(pairs, 2, size)])[..., ORDER]
    weights = np.array([quads(pair) for pair in w.reshape(outputs // 2, 2, size)])
    call = f"""\
  const int8_t* w = (const int8_t*)at[0];
  const int16_t* cols = (const int16_t*)(void*)at[1];
  const int32_t* all = (const int32_t*)(void*)at[2];
  int8_t* out = (int8_t*)at[3];
  int32_t pair;
  int32_t ob;
  for (pair = 0; pair < {pairs}; pair++) {{
    for (ob = 0; ob < {outputs // 2}; ob++) {{
      const int32_t* params = all + 4 * ob;
      int32_t acc[4];
      acc[0] = params[0] >> 8;
      acc[1] = params[2] >> 8;
      acc[2] = params[0] >> 8;
      acc[3] = params[2] >> 8;
      tvm_tiny_dsp_dot_2x2(cols + pair * {count * 8}, w + ob * {count * 8}, acc, {count});
      tvm_tiny_dsp_requantize(acc, 2, params, out + pair * {2 * outputs} + ob * 2, 2, 2, {outputs},
                              {zero_point}, -128, 127);
    }}
  }}
"""
    buffers = [weights, cols.astype(np.int16), params, noise("int8", *want.shape)]
    buffers[3] = buffers[3].reshape(want.shape)
    return Case(f"convolution K={size} O={outputs}", call, buffers, [*buffers[:3], want])


def dots(rng: np.random.Generator) -> Iterator[Case]:
    for pixels, filters in ((2, 2), (1, 2), (1, 4)):
        for count in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 13, 16, 32, 36, 64, 75, 144, 300):
            yield dot(rng, pixels, filters, count)
        yield dot(rng, pixels, filters, 150, extreme=True)
        yield dot(rng, pixels, filters, 64, extreme=True)
    for kind, pixels in (("w", 2), ("p", 2), ("p", 1)):
        for count in (1, 2, 3, 4, 5, 6, 13, 16, 36, 63, 64, 65, 128, 200):
            yield dot_of_words(rng, kind, count, pixels)
        yield dot_of_words(rng, kind, 64, pixels, extreme=True)
        yield dot_of_words(rng, kind, 150, pixels, extreme=True)
    yield widen(rng, 1)
    yield widen(rng, 13)


def requantizes(rng: np.random.Generator) -> Iterator[Case]:
    for filters, pixels, channels in (
        (2, 1, 1),
        (2, 2, 2),
        (2, 2, 1),
        (2, 1, 2),
        (4, 1, 4),
        (4, 1, 3),
    ):
        for low, high in (FULL, (-128, 20), (-5, 127), (-3, 90), (0, 6)):
            for reach in (300, 20_000, (1 << 30) - 1):
                pitch = int(rng.choice([8, 48, 480]))
                yield requantize(rng, filters, pixels, channels, pitch, low, high, reach)


def requantizes_float32(rng: np.random.Generator) -> Iterator[Case]:
    for filters, pixels, channels in ((2, 1, 1), (2, 2, 2), (2, 2, 1), (2, 1, 2), (4, 1, 3)):
        for low, high in (FULL, (-128, 20), (-5, 127), (0, 6)):
            for reach in (2000, 300_000, (1 << 30) - 1):
                for _ in range(4):
                    yield requantize_float32(rng, filters, pixels, channels, low, high, reach)


def convolutions(rng: np.random.Generator) -> Iterator[Case]:
    for size, outputs in ((16, 32), (64, 64), (144, 16), (8, 48), (27, 8)):
        yield convolution(rng, size, outputs, 4)
