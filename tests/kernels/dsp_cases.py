"""Random calls of dsp.h and what they should give, from NumPy arithmetic of int64."""

from __future__ import annotations

import numpy as np
from dsp_additions import adds
from dsp_products import convolutions, dots, requantizes, requantizes_float32
from dsp_run import Case
from dsp_windows import depthwises, depthwises_float32, gathers, in_places, in_places_float32


def all_cases() -> list[Case]:
    rng = np.random.default_rng(20)
    integers = (gathers, dots, requantizes, convolutions, depthwises, in_places, adds)
    groups = (*integers, requantizes_float32, depthwises_float32, in_places_float32)
    return [case for group in groups for case in group(rng)]
