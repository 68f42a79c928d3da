"""Scales and zero points of int8 activations, many at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..graph import Array

LEAST, GREATEST = -128, 127


class Scale(NamedTuple):
    """A scale and zero point of int8 values.

    An int8 value q stands for the real value scale * (q - zero_point).
    """

    scale: float
    zero_point: int


@dataclass(frozen=True)
class Scales:
    """Several scales to choose from.

    Both arrays are [scales, 1], zero points as float.
    """

    scale: Array
    zero_point: Array

    @classmethod
    def of(cls, scale: Scale) -> Scales:
        """A choice of one scale, which broadcasts against any number of others."""
        return cls(np.full((1, 1), scale.scale), np.full((1, 1), float(scale.zero_point)))

    @classmethod
    def between(cls, lows: Array, highs: Array) -> Scales:
        """Scales whose 256 values reach from `lows` to `highs`, each [scales]."""
        steps = ((highs - lows) / (GREATEST - LEAST)).astype(np.float32).astype(np.float64)
        return cls(steps[:, None], _zero_points(lows[:, None], steps[:, None]))

    def starting_at(self, low: float) -> Scales:
        """These scales, with zero points that make `low` the least value."""
        return Scales(self.scale, _zero_points(low, self.scale))

    def round(self, values: Array) -> Array:
        """Real values [count] or [scales, count], rounded to each scale."""
        return (self._integers(values) - self.zero_point) * self.scale

    def mapped(self, function: Callable[[Array], Array], values: Array) -> Array:
        """`function` of `values` [count], rounded to each scale: [scales, count].

        `function` is called with the 256 values of each scale.
        """
        levels = (np.arange(LEAST, GREATEST + 1) - self.zero_point) * self.scale
        indices = self._integers(values).astype(np.int64) - LEAST
        return np.take_along_axis(function(levels), indices, axis=1)

    def _integers(self, values: Array) -> Array:
        steps = np.rint(values / self.scale) + self.zero_point
        return np.asarray(np.clip(steps, LEAST, GREATEST))

    def __getitem__(self, index: np.intp) -> Scale:
        """One of the scales; a choice of one has it at any index."""
        row = index if len(self.scale) > 1 else 0
        return Scale(float(self.scale[row, 0]), int(self.zero_point[row, 0]))


def _zero_points(lows: Array | float, steps: Array) -> Array:
    return np.asarray(np.clip(np.rint(LEAST - lows / steps), LEAST, GREATEST))
