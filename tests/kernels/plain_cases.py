"""Calls of the plain micro-kernels with the results NumPy gives for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from kernels.plain_runs import Case

GUARD = 0x55
Rng = np.random.Generator
LIMITS = ((-128, 127), (-100, 90))


def all_cases(seed: int) -> list[Case]:
    """Every kernel, sizes of real layers and odd ones, extremes included."""
    rng = np.random.default_rng(seed)
    return [*requantizations(rng), *convolutions(rng), *depthwises(rng), *in_place(rng), *adds(rng)]


def bytes_(rng: Rng, *shape: int) -> np.ndarray:
    """int8, one in four an extreme."""
    values = rng.integers(-128, 128, shape)
    extreme = rng.choice([-128, 127], shape)
    return np.where(rng.random(shape) < 0.25, extreme, values).astype("int8")


def guarded(size: int) -> np.ndarray:
    return np.full(size + 8, GUARD, "int8")


def channel_params(rng: Rng, count: int, bound: int) -> np.ndarray:
    """[count][4] that take sums up to `bound` to about three times the range of int8."""
    scale = np.exp2(rng.uniform(-9, 0, count)) * 400 / bound * 512
    exponent = np.maximum(np.ceil(np.log2(scale)), -30)
    shift = np.maximum(-exponent, 1).astype("int64")
    multiplier = np.clip(scale * np.exp2(shift + 31.0), 0, 2**31 - 1).astype("int64")
    offset = (1 << (shift - 1)) + (rng.integers(-128, 128, count) << shift)
    bias = rng.integers(-bound // 4, bound // 4, count)
    return np.stack([bias, multiplier, offset, shift], 1).astype("int32")


def output(sums: np.ndarray, params: np.ndarray, low: int, high: int) -> np.ndarray:
    """Sums [..., channels] without their biases to int8, as the contract says it."""
    _, multiplier, offset, shift = params.astype("int64").T
    t = (sums.astype("int64") * multiplier + 2**30) // 2**31
    return np.clip((t - (t < 0) + offset) // 2**shift, low, high).astype("int8")


def requantizations(rng: Rng) -> Iterator[Case]:
    """Sums, multipliers and shifts at their limits; fewer channels than filters."""
    far = 2**30 - 1
    sums = np.concatenate([[far, -far, 0, -1, 1, far - 1], rng.integers(-far, far, 58)])
    sums = np.where(np.arange(64) % 3, sums, rng.integers(-70000, 70000, 64))
    for case, (filters, channels, pixels) in enumerate(
        [(2, 2, 2), (2, 1, 2), (4, 3, 1), (2, 2, 1)]
    ):
        low, high = LIMITS[case % 2]
        acc = rng.permutation(sums).reshape(-1, pixels, filters)
        count = len(acc)
        shift = rng.permuted(np.resize(np.arange(32), count * filters))
        extreme = rng.choice([0, 2**31 - 1, 2**30, 65535, 1 << 16, 0x7FFF8000], count * filters)
        reach = np.maximum(abs(acc).max(1).reshape(-1), 1)
        # In range, so that an error of one in the product shows where shifts are small.
        fitting = np.minimum(
            rng.uniform(80, 250, reach.shape) * 2.0 ** (31 + shift) / reach, 2**31 - 1
        )
        multiplier = np.where(rng.random(count * filters) < 0.3, extreme, fitting.astype("int64"))
        params = np.stack([shift * 0, multiplier, (1 << shift) >> 1, shift], 1)
        want = guarded(pixels * 3 * count).copy()
        for n in range(count):
            rows = params[n * filters : n * filters + channels]
            at = want[n * pixels * 3 : (n + 1) * pixels * 3].reshape(pixels, 3)
            at[:, :channels] = output(acc[n, :, :channels], rows, low, high)
        body = f"""
  int32_t n, k;
  for (n = 0; n < {count}; n++) {{
    int32_t sums[{pixels * filters}];
    for (k = 0; k < {pixels * filters}; k++) sums[k] = acc[n * {pixels * filters} + k];
    tvm_tiny_plain_requantize(sums, {filters}, params + n * {4 * filters}, out + n * {3 * pixels},
                              {pixels}, {channels}, 3, {low}, {high});
  }}"""
        arrays = {"acc": acc.astype("int32"), "params": params.astype("int32")}
        yield Case(
            f"requantize {filters} {channels} {pixels}", arrays, guarded(want.size - 8), body, want
        )


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
    for case, (K, count) in enumerate([(1, 2), (3, 4), (8, 6), (15, 2), (16, 4), (37, 4), (64, 2)]):
        yield pointwise(rng, K, count, 4 + case % 2, LIMITS[case % 2])
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


def pointwise(rng: Rng, K: int, M: int, pixels: int, limits: tuple[int, int]) -> Case:
    x, w, params = bytes_(rng, pixels, K), filters(rng, K, M), channel_params(rng, M, K * 2**14)
    x[0] = -128
    want = guarded(pixels * M)
    want[: pixels * M] = output(sums_of(x, w, params), params, *limits).reshape(-1)
    body = f"""
  int32_t p, ob;
  for (p = 0; p + 2 <= {pixels}; p += 2) {{{conv_body(K, M, 2, f"x + p * {K}", *limits, K)}
  }}
  for (; p < {pixels}; p++) {{{conv_body(K, M, 1, f"x + p * {K}", *limits, K)}
  }}"""
    arrays = {"x": x, "w": w, "params": params}
    return Case(f"pointwise {K} {M}", arrays, guarded(pixels * M), body, want)


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


def depthwise_body(at: str, to: str, sizes: tuple[int, ...], zero_point: int, limits) -> str:
    rest = ", ".join(map(str, (zero_point, *limits, *sizes)))
    return f"  tvm_tiny_plain_depthwise({at}, lines, w, params, {to}, {rest});"


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


def depthwise_sums(rows, w, params, stride: int, out_width: int) -> np.ndarray:
    """rows padded [kernel_h][columns][channels], w [kernel_h][kernel_w][channels]."""
    wide, kernel_w = rows.astype("int64"), w.shape[1]
    parts = [wide[:, p * stride : p * stride + kernel_w] for p in range(out_width)]
    return np.stack([(part * w).sum((0, 1)) for part in parts]) + params[:, 0]


def depthwise(rng, C: int, KH: int, KW: int, stride: int, left: int, right: int, W: int, gone: int):
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
    sizes = (W, C, KH, KW, stride, left, out_width)
    body = depthwise_body("x", "out", sizes, zero_point, limits)
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


def adds(rng: Rng) -> Iterator[Case]:
    """Shifts of 0 on every side, all pairs of extremes, and a result in an operand's place."""
    half, most = 1 << 30, 2**31 - 1
    quantizations = [
        (3, -5, 9, -128, 127, half, 1518500250, 1518500250, 0, -1, -18),
        (-128, 127, -128, -128, 100, 1234567890, half, most, -3, 0, -19),
        (127, -128, 127, -90, 127, half, half, most, 0, 0, -18),
        (0, 0, 0, -128, 127, most, most, 1100000000, -7, -31, 0),
        (1, 2, -3, -128, 127, half, most, 1300000000, -1, 0, -20),
        # Small multipliers: an error of one anywhere shows.
        (1, 2, -3, -128, 127, 1000, half, most, 0, -22, 0),
        (9, 2, 0, -128, 127, half, 1000, most, -21, 0, -1),
    ]
    for k, q in enumerate(quantizations):
        a, b = bytes_(rng, 203), bytes_(rng, 203)
        before = a if k % 2 else guarded(203 - 8)
        arrays = {"b": b, "q": np.array(q, "int32")} | ({} if k % 2 else {"a": a})
        first = "out" if k % 2 else "a"
        body = f"  tvm_tiny_plain_add({first}, b, out, 203, q);"
        yield Case(f"add {k}", arrays, before, body, add(a, b, *q))


def add(a, b, a_zp, b_zp, y_zp, low, high, a_m, b_m, y_m, a_shift, b_shift, y_shift) -> np.ndarray:
    """TFLite's quantized ADD with its two roundings."""
    first = multiply((a.astype("int64") - a_zp) << 20, a_m, -a_shift)
    second = multiply((b.astype("int64") - b_zp) << 20, b_m, -b_shift)
    y = multiply(first + second, y_m, -y_shift) + y_zp
    return np.clip(y, low, high).astype("int8")


def multiply(value: np.ndarray, multiplier: int, exponent: int) -> np.ndarray:
    """MultiplyByQuantizedMultiplier: halves away from zero, twice."""
    high = (value * multiplier + np.where(value < 0, 1 - 2**30, 2**30)).astype("int64")
    high = np.sign(high) * (abs(high) // 2**31)
    half = 2**exponent // 2
    return np.sign(high) * ((abs(high) + half) // 2**exponent)
