"""Integers round as float32 does: every sum of some multipliers, in one loop of C."""

from __future__ import annotations

import numpy as np
from kernels.float32_reference import Rng, scaling
from kernels.plain_runs import Case

COUNT = 60

# Of a float32 below 2**22 the sum with 1.5 * 2**23 is rounded to an integer, ties to even.
# Volatile: no compiler computes with more bits.
BODY = f"""
  int32_t n, sum;
  for (n = 0; n < {COUNT}; n++) {{
    for (sum = -reach[n]; sum <= reach[n]; sum++) {{
      union {{ int32_t bits; float value; }} m;
      volatile float rounded;
      int32_t want;
      int8_t plain;
      m.bits = bits[n];
      rounded = (float)sum * m.value;
      rounded = rounded + 12582912.0f;
      want = (int32_t)(rounded - 12582912.0f);
      tvm_tiny_plain_requantize_float32(&sum, 1, params + 4 * n, &plain, 1, 1, 1, -128, 127);
      if (plain != (want < -128 ? -128 : want > 127 ? 127 : want) ||
          tvm_tiny_dsp_rounded_any(sum, (uint32_t)bits[n]) != want ||
          tvm_tiny_mve_rounded(sum, (uint32_t)bits[n]) != want) {{
        out[n] = 1;
      }}
    }}
  }}"""


def every_sum(rng: Rng) -> Case:
    """Of which the output is not behind the limits, or 2**21 of them; shifts from 1 to 15."""
    shifts = np.resize(np.arange(1, 16), COUNT)
    how = scaling(rng, COUNT, 1000)
    fraction = how.bits & (1 << 23) - 1
    bits = (126 - shifts << 23 | fraction).astype(np.int32)
    reach = np.minimum(130 / bits.view(np.float32), 1 << 20)
    parts = type(how)(bits.view(np.float32), 0).parts
    params = np.pad(parts, ((0, 0), (1, 0))).astype("int32")
    arrays = {"bits": bits, "reach": reach.astype("int32"), "params": params}
    nothing = np.zeros(COUNT, "int8")
    return Case("every sum", arrays, nothing, BODY, nothing)
