"""Gains and offsets as depthwise convolutions and as sums."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.reference import Quant, Rounding, affine

SOURCE, TARGET = Quant(0.03, -9), Quant(0.05, 4)


def ideal(x, gain, offset):
    real = SOURCE.scale * (x.astype("float64") - SOURCE.zero_point) * gain + offset
    return np.clip(real / TARGET.scale + TARGET.zero_point, -128, 127)


@pytest.mark.parametrize("shape", [(7,), (5, 1), (5, 7), (4, 1, 1), (4, 5, 7)])
@pytest.mark.parametrize("gains", [True, False])
def test_error_before_rounding_is_below_a_hundredth_of_a_step(shape, gains):
    rng = np.random.default_rng(3)
    x = rng.integers(-128, 128, (4, 5, 7)).astype("int8")
    gain = rng.normal(size=shape) if gains else np.ones(())
    offset = rng.normal(size=shape)
    found = affine.affine(x, gain, offset, SOURCE, TARGET, Rounding.FLOAT32)
    assert np.abs(found - ideal(x, gain, offset)).max() < 0.51


def test_offsets_far_beyond_the_gain_still_fit():
    gains, offsets = np.array([0.0, 1e-9, -1e-3]), np.array([3.0, -2.0, 6.0])
    x = np.arange(-128, 128).astype("int8").reshape(-1, 1).repeat(3, 1)
    found = affine.affine(x, gains, offsets, SOURCE, TARGET, Rounding.FLOAT32)
    assert np.abs(found - ideal(x, gains, offsets)).max() < 0.51


def test_single_numbers_and_too_many_channels_are_left_to_others():
    x = np.zeros((5000, 2), "int8")
    assert affine.affine(x, np.ones(()), np.ones((1, 1)), SOURCE, TARGET) is None
    assert affine.affine(x, np.ones((5000, 2)), np.ones(()), SOURCE, TARGET) is None
