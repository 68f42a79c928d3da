"""Parameters of channels as the micro-kernels take them."""

from __future__ import annotations

import numpy as np
import pytest

from tvm_tiny.schedules.packed.channels import BLOCKS, WIDE
from tvm_tiny.schedules.packed.packing import pack_channels

SATURATED = np.array([2**31 - 1, -(2**31)])
ATTRS = {"x_zp": -128, "y_zp": 3, "act_min": -128, "act_max": 127}


@pytest.mark.parametrize("layout", [WIDE, BLOCKS], ids=["wide", "blocks"])
def test_a_channel_of_one_value_begins_with_no_bias(layout):
    """Micro-kernels double their sums; a bias at the int32 limits must not be among them."""
    weights, multiplier = np.zeros((2, 4), "int8"), np.array([1 << 30, 1 << 30])
    found = pack_channels(
        weights, SATURATED, multiplier, np.array([-8]), ATTRS, folds=True, layout=layout
    )
    assert found is not None
    assert not set(SATURATED.tolist()) & set(found[1].reshape(-1).tolist())
