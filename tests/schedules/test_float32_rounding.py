"""Parameters of channels that are rounded in float32."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.float32_reference import scaling
from test_requantize import COUNT, compiled

from tvm_tiny.schedules.packed.float32 import IN_FLOAT32, FloatChannel
from tvm_tiny.schedules.pointwise import Steps

FULL = (-128, 127)
LAYOUTS = pytest.mark.parametrize("layout", IN_FLOAT32.values(), ids=str)


class Words:
    """Parameters of which every element of a kernel has its own."""

    def __init__(self, words):
        self.words = words

    def __getitem__(self, at):
        return self.words[at[1]]


@LAYOUTS
def test_the_tir_of_a_form_rounds_once_to_even(layout):
    steps = Steps()

    def value(buffers, index):
        total, *words = (buffer[index] for buffer in buffers)
        return steps.keep(layout.scaled(total, Words(words), index[-1]))

    rng = np.random.default_rng(0)
    how = scaling(rng, COUNT, 30_000)
    sums = how.near_ties(rng, 1, 30_000)[0]
    rows = [FloatChannel(m, (-30_000, 30_000), 3, FULL).row(0, layout) for m in how.multipliers]
    columns = np.array(rows, "int32").T
    function = compiled(value, steps, inputs=1 + layout.words)
    expected = np.rint(sums.astype("float32") * how.multipliers)
    np.testing.assert_array_equal(function(sums, *columns), expected)


@LAYOUTS
@pytest.mark.parametrize(
    ("multiplier", "reach", "fits"),
    [
        (0.49, 2**30 - 1, True),
        (0.5, 100, False),
        (-0.25, 1000, False),
        (np.inf, 1000, False),
        (0.01, 2**30, False),
        (2.0**-16, 2**30 - 1, True),
        (2.0**-17, 2**30 - 1, False),
        (2.0**-17, 2**23, True),
        (2.0**-17, 2**25, False),
        (2.0**-28, 2**29, False),
        (2.0**-30, 2**29, True),
    ],
)
def test_what_integers_cannot_do_does_not_fit(layout, multiplier, reach, fits):
    """Of the sums that can be only the first and the last matter."""
    channel = FloatChannel(np.float32(multiplier), (-reach, reach), -128, FULL)
    assert (channel.row(0, layout) is not None) == fits


@LAYOUTS
@pytest.mark.parametrize("value", [-128, -7, 0, 127])
def test_channels_of_one_value_keep_it_without_their_weights(layout, value):
    zero_point = 5
    limits = (value, value)
    channel = FloatChannel(np.float32(3e-9), (-(2**31), 2**31 - 1), zero_point, limits)
    start, *rest = channel.row(-(2**31), layout)
    if layout.words == 2:
        factor = np.int32(rest[0]).view(np.float32)
        assert np.rint(np.float32(start) * factor) + zero_point == value
    else:
        m, offset, shift = rest
        raised = ((start * m + (1 << 30)) >> 31) + offset
        # Not a tie, which would be decided by the remainder.
        assert raised >> shift == value
        assert raised % (1 << shift) != 0
