"""Normalizations in integers, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.reference import Quant, norms

RNG = np.random.default_rng


def rows_of(n, seed):
    """Rows of very different deviation and mean; the first is constant."""
    rng = RNG(seed)
    spread = np.exp(rng.uniform(np.log(0.3), np.log(80), (20, 1)))
    rows = np.rint(rng.normal(size=(20, n)) * spread + rng.integers(-50, 50, (20, 1)))
    rows[0] = 5
    return np.clip(rows, -128, 127).astype("int8")


def real(rows, scale, zero_point, gains, offsets, epsilon, centred):
    x = (rows.astype("float64") - zero_point) * scale
    x = x - x.mean(-1, keepdims=True) if centred else x
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * gains + offsets


@pytest.mark.parametrize("epsilon", [1e-12, 1e-5, 1e-3])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("n", [1, 2, 7, 64, 600])
def test_error_before_rounding_is_below_a_thousandth_of_a_step(n, centred, epsilon):
    rng = RNG(n)
    for scale, step in ((0.002, 0.1), (0.05, 0.02), (0.7, 0.005)):
        gains, offsets = rng.normal(size=n), rng.normal(size=n)
        target = Quant(step, -7)
        rows = rows_of(n, n)
        norm = norms.norm_of(n, scale, gains, offsets, target, epsilon, centred=centred)
        found = norms.normalize(rows, norm, 11)
        ideal = real(rows, scale, 11, gains, offsets, epsilon, centred) / step - 7
        inside = np.abs(ideal) < 127
        assert np.abs(found - ideal)[inside].max() < 0.5 + 1e-3
        assert (found[ideal > 128] == 127).all()
        assert (found[ideal < -129] == -128).all()


def test_a_constant_row_gives_the_offset_even_without_epsilon():
    norm = norms.norm_of(4, 0.1, np.ones(4), np.full(4, 0.5), Quant(0.1, 3), 0.0, centred=True)
    assert (norms.normalize(np.full((1, 4), -9, "int8"), norm, 0) == 5 + 3).all()


def test_inverse_root_is_within_a_ten_millionth():
    u = np.linspace(2**30, 2**32 - 1, 10_001).astype("int64")
    np.testing.assert_allclose(norms.inverse_root(u), 2.0**46 / np.sqrt(u), rtol=1e-7)


def test_what_has_no_room_has_no_integer_form():
    one, zero = np.ones(4), np.zeros(4)
    assert norms.norm_of(4, 0.1, one * 1e6, zero, Quant(1e-3, 0), 1e-5, centred=True) is None
    assert norms.norm_of(1 << 17, 0.1, np.ones(1 << 17), np.zeros(1 << 17), Quant(0.1, 0), 1e-5,
                         centred=True) is None  # fmt: skip
