"""The features of a candidate for the cost model.

TVM's own features count loops and stores. The work of our kernels is inside the micro-kernels that
they call, so our features count calls of micro-kernels and the work of each.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tvm
from tvm.ir.utils import derived_object
from tvm.s_tir.meta_schedule import MeasureCandidate, TuneContext
from tvm.s_tir.meta_schedule.feature_extractor import PyFeatureExtractor

from tvm_tiny.schedules.packed.choice import Choice
from tvm_tiny.schedules.packed.geometry import Geometry, geometry

from .candidates import scratch_bytes
from .space import choice_in, workload_in
from .workloads import Workload


def features(workload: Workload, choice: Choice) -> dict[str, float]:
    """Features of a candidate by name. All counts are for the whole layer."""
    call = workload.packed(choice)
    g = geometry(call)
    rows = g.out[0]
    sizes = _sizes(g)
    counts = {name: count * rows for name, count in _calls(g).items()}
    return {**sizes, **counts, "scratch": scratch_bytes(call), **_shares(counts, g)}


def _sizes(g: Geometry) -> dict[str, float]:
    return {
        "pixels": g.pixels,
        "filters": g.filters,
        "sums": g.pixels * g.filters,
        "chunk": g.chunk,
        "wide": g.wide,
        "direct": g.direct,
        "size": g.size,
        "quads": -(-g.size // 4),
        "channels": g.out[2],
        "columns": g.out[1],
        "window": g.kernel[0] * g.kernel[1],
        "pixels_left": g.out[1] % g.pixels,
        "filters_left": g.out[2] % g.filters,
        "tiles_left": g.tiles % g.chunk,
    }


def _calls(g: Geometry) -> dict[str, float]:
    """Counts of micro-kernel calls and of their work, for one row."""
    blocks = -(-g.out[2] // g.filters)
    rest = 1 if g.out[1] % g.pixels else 0
    gathered = g.tiles + rest
    dots = gathered * blocks
    whole = g.tiles * blocks if g.wide else 0
    widened = -(-g.tiles // g.chunk) * blocks if g.wide else 0
    quads = -(-g.size // 4)
    return {
        "gathers": 0 if g.direct else gathered,
        "gathered": 0 if g.direct else g.out[1] * g.size,
        "dots": dots,
        "narrow_quads": (dots - whole) * quads,
        "wide_quads": whole * quads,
        "widened_quads": widened * quads,
        "products": dots * g.pixels * g.filters * g.size,
        "results": g.out[1] * g.out[2],
    }


def _shares(counts: Mapping[str, float], g: Geometry) -> dict[str, float]:
    """The counts divided by multiplications, which makes layers of all sizes alike."""
    macs = g.out[0] * g.out[1] * g.out[2] * g.size
    return {f"{name}_share": count / macs for name, count in counts.items()}


@derived_object
class Features(PyFeatureExtractor):
    """A feature extractor for MetaSchedule: one line of numbers for each candidate."""

    def __init__(self, workloads: Mapping[str, Workload]) -> None:
        super().__init__()
        self.workloads = workloads

    def extract_from(
        self, context: TuneContext, candidates: list[MeasureCandidate]
    ) -> list[tvm.runtime.Tensor]:
        """float64 [1, features] for each candidate."""
        workload = self.workloads[workload_in(context.mod)]
        return [
            tvm.runtime.tensor(line(workload, choice_in(workload, candidate.sch.mod)))
            for candidate in candidates
        ]


def line(workload: Workload, choice: Choice) -> np.ndarray:
    """`features` as float64 [1, features]."""
    return np.array([list(features(workload, choice).values())], dtype="float64")
