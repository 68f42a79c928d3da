"""Histograms of the values that a float model's activations take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Array
from .measure import session

# Eight bins for each of the 256 steps of the widest range.
BINS = 2048


@dataclass(frozen=True)
class Histogram:
    """Values [count] of a tensor and their numbers of occurrences.

    All of them lie between low <= 0 and high >= 0.
    """

    values: Array
    counts: Array
    low: float
    high: float

    def errors(self, found: Array, expected: Array | None = None) -> Array:
        """The sum of squared errors of each row of `found`, [rows, count]."""
        reference = self.values if expected is None else expected
        return np.asarray(np.square(found - reference) @ self.counts)


def histograms(model: Any, feeds: Sequence[dict[str, Array]]) -> dict[str, Histogram]:
    """The histograms of all float activations, inputs first, in execution order.

    Tensors that hold NaN, infinity or nothing but zeros are left out.
    """
    names = [name for node in model.graph.node for name in node.output if name]
    running = session(model, names)
    ranges = _ranges(_activations(running, names, feeds))
    counts = {name: np.zeros(BINS) for name in ranges}
    for name, value in _activations(running, names, feeds):
        if name in ranges:
            counts[name] += _count(value, *ranges[name])
    return {name: _histogram(counts[name], *ranges[name]) for name in ranges}


def _activations(
    running: Any, names: Sequence[str], feeds: Sequence[dict[str, Array]]
) -> Iterator[tuple[str, Array]]:
    for feed in feeds:
        yield from feed.items()
        yield from zip(names, running.run(list(names), feed), strict=True)


def _ranges(activations: Iterator[tuple[str, Array]]) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each tensor, both widened to include 0."""
    ranges: dict[str, tuple[float, float]] = {}
    for name, value in activations:
        if value.dtype == np.float32 and value.size:
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = float(np.minimum(low, value.min())), float(np.maximum(high, value.max()))
    least = np.finfo(np.float32).tiny * BINS
    return {n: (low, high) for n, (low, high) in ranges.items() if least < high - low < np.inf}


def _count(value: Array, low: float, high: float) -> Array:
    """The number of elements in each bin; this is faster than `np.histogram`."""
    indices = ((value.reshape(-1) - low) * (BINS / (high - low))).astype(np.int32)
    return np.bincount(np.clip(indices, 0, BINS - 1), minlength=BINS)


def _histogram(counts: Array, low: float, high: float) -> Histogram:
    centers = low + (np.arange(BINS) + 0.5) * (high - low) / BINS
    return Histogram(centers[counts > 0], counts[counts > 0], low, high)
