"""Random calls of dsp.h and what they should give, from NumPy arithmetic of int64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from dsp_run import Case

NOISE = 0x5A
ORDER = [0, 2, 1, 3]
FULL = (-128, 127)


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Uniform, with the extremes in plenty."""
    values = rng.integers(-128, 128, shape)
    extreme = rng.choice([-128, 127], shape)
    return np.where(rng.random(shape) < 0.1, extreme, values).astype(np.int8)


def noise(dtype: str, *shape: int) -> np.ndarray:
    return np.full(np.prod(shape) * np.dtype(dtype).itemsize, NOISE, np.uint8).view(dtype)


def rounding_shift(value: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """value / 2**shift, halves away from zero."""
    doubled = np.abs(value) * 2 + (np.int64(1) << shift)
    return np.sign(value) * (doubled >> (shift + 1))


def high_mul(value: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    return (value.astype(np.int64) * multiplier + (1 << 30)) >> 31


def channel_params(rng: np.random.Generator, channels: int, reach: int) -> np.ndarray:
    """Parameters that spread sums of +-`reach` over int8 and beyond; some channels extreme."""
    params = np.zeros((channels, 4), np.int32)
    zero_point = rng.integers(-128, 128, channels)
    shift = rng.integers(1, max(2, int(np.log2(max(reach, 256) / 128))) + 2, channels)
    params[:, 0] = rng.integers(-reach, reach + 1, channels)
    params[:, 1] = rng.integers(1 << 30, 1 << 31, channels)
    params[:, 2] = (zero_point << shift) + (1 << (shift - 1))
    params[:, 3] = shift
    # A multiplier of nothing; the least; the largest shift.
    params[rng.random(channels) < 0.03, 1] = 0
    params[rng.random(channels) < 0.05, 1] = 1 << 30
    params[rng.random(channels) < 0.05, 2:] = (1 << 30, 31)
    return params


def requantized(sums: np.ndarray, params: np.ndarray, low: int, high: int) -> np.ndarray:
    """TFLite's: sums int64 [..., channels] -> int8; the zero point is taken out of the offset."""
    shift = params[:, 3].astype(np.int64)
    zero_point = (params[:, 2] - (np.int64(1) << (shift - 1))) >> shift
    t = high_mul(sums, params[:, 1].astype(np.int64))
    return np.clip(rounding_shift(t, shift) + zero_point, low, high).astype(np.int8)


def columns(
    x: np.ndarray, lines: np.ndarray, column: int, zero_point: int, kernel_w: int
) -> np.ndarray:
    """x [rows, W, C] -> [kernel_h * kernel_w * C], the window at `column`, 0 outside."""
    _, width, channels = x.shape
    window = np.zeros((len(lines), kernel_w, channels), np.int64)
    for ky, line in enumerate(lines):
        for kx in range(kernel_w):
            if line >= 0 and 0 <= column + kx < width:
                window[ky, kx] = x[line, column + kx].astype(np.int64) - zero_point
    return window.reshape(-1)


def quads(vectors: np.ndarray) -> np.ndarray:
    """[..., K] -> [ceil(K / 4), ..., 4] with zeros behind, in natural order."""
    size = vectors.shape[-1]
    padded = np.zeros((*vectors.shape[:-1], -(-size // 4) * 4), vectors.dtype)
    padded[..., :size] = vectors
    split = padded.reshape(*vectors.shape[:-1], -1, 4)
    return np.moveaxis(split, -2, 0)


def gather(rng, pixels, width, channels, kernel_h, kernel_w, stride, column, lines, zp) -> Case:
    rows = max(kernel_h, 2)
    x = int8(rng, rows, width, channels)
    lines = np.array(lines, np.int32)
    pixel = [columns(x, lines, column + p * stride, zp, kernel_w) for p in range(pixels)]
    want = quads(np.array(pixel))[..., ORDER].astype(np.int16)
    call = f"""\
  tvm_tiny_dsp_gather((const int8_t*)at[0], (const int32_t*)(void*)at[1], (int16_t*)(void*)at[2],
    ((const int32_t*)(void*)at[3])[0], ((const int32_t*)(void*)at[3])[1], {pixels}, {width},
    {channels}, {kernel_h}, {kernel_w}, {stride}, {width * channels});
"""
    where = np.array([column, zp], np.int32)
    name = f"gather {pixels} of {width}x{channels}, {kernel_h}x{kernel_w} s{stride} at {column}"
    buffers = [x, lines, noise("int16", want.size).reshape(want.shape), where]
    return Case(f"{name}, lines {lines}", call, buffers, [x, lines, want, where])


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
  tvm_tiny_dsp_dot_{pixels}x{filters}((const int16_t*)(void*)at[1], (const int8_t*)at[0], acc, {count});
  for (i = 0; i < {pixels * filters}; i++) to[i] = acc[i];
"""
    weights = np.ascontiguousarray(quads(w.T))
    name = f"dot {pixels}x{filters}, {count} quads"
    return Case(name, call, [weights, cols, acc], [weights, cols, want])


def requantize(rng, filters, pixels, channels, pitch, low, high, reach) -> Case:
    params = channel_params(rng, channels, reach)
    acc = rng.integers(-reach, reach + 1, (pixels, filters)).astype(np.int32)
    acc.flat[rng.integers(acc.size)] = rng.choice([-1, 0, 1])
    out = noise("int8", (pixels - 1) * pitch + channels).copy()
    want = out.copy()
    for p in range(pixels):
        values = requantized(acc[p, :channels].astype(np.int64), params, low, high)
        want[p * pitch : p * pitch + channels] = values
    call = f"""\
  const int32_t* from = (const int32_t*)(void*)at[1];
  int32_t acc[{pixels * filters}];
  int32_t i;
  for (i = 0; i < {pixels * filters}; i++) acc[i] = from[i];
  tvm_tiny_dsp_requantize(acc, {filters}, (const int32_t*)(void*)at[0], (int8_t*)at[2], {pixels},
    {channels}, {pitch}, {low}, {high});
"""
    name = f"requantize {pixels}x{channels} of {filters}, pitch {pitch}, {low}..{high}"
    return Case(name, call, [params, acc, out], [params, acc, want])


def convolution(rng, size, outputs, pixels) -> Case:
    """The loop of generated code: pairs of output channels within pairs of pixels."""
    count = -(-size // 4)
    w = int8(rng, outputs, size)
    x = rng.integers(-255, 256, (pixels, size))
    params = channel_params(rng, outputs, 128 * 64 * size // 4)
    sums = params[:, 0] + x @ w.T.astype(np.int64)
    want = requantized(sums, params, *FULL)
    pairs = pixels // 2
    cols = np.array([quads(pair) for pair in x.reshape(pairs, 2, size)])[..., ORDER]
    weights = np.array([quads(pair) for pair in w.reshape(outputs // 2, 2, size)])
    call = f"""\
  const int32_t* all = (const int32_t*)(void*)at[2];
  int8_t* out = (int8_t*)at[3];
  int32_t pair;
  int32_t ob;
  for (pair = 0; pair < {pairs}; pair++) {{
    for (ob = 0; ob < {outputs // 2}; ob++) {{
      const int32_t* params = all + 8 * ob;
      int32_t acc[4];
      acc[0] = params[0];
      acc[1] = params[4];
      acc[2] = params[0];
      acc[3] = params[4];
      tvm_tiny_dsp_dot_2x2((const int16_t*)(void*)at[1] + pair * {count * 8},
                           (const int8_t*)at[0] + ob * {count * 8}, acc, {count});
      tvm_tiny_dsp_requantize(acc, 2, params, out + pair * {2 * outputs} + ob * 2, 2, 2, {outputs},
                              -128, 127);
    }}
  }}
"""
    buffers = [weights, cols.astype(np.int16), params, noise("int8", *want.shape)]
    buffers[3] = buffers[3].reshape(want.shape)
    return Case(f"convolution K={size} O={outputs}", call, buffers, [*buffers[:3], want])


def depthwise(
    rng, width, channels, kernel, stride, pad, lines, limits=FULL, out_width=None
) -> Case:
    kernel_h, kernel_w = kernel
    if out_width is None:
        out_width = -(-width // stride)
    x = int8(rng, kernel_h + 1, width, channels)
    w = np.zeros((channels, kernel_h, -(-kernel_w // 4) * 4), np.int8)
    w[..., :kernel_w] = int8(rng, channels, kernel_h, kernel_w)
    params = channel_params(rng, channels, 128 * 64 * kernel_h * kernel_w // 2)
    lines = np.array(lines, np.int32)
    zp = int(rng.choice([-128, 127, rng.integers(-128, 128)]))
    taps = w[..., :kernel_w].reshape(channels, -1).astype(np.int64)
    sums = np.zeros((out_width, channels), np.int64)
    for ox in range(out_width):
        window = columns(x, lines, ox * stride - pad, zp, kernel_w).reshape(-1, channels)
        sums[ox] = params[:, 0] + np.einsum("kc,ck->c", window, taps)
    want = requantized(sums, params, *limits)
    span = (out_width - 1) * stride + kernel_w
    scratch = noise("int16", 4 * kernel_h * 4 * (-(-span // 4)))
    call = f"""\
  tvm_tiny_dsp_depthwise((const int8_t*)at[0], (const int32_t*)(void*)at[3], (const int8_t*)at[1],
    (const int32_t*)(void*)at[2], (int8_t*)at[4], (int16_t*)(void*)at[5],
    ((const int32_t*)(void*)at[6])[0], {limits[0]}, {limits[1]}, {width}, {channels}, {kernel_h},
    {kernel_w}, {stride}, {pad}, {out_width});
"""
    out = noise("int8", *want.shape).reshape(want.shape)
    zero = np.array([zp], np.int32)
    buffers = [x, w, params, lines, out, scratch, zero]
    name = f"depthwise {kernel_h}x{kernel_w} s{stride} of {width}x{channels}, lines {lines}"
    return Case(name, call, buffers, [x, w, params, lines, want, None, zero])


def scaled(value: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    return rounding_shift(high_mul(value, np.int64(multiplier)), np.int64(-shift))


def add(rng, count, q) -> Case:
    a, b = int8(rng, count), int8(rng, count)
    q = np.array(q, np.int32)
    left = scaled((a.astype(np.int64) - q[0]) << 20, q[5], q[8])
    right = scaled((b.astype(np.int64) - q[1]) << 20, q[6], q[9])
    want = np.clip(scaled(left + right, q[7], q[10]) + q[2], q[3], q[4]).astype(np.int8)
    call = f"""\
  tvm_tiny_dsp_add((const int8_t*)at[0], (const int8_t*)at[1], (int8_t*)at[2], {count},
                   (const int32_t*)(void*)at[3]);
"""
    return Case(f"add {count}, {q}", call, [a, b, noise("int8", count), q], [a, b, want, q])


def gathers(rng: np.random.Generator) -> Iterator[Case]:
    for channels in (8, 16, 64, 3, 10, 1):
        yield gather(rng, 2, 6, channels, 1, 1, 1, 2, [1], -128)
        yield gather(rng, 1, 6, channels, 1, 1, 1, 5, [0], 127)
    yield gather(rng, 2, 7, 24, 1, 1, 2, 2, [1], 5)
    for width, channels, kernel, stride, zp in (
        (9, 3, (3, 3), 2, -1),
        (6, 16, (3, 3), 1, -128),
        (12, 1, (10, 4), 2, 83),
        (8, 1, (3, 3), 1, 127),
        (7, 5, (2, 3), 1, 0),
        (7, 10, (5, 5), 1, -7),
        (9, 4, (5, 3), 3, 11),
        (2, 3, (3, 3), 2, -128),
    ):
        kernel_h, kernel_w = kernel
        inner = list(rng.permutation(max(kernel_h, 2))[:kernel_h])
        for pixels in (1, 2):
            for column in (-1, 1, width - kernel_w - (pixels - 1) * stride, width - 2):
                yield gather(rng, pixels, width, channels, *kernel, stride, column, inner, zp)
            for lines in ([-1, *inner[1:]], [*inner[:-1], -1]):
                yield gather(rng, pixels, width, channels, *kernel, stride, 1, lines, zp)
                yield gather(rng, pixels, width, channels, *kernel, stride, -2, lines, zp)


def dots(rng: np.random.Generator) -> Iterator[Case]:
    for pixels, filters in ((2, 2), (1, 2), (1, 4)):
        for count in (1, 2, 3, 4, 7, 8, 12, 13, 16, 32, 36, 64, 144, 300):
            yield dot(rng, pixels, filters, count)
        yield dot(rng, pixels, filters, 150, extreme=True)
        yield dot(rng, pixels, filters, 64, extreme=True)


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


def convolutions(rng: np.random.Generator) -> Iterator[Case]:
    for size, outputs in ((16, 32), (64, 64), (144, 16), (8, 48), (27, 8)):
        yield convolution(rng, size, outputs, 4)


DEPTHWISE = (
    *((width, 4, (3, 3), 1, 1) for width in (48, 40, 24, 20, 12, 10, 6, 5, 3, 1)),
    (48, 4, (3, 3), 2, 0),
    (49, 4, (3, 3), 2, 1),
    (12, 4, (3, 3), 2, 0),
    (10, 4, (5, 5), 1, 2),
    (10, 8, (5, 5), 2, 1),
    (20, 4, (7, 7), 2, 2),
    (10, 4, (7, 7), 2, 3),
    (5, 4, (7, 7), 1, 3),
    (3, 4, (7, 7), 1, 3),
)


def depthwises(rng: np.random.Generator) -> Iterator[Case]:
    for width, channels, kernel, stride, pad in DEPTHWISE:
        lines = list(rng.permutation(kernel[0]))
        yield depthwise(rng, width, channels, kernel, stride, pad, lines)
    for channels in (1, 3, 5, 6, 7, 16):
        yield depthwise(rng, 9, channels, (3, 3), 1, 1, [2, 3, 1])
        yield depthwise(rng, 4, channels, (3, 3), 1, 1, [-1, 0, 2], (-7, 50))
        yield depthwise(rng, 9, channels, (4, 3), 2, 1, [0, -1, 1, -1])
    yield depthwise(rng, 9, 4, (3, 3), 1, 1, [-1, 0, 1])
    yield depthwise(rng, 9, 4, (3, 3), 1, 1, [0, 1, -1])
    yield depthwise(rng, 9, 4, (3, 3), 1, 1, [-1, 1, -1])
    yield depthwise(rng, 9, 4, (3, 3), 1, 1, [-1, -1, -1])
    yield depthwise(rng, 10, 4, (5, 5), 1, 2, [-1, -1, 1, 2, 3], (-128, 20))
    yield depthwise(rng, 10, 4, (5, 5), 1, 2, [1, 2, 3, -1, -1], (10, 127))
    yield depthwise(rng, 7, 4, (1, 5), 1, 2, [1])
    yield depthwise(rng, 7, 4, (2, 2), 2, 0, [1, 0], out_width=3)
    yield depthwise(rng, 11, 8, (3, 1), 1, 0, [1, 0, 2])
    yield depthwise(rng, 11, 4, (5, 4), 3, 2, [1, 0, 2, 3, 4], out_width=4)
    yield depthwise(rng, 8, 260, (3, 3), 1, 1, [1, 0, 2])


def adds(rng: np.random.Generator) -> Iterator[Case]:
    half, m, n = 1 << 30, 1_234_567_890, 2_000_000_001
    for zp in ((-128, 127, -128), (127, -128, 3), (4, -5, 127)):
        yield add(rng, 101, [*zp, -128, 127, half, m, n, 0, 0, -18])
        yield add(rng, 102, [*zp, -128, 127, half, m, n, 0, -2, -19])
        yield add(rng, 103, [*zp, -128, 127, m, half, n, -1, 0, -17])
        yield add(rng, 64, [*zp, -128, 127, half, half, n, 0, 0, -18])
        yield add(rng, 99, [*zp, -60, 100, half, m, n, 0, -1, -18])
        yield add(rng, 100, [*zp, -128, 127, n, m, m, -1, -3, -17])
        yield add(rng, 100, [*zp, -128, 127, n, m, m, -31, -3, -31])
        yield add(rng, 3, [*zp, -128, 127, half, m, n, 0, -31, -1])
    yield add(rng, 100, [1, 2, 3, -128, 127, 0, 0, m, 0, 0, 0])


def all_cases() -> list[Case]:
    rng = np.random.default_rng(20)
    groups = (gathers, dots, requantizes, convolutions, depthwises, adds)
    return [case for group in groups for case in group(rng)]
