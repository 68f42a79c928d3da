"""Random calls of dsp.h and what they should give, from NumPy arithmetic of int64."""

from __future__ import annotations

import numpy as np
from dsp_additions import adds
from dsp_products import convolutions, dots, requantizes
from dsp_run import Case
from dsp_windows import depthwises, gathers, in_places


def all_cases() -> list[Case]:
    rng = np.random.default_rng(20)
    groups = (gathers, dots, requantizes, convolutions, depthwises, in_places, adds)
    return [case for group in groups for case in group(rng)]
