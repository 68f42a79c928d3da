"""The integer forms of rounding in float32, sum by sum, against the float32 of this machine."""

from __future__ import annotations

import numpy as np
import pytest
from kernels.every_sum import every_sum
from kernels.plain_runs import run_on_host
from tools import require

HEADERS = ("-include", "tvm_tiny/dsp.h", "-include", "tvm_tiny/mve.h")


@pytest.mark.parametrize("tool", ["gcc", "clang"])
def test_integers_round_every_sum_as_float32_does(tool, tmp_path):
    require(tool)
    run_on_host(tool, [every_sum(np.random.default_rng(0))], tmp_path, ("-O2", *HEADERS))
