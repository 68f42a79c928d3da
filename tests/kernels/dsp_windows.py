"""Columns of convolutions, and depthwise convolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from dsp_reference import (
    FULL,
    ORDER,
    channel_params,
    columns,
    int8,
    noise,
    quads,
    requantized,
    some_zero_point,
)
from dsp_run import Case
from kernels.float32_reference import scaling


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


def depthwise(
    rng, width, channels, kernel, stride, pad, lines, limits=FULL, out_width=None, float32=False
) -> Case:
    kernel_h, kernel_w = kernel
    if out_width is None:
        out_width = -(-width // stride)
    x = int8(rng, kernel_h + 1, width, channels)
    filters = int8(rng, channels, kernel_h * kernel_w)
    w = np.append(filters, noise("int8", 3))
    y_zp, reach = some_zero_point(rng), 128 * 64 * kernel_h * kernel_w // 2
    params = channel_params(rng, channels, reach, y_zp)
    biases = params[:, 0] >> 8
    if float32:
        how = scaling(rng, channels, reach)
        y_zp, params = how.zero_point, np.stack([biases, how.bits], 1)
    lines = np.array(lines, np.int32)
    zp = some_zero_point(rng)
    sums = np.zeros((out_width, channels), np.int64)
    for ox in range(out_width):
        window = columns(x, lines, ox * stride - pad, zp, kernel_w).reshape(-1, channels)
        sums[ox] = biases + np.einsum("kc,ck->c", window, filters.astype(np.int64))
    want = requantized(sums, params, y_zp, *limits)
    if float32:
        want = how.outputs(sums, *limits)
    span = (out_width - 1) * stride + kernel_w
    scratch = noise("int16", 4 * kernel_h * 4 * (-(-span // 4)))
    call = f"""\
  tvm_tiny_dsp_depthwise{"_float32" if float32 else ""}((const int8_t*)at[0],
    (const int32_t*)(void*)at[3], (const int8_t*)at[1], (const int32_t*)(void*)at[2],
    (int8_t*)at[4], (int16_t*)(void*)at[5],
    ((const int32_t*)(void*)at[6])[0], {y_zp}, {limits[0]}, {limits[1]}, {width}, {channels},
    {kernel_h}, {kernel_w}, {stride}, {pad}, {out_width});
"""
    out = noise("int8", *want.shape).reshape(want.shape)
    zero = np.array([zp], np.int32)
    buffers = [x, w, params, lines, out, scratch, zero]
    name = f"depthwise {kernel_h}x{kernel_w} s{stride} of {width}x{channels}, lines {lines}"
    return Case(name, call, buffers, [x, w, params, lines, want, None, zero])


def taps_in_place(filters: np.ndarray) -> np.ndarray:
    """[channels, kernel_h, kernel_w] -> [blocks of channels, kernel_h, 4 * kernel_w], doubled."""
    channels, kernel_h, kernel_w = filters.shape
    whole = np.zeros((-(-channels // 4) * 4, kernel_h, kernel_w), np.int16)
    whole[:channels] = 2 * filters.astype(np.int16)
    blocks = whole.reshape(-1, 4, kernel_h, kernel_w).transpose(0, 2, 1, 3)
    paired = kernel_w & ~1
    pairs = blocks[..., :paired].reshape(*blocks.shape[:3], -1, 2).swapaxes(2, 3)
    last = blocks[:, :, ORDER, paired:]
    parts = [part.reshape(*blocks.shape[:2], -1) for part in (pairs, last)]
    return np.ascontiguousarray(np.concatenate(parts, axis=2))


def depthwise_in_place(
    rng, width, channels, kernel, stride, pad, lines, limits=FULL, out_width=None, float32=False
) -> Case:
    """The same as `depthwise` without scratch."""
    case = depthwise(rng, width, channels, kernel, stride, pad, lines, limits, out_width, float32)
    x, w, *others, _, zero = case.buffers
    filters = w[:-3].reshape(channels, *kernel)
    call = case.call.replace("dsp_depthwise", "dsp_depthwise_in_place")
    call = call.replace("(const int8_t*)at[1]", "(const int16_t*)(void*)at[1]")
    call = call.replace(" (int16_t*)(void*)at[5],", "").replace("at[6]", "at[5]")
    packed = taps_in_place(filters)
    after = [x, packed, *case.after[2:5], zero]
    return Case(f"{case.name}, in place", call, [x, packed, *others, zero], after)


def depthwise_over_input(rng, width, channels, kernel, stride, lines) -> Case:
    """Written over the first row of its input, without padding: what is gone was read."""
    out_width = (width - kernel[1]) // stride + 1
    case = depthwise_in_place(rng, width, channels, kernel, stride, 0, lines, FULL, out_width)
    x, *others, want, zero = case.after
    after = x.copy()
    after.reshape(-1)[: want.size] = want.reshape(-1)
    call = case.call.replace("(int8_t*)at[4]", "(int8_t*)at[0]")
    name = f"{case.name}, over its input"
    return Case(name, call, case.buffers, [after, *others, case.buffers[4], zero])


def in_place(
    rng, width, channels, outputs, kernel, stride, pad, lines, limits=FULL, pixels=2, float32=False
) -> Case:
    kernel_h, kernel_w = kernel
    out_width = -(-width // stride)
    x = int8(rng, kernel_h + 1, width, channels)
    size = kernel_h * kernel_w * channels
    filters = np.maximum(int8(rng, outputs, size).astype(np.int64), -127)
    pairs = np.concatenate([filters, np.zeros((outputs % 2, size), np.int64)]).reshape(-1, 2, size)
    words = pairs[:, 0] + 256 * pairs[:, 1]
    w = words.reshape(len(pairs), -1, 4)[..., ORDER].astype(np.int16)
    y_zp, zp = some_zero_point(rng), some_zero_point(rng)
    params = channel_params(rng, outputs, 128 * 64 * size // 4, y_zp)
    biases = params[:, 0] >> 8
    lines = np.array(lines, np.int32)
    windows = [columns(x, lines, ox * stride - pad, zp, kernel_w) for ox in range(out_width)]
    sums = biases + np.array(windows) @ filters.T
    if float32:
        how = scaling(rng, outputs, 128 * 64 * size // 4)
        y_zp, params = how.zero_point, np.stack([biases, how.bits], 1)
        want = how.outputs(sums, *limits)
    else:
        want = requantized(sums, params, y_zp, *limits)
    call = f"""\
  tvm_tiny_dsp_in_place{"_float32" if float32 else ""}((const int8_t*)at[0],
    (const int32_t*)(void*)at[3], (const int16_t*)(void*)at[1], (const int32_t*)(void*)at[2],
    (int8_t*)at[4], ((const int32_t*)(void*)at[5])[0], {y_zp}, {limits[0]}, {limits[1]},
    {width}, {channels}, {kernel_h}, {kernel_w}, {stride}, {pad}, {out_width}, {outputs},
    {pixels});
"""
    zero = np.array([zp], np.int32)
    buffers = [x, w, params, lines, noise("int8", *want.shape).reshape(want.shape), zero]
    window = f"{kernel_h}x{kernel_w} s{stride} of {width}x{channels}"
    name = f"in place {window} to {outputs} by {pixels}, {lines}"
    return Case(name, call, buffers, [x, w, params, lines, want, zero])


def in_places(rng: np.random.Generator) -> Iterator[Case]:
    for width, channels, outputs, kernel, stride, pad in (
        (5, 64, 64, (1, 1), 1, 0),
        (6, 12, 5, (1, 1), 1, 0),
        (7, 8, 6, (1, 1), 2, 0),
        (32, 16, 16, (3, 3), 1, 1),
        (16, 32, 4, (3, 3), 1, 1),
        (8, 64, 3, (3, 3), 1, 1),
        (16, 4, 2, (3, 3), 2, 0),
        (9, 8, 4, (5, 5), 2, 2),
        (3, 4, 4, (7, 7), 1, 3),
        (1, 20, 7, (3, 3), 1, 1),
        (10, 24, 4, (2, 4), 1, 1),
    ):
        lines = rng.permutation(kernel[0] + 1)[: kernel[0]]
        yield in_place(rng, width, channels, outputs, kernel, stride, pad, lines)
        yield in_place(rng, width, channels, outputs, kernel, stride, pad, lines, pixels=1)
        if kernel[0] > 1:
            lines[rng.integers(kernel[0])] = -1
            yield in_place(rng, width, channels, outputs, kernel, stride, pad, lines, (-100, 90))


def in_places_float32(rng: np.random.Generator) -> Iterator[Case]:
    for pixels in (1, 2):
        yield in_place(rng, 6, 12, 5, (1, 1), 1, 0, [1], FULL, pixels, float32=True)
        yield in_place(rng, 9, 8, 4, (5, 5), 2, 2, [3, 0, 4, 1, 2], FULL, pixels, float32=True)
        limits = (-100, 90)
        yield in_place(rng, 7, 4, 3, (3, 3), 1, 1, [2, -1, 0], limits, pixels, float32=True)


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
    for case in (depthwise, depthwise_in_place):
        yield from depthwises_by(case, rng)
    for channels in (8, 6):
        for kernel, stride in (((3, 3), 1), ((3, 3), 2), ((5, 5), 1), ((2, 4), 1), ((1, 1), 1)):
            lines = range(kernel[0])
            yield depthwise_over_input(rng, 11, channels, kernel, stride, lines)
    yield depthwise_in_place(rng, 12, 8, (9, 3), 1, 1, [-1, *range(8)])
    yield depthwise_in_place(rng, 12, 8, (3, 9), 1, 4, [2, -1, 1])
    yield depthwise_in_place(rng, 14, 8, (3, 11), 1, 5, [2, 0, 1])
    for width in (1, 2, 3, 4):
        yield depthwise_in_place(rng, width, 12, (3, 3), 1, 1, [2, 0, 1], (-100, 90))
        yield depthwise_in_place(rng, width, 8, (7, 7), 1, 3, [-1, 2, 0, 1, -1, 4, -1])


def depthwises_by(depthwise: Callable[..., Case], rng: np.random.Generator) -> Iterator[Case]:
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
    for width, pad in ((1, 2), (2, 2), (1, 0), (2, 3)):
        yield depthwise(rng, width, 5, (5, 5), 1, pad, [1, 0, -1, 3, 2], out_width=2)
    for kernel, stride, width in ((3, 2, 13), (5, 1, 7), (5, 2, 9), (7, 1, 6), (7, 2, 14)):
        lines = [-1, *rng.permutation(kernel - 1)]
        yield depthwise(rng, width, 6, (kernel, kernel), stride, kernel // 2, lines, (-100, 90))


def depthwises_float32(rng: np.random.Generator) -> Iterator[Case]:
    for case in (depthwise, depthwise_in_place):
        yield from depthwises_float32_by(partial(case, float32=True), rng)


def depthwises_float32_by(
    depthwise: Callable[..., Case], rng: np.random.Generator
) -> Iterator[Case]:
    for width, channels, kernel, stride, pad in DEPTHWISE:
        lines = list(rng.permutation(kernel[0]))
        yield depthwise(rng, width, channels, kernel, stride, pad, lines)
    for limits in (FULL, (-100, 90)):
        for kernel, stride in (((3, 3), 1), ((3, 3), 2), ((4, 3), 1), ((2, 5), 2)):
            lines = [-1, *range(kernel[0] - 1)]
            yield depthwise(rng, 9, 6, kernel, stride, 1, lines, limits)
        yield depthwise(rng, 9, 3, (3, 3), 1, 1, [0, 1, 2], limits)
