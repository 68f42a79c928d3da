"""Sums to outputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from kernels.float32_reference import scaling
from kernels.plain_reference import LIMITS, Rng, guarded, output
from kernels.plain_runs import Case


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


def requantizations_float32(rng: Rng) -> Iterator[Case]:
    """Sums at ties of float32 and beside them."""
    for case, (filters, channels, pixels) in enumerate(
        [(2, 2, 2), (2, 1, 2), (4, 3, 1), (2, 2, 1), (2, 2, 4)] * 3
    ):
        low, high = LIMITS[case % 2]
        reach, count = (2000, 300_000, 2**30 - 1)[case // 5], 100
        how = [scaling(rng, filters, reach) for _ in range(count)]
        acc = np.stack([each.near_ties(rng, pixels, reach) for each in how])
        params = np.stack([np.pad(each.parts, ((0, 0), (1, 0))) for each in how])
        want = guarded(pixels * 3 * count).copy()
        for each, sums, at in zip(how, acc, want[:-8].reshape(count, pixels, 3), strict=True):
            at[:, :channels] = each.outputs(sums, low, high)[:, :channels]
        body = f"""
  int32_t n, k;
  for (n = 0; n < {count}; n++) {{
    int32_t sums[{pixels * filters}];
    for (k = 0; k < {pixels * filters}; k++) sums[k] = acc[n * {pixels * filters} + k];
    tvm_tiny_plain_requantize_float32(sums, {filters}, params + n * {4 * filters},
                                      out + n * {3 * pixels}, {pixels}, {channels}, 3, {low},
                                      {high});
  }}"""
        arrays = {"acc": acc.astype("int32"), "params": params.astype("int32")}
        name = f"requantize in float32 {filters} {channels} {pixels} {reach}"
        yield Case(name, arrays, guarded(want.size - 8), body, want)
