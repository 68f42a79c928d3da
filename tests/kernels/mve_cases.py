"""Calls of the Helium micro-kernels with the results NumPy gives for them.

Where operands differ only in their order in memory, the cases are those of the plain ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from kernels import plain_depthwises, plain_requantizations
from kernels.float32_reference import scaling
from kernels.plain_additions import adds
from kernels.plain_convolutions import line_numbers, padded
from kernels.plain_reference import LIMITS, Rng, bytes_, channel_params, guarded, output
from kernels.plain_runs import Case

FILTERS = 4


def all_cases(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    sums = [replace(case, body=case.body.replace("_plain_", "_mve_")) for case in adds(rng)]
    return [
        *sums,
        *requantizations(rng),
        *convolutions(rng),
        *depthwises(rng),
        *in_place(rng),
        *without_scratch(rng),
        *convolutions_float32(rng),
        *depthwises_float32(rng),
        *shifts(rng),
    ]


def shifts(rng: Rng) -> Iterator[Case]:
    """Blocks of a ring moved down, over one another or not at all."""
    for by, blocks in [(1, 2), (8, 1), (24, 5), (32, 3), (512, 2), (0, 2), (16, 0)]:
        count = 32 * blocks
        before = bytes_(rng, by + count + 8)
        want = before.copy()
        want[:count] = before[by : by + count]
        body = f"  tvm_tiny_mve_slide(out, {by}, {blocks});"
        yield Case(f"slide {blocks} by {by}", {}, before, body, want)


def packed(w: np.ndarray) -> np.ndarray:
    """[filters][K] -> [blocks][ceil(K / 16)][4 filters][16], zeros behind both."""
    count, K = w.shape
    full = np.pad(w, ((0, -count % FILTERS), (0, -K % 16)))
    return full.reshape(-1, FILTERS, full.shape[1] // 16, 16).transpose(0, 2, 1, 3)


def blocks(params: np.ndarray) -> np.ndarray:
    """[channels][bias, multiplier, offset, shift] -> [blocks][bias, ..., -shift][4 channels]."""
    full = np.pad(params, ((0, -len(params) % FILTERS), (0, 0))) * [1, 1, 1, -1]
    return full.astype("int32").reshape(-1, FILTERS, 4).transpose(0, 2, 1)


def blocks_float32(biases: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """[channels] of both -> [blocks][bias, multiplier][4 channels]."""
    full = np.pad(np.stack([biases, bits], 1), ((0, -len(bits) % FILTERS), (0, 0)))
    return full.astype("int32").reshape(-1, FILTERS, 2).transpose(0, 2, 1)


def packed_depthwise(w: np.ndarray) -> np.ndarray:
    """[KH][KW][C] -> [C / 4][KH / 4][KW / 4][4 channels][4 columns][4 rows], zeros behind all."""
    full = np.pad(w, [(0, -extent % 4) for extent in w.shape])
    rows, columns, channels = (extent // 4 for extent in full.shape)
    parts = full.reshape(rows, 4, columns, 4, channels, 4)
    return np.ascontiguousarray(parts.transpose(4, 0, 2, 5, 3, 1))


def in_pairs(pixels: int, body: Callable[[int], str]) -> str:
    """C that does pixels p and p + 1, then the last one if they are odd; body: of so many."""
    return f"""
  int32_t p;
  for (p = 0; p + 2 <= {pixels}; p += 2) {{
    {body(2)}
  }}
  for (; p < {pixels}; p++) {{
    {body(1)}
  }}"""


def conv(
    columns: str, K: int, M: int, pixels: int, limits: tuple[int, ...], suffix: str = ""
) -> str:
    rest = ", ".join(map(str, (pixels, K, M, *limits)))
    return f"tvm_tiny_mve_conv{suffix}({columns}, {K}, w, params, out + p * {M}, {M}, {rest});"


def requantizations(rng: Rng) -> Iterator[Case]:
    """The plain kernel's sums, multipliers and shifts at their limits, the sums as biases."""
    for case, plain in enumerate(plain_requantizations.requantizations(rng)):
        params = plain.arrays["params"].copy()
        params[:, 0] = plain.arrays["acc"][:, 0].reshape(-1)
        # Of two pixels, the second one's sums are a little smaller.
        x, w = np.array([[0], [1]], "int8"), -np.sign(params[:, :1]).astype("int8")
        yield pointwise(f"requantize {case}", x, w, params, LIMITS[case % 2])
        yield pointwise(f"requantize {case} of one", x[:1], w, params, LIMITS[case % 2])


# K, filters
CONVOLUTIONS = (
    *((1, 4), (3, 4), (8, 12), (15, 5), (16, 8), (17, 3), (27, 16), (32, 4), (37, 2), (37, 6)),
    *((64, 8), (100, 5), (128, 4), (144, 7), (144, 8), (239, 4), (240, 4), (241, 5), (256, 4)),
    *((300, 4), (304, 8), (360, 4), (640, 4)),
)


def convolutions(rng: Rng) -> Iterator[Case]:
    for case, (K, M) in enumerate(CONVOLUTIONS):
        x, params = bytes_(rng, 3 + case % 2, K), channel_params(rng, M, K << 14)
        x[0] = -128
        limits = LIMITS[case % 2]
        yield pointwise(f"conv {K} {M}", x, filters(rng, M, K), params, limits)
    yield windows(rng, channels=3, kernel=(3, 3), stride=2, left=1, width=9)
    yield windows(rng, channels=4, kernel=(2, 5), stride=1, left=2, width=4)
    yield windows(rng, channels=1, kernel=(10, 4), stride=2, left=1, width=7)
    yield windows(rng, channels=16, kernel=(3, 3), stride=1, left=0, width=6)


def convolutions_float32(rng: Rng) -> Iterator[Case]:
    """Biases are sums at ties, the input is 0; then products."""
    for K, M, zeros in ((1, 40, True), (1, 41, True), (300, 30, True), (16, 6, False)):
        for case, reach in enumerate((3000, 300_000, 2**30 - 1)[: 3 if zeros else 2]):
            how = scaling(rng, M, reach)
            biases = how.near_ties(rng, 1, reach)[0]
            x, w = bytes_(rng, 3, K) * np.int8(not zeros), filters(rng, M, K)
            want = guarded(3 * M)
            sums = x.astype("int64") @ w.T.astype("int64") + biases
            limits = LIMITS[case % 2]
            want[:-8] = how.outputs(sums, *limits).reshape(-1)

            def call(count: int, K=K, M=M, limits=(how.zero_point, *limits)) -> str:
                return conv(f"from + p * {K}", K, M, count, limits, "_float32")

            body = f"\n  const int8_t* from = at_end(x, {x.size});{in_pairs(3, call)}"
            arrays = {"x": x, "w": packed(w), "params": blocks_float32(biases, how.bits)}
            name = f"conv in float32 {K} {M} {reach}"
            yield Case(name, arrays, guarded(3 * M), body, want)


def filters(rng: Rng, count: int, K: int) -> np.ndarray:
    """[count][K]; the last filter all -128, the worst there is."""
    w = bytes_(rng, count, K)
    w[-1] = -128
    return w


def sums_of(columns: np.ndarray, w: np.ndarray, params: np.ndarray) -> np.ndarray:
    return columns.astype("int64") @ w.T.astype("int64") + params[:, 0]


def pointwise(
    name: str, x: np.ndarray, w: np.ndarray, params: np.ndarray, limits: tuple[int, int]
) -> Case:
    """x [pixels][K], w [filters][K]."""
    (pixels, K), M = x.shape, len(w)
    want = guarded(pixels * M)
    want[:-8] = output(sums_of(x, w, params), params, *limits).reshape(-1)
    calls = in_pairs(pixels, lambda count: conv(f"from + p * {K}", K, M, count, limits))
    body = f"""
  const int8_t* from = at_end(x, {x.size});{calls}"""
    arrays = {"x": x, "w": packed(w), "params": blocks(params)}
    return Case(name, arrays, guarded(pixels * M), body, want)


# channels, kernel_h, kernel_w, stride, pad_left, pad_right, width, missing rows
DEPTHWISE = (
    (8, 3, 3, 1, 1, 1, 12, 0),
    (16, 3, 3, 1, 1, 1, 6, 1),
    (64, 3, 3, 1, 1, 1, 5, -1),
    (24, 3, 3, 2, 0, 1, 10, 0),
    (40, 3, 3, 2, 1, 1, 9, 1),
    (128, 3, 3, 1, 1, 1, 3, 0),
    (136, 3, 3, 1, 1, 1, 6, -1),
    (127, 3, 3, 2, 1, 1, 4, 0),
    (5, 3, 3, 1, 1, 1, 3, 2),
    (17, 3, 3, 1, 1, 1, 1, 0),
    (18, 2, 2, 2, 0, 0, 8, 0),
    (20, 4, 4, 1, 1, 2, 8, 1),
    (12, 1, 3, 3, 1, 1, 9, 0),
    (16, 5, 5, 1, 2, 2, 10, 0),
    (21, 5, 5, 2, 1, 2, 10, -2),
    (16, 7, 7, 2, 2, 3, 20, 3),
    (33, 7, 7, 1, 3, 3, 5, 0),
    (132, 7, 7, 1, 3, 3, 3, -3),
    (4, 10, 4, 2, 1, 1, 9, 1),
    (16, 12, 1, 1, 0, 0, 4, 0),
    (16, 1, 9, 1, 4, 4, 11, 0),
    (3, 13, 2, 1, 0, 1, 4, 0),
    (2, 7, 7, 1, 3, 3, 5, 3),
    (1, 1, 9, 1, 4, 4, 11, 0),
)


def depthwises(rng: Rng) -> Iterator[Case]:
    for sizes in DEPTHWISE:
        yield in_blocks(plain_depthwises.depthwise(rng, *sizes), sizes)


def depthwises_float32(rng: Rng) -> Iterator[Case]:
    for sizes in plain_depthwises.FLOAT32:
        channels, kernel_h, kernel_w = sizes[:3]
        how = scaling(rng, channels, kernel_h * kernel_w << 12)
        plain = plain_depthwises.depthwise(rng, *sizes, how)
        case = in_blocks(plain, sizes)
        params = blocks_float32(plain.arrays["params"][:, 0], how.bits)
        body = re.sub(r"(scratch, -?\d+, )", rf"\g<1>{how.zero_point}, ", case.body)
        yield replace(case, arrays=case.arrays | {"params": params}, body=body)


def in_place(rng: Rng) -> Iterator[Case]:
    """As close below their oldest input row as the order of accesses allows."""
    for case, sizes in zip(
        plain_depthwises.in_place(rng), [(6, 3, 1), (5, 3, 2), (4, 5, 1), (3, 7, 1)], strict=True
    ):
        channels, kernel, stride = sizes
        yield in_blocks(case, (channels, kernel, kernel, stride))


def without_scratch(rng: Rng) -> Iterator[Case]:
    """The kernel that gathers nothing takes the weights of the plain one."""
    for sizes in DEPTHWISE:
        yield taps_in_place(plain_depthwises.depthwise(rng, *sizes))
    for case in plain_depthwises.in_place(rng):
        yield taps_in_place(case)
    for sizes in plain_depthwises.FLOAT32:
        channels, kernel_h, kernel_w = sizes[:3]
        how = scaling(rng, channels, kernel_h * kernel_w << 12)
        plain = plain_depthwises.depthwise(rng, *sizes, how)
        case = taps_in_place(plain)
        params = blocks_float32(plain.arrays["params"][:, 0], how.bits)
        body = re.sub(r"(params, out, -?\d+, )", rf"\g<1>{how.zero_point}, ", case.body)
        yield replace(case, arrays=case.arrays | {"params": params}, body=body)


def taps_in_place(case: Case) -> Case:
    body = case.body.replace("_plain_depthwise", "_mve_depthwise_in_place")
    arrays = case.arrays | {"params": blocks(case.arrays["params"])}
    return replace(case, name=f"{case.name}, no scratch", arrays=arrays, body=body)


def in_blocks(case: Case, sizes: tuple[int, ...]) -> Case:
    """A case of the plain kernel with what Helium's takes; scratch ends where memory ends."""
    channels, kernel_h, kernel_w, stride = sizes[:4]
    columns = stride + -(-kernel_w // 4) * 4
    if kernel_h > 4 or kernel_w > 4:
        columns += -columns % 4
    words = 16 * -(-kernel_h // 4) * columns + (channels + -channels % 4) // 2
    body = case.body.replace("_plain_", "_mve_")
    body = body.replace(", params, out,", ", params, out, scratch,")
    body = (
        f"  static int32_t room[{words}];\n  int32_t* scratch = last_words(room, {words});\n{body}"
    )
    if "x" in case.arrays:
        body = body.replace("(x,", f"(at_end(x, {case.arrays['x'].size}),")
    arrays = case.arrays | {
        "w": packed_depthwise(case.arrays["w"]),
        "params": blocks(case.arrays["params"]),
    }
    return replace(case, name=f"{case.name} C{channels}", arrays=arrays, body=body)


def windows(
    rng: Rng, *, channels: int, kernel: tuple[int, int], stride: int, left: int, width: int
) -> Case:
    """A row of a convolution with windows gathered in pairs, and what is in the columns."""
    KH, KW = kernel
    K, M, pixels = KH * KW * channels, 4, (width + 2 * left - KW) // stride + 1
    x, w = bytes_(rng, KH, width, channels), filters(rng, M, K)
    params = channel_params(rng, M, K << 14)
    zero_point, lines = int(rng.integers(-128, 128)), line_numbers(rng, KH, channels % 2)
    rows = padded(x, lines, left, left, zero_point)
    columns = np.stack([rows[:, p * stride : p * stride + KW].reshape(-1) for p in range(pixels)])
    want = guarded(pixels * (M + K))
    outputs = output(sums_of(columns, w, params), params, *LIMITS[0])
    want[:-8] = np.concatenate([outputs.reshape(-1), columns.reshape(-1)])
    gather = f"tvm_tiny_mve_gather(from, lines, cols, p * {stride} - {left}, {zero_point}, "
    sizes = f", {width}, {channels}, {KH}, {KW}, {stride}, {width * channels});"

    def step(count: int) -> str:
        return f"""int8_t* cols = out + {pixels * M} + p * {K};
    {gather}{count}{sizes}
    {conv("cols", K, M, count, LIMITS[0])}"""

    body = f"""
  const int8_t* from = at_end(x, {x.size});{in_pairs(pixels, step)}"""
    arrays = {"x": x, "w": packed(w), "params": blocks(params), "lines": np.array(lines, "int32")}
    before = guarded(want.size - 8)
    return Case(f"windows {channels} {kernel}", arrays, before, body, want)
