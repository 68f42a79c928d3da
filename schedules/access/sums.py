"""Integers that depend on the event and on loop iterations, as sums of arrays without common axes.

The address of a convolution's tap is A[row, ky] + B[column, kx] + C[channel]. Kept as three
arrays, its least value over the taps, and even over the whole output, costs the sum of their
sizes and not the product.

Axes count from the right: the event is axis -1, the outermost loop -2, and so on; an array
without a loop's axis broadcasts along it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Stands for "never": beyond any address, and several of them still fit an int64.
FAR = 1 << 50

# Elements of the largest array ever made: 8 MB.
_LARGEST = 1 << 20


class TooLargeError(Exception):
    """An array would take too much memory; fewer events at a time may help."""


@dataclass(frozen=True)
class Sum:
    """constant + parts; no two parts have an axis longer than 1 in common."""

    constant: int
    parts: tuple[Array, ...] = ()

    def __add__(self, other: Sum) -> Sum:
        return gather(self.constant + other.constant, [*self.parts, *other.parts])

    def __sub__(self, other: Sum) -> Sum:
        return self + other.times(-1)

    def times(self, factor: int) -> Sum:
        """The product with a number."""
        return Sum(self.constant * factor, tuple(part * factor for part in self.parts))

    def dense(self) -> Array:
        """The sum as one array."""
        return _total(self.parts) + self.constant

    def bounds(self) -> tuple[int, int]:
        """Least and largest value."""
        low = sum(int(part.min()) for part in self.parts)
        high = sum(int(part.max()) for part in self.parts)
        return self.constant + low, self.constant + high


def combined(operation: Callable[..., npt.NDArray[np.generic]], *values: Sum) -> Sum:
    """An element-wise function of several sums that is no sum itself."""
    arrays = [value.dense() for value in values]
    _check(np.broadcast_shapes(*(array.shape for array in arrays)))
    return gather(0, [np.asarray(operation(*arrays)).astype(np.int64)])


def iterations(count: int, depth: int) -> Sum:
    """0 .. count - 1 along the axis of the loop `depth` levels below the event."""
    _check((count,))
    return gather(0, [np.arange(count, dtype=np.int64).reshape(count, *[1] * depth)])


def gather(constant: int, arrays: Iterable[Array]) -> Sum:
    """The sum of a number and any arrays."""
    parts: list[Array] = []
    for array in arrays:
        if array.size == 1:
            constant += int(array.item())
            continue
        joined = [part for part in parts if _axes(part) & _axes(array)]
        parts = [part for part in parts if not _axes(part) & _axes(array)]
        parts.append(_total([*joined, array]))
    return Sum(constant, tuple(parts))


def where(mask: Mask, value: Sum, otherwise: int) -> Sum:
    """`value` where the mask holds, elsewhere something at least as far out as `otherwise`."""
    if mask.all():
        return value
    touched = [part for part in value.parts if _axes(part) & _axes(mask)]
    rest = [part for part in value.parts if not _axes(part) & _axes(mask)]
    _check(np.broadcast_shapes(mask.shape, *(part.shape for part in touched)))
    return gather(value.constant, [*rest, np.where(mask, _total(touched), otherwise)])


def smaller(a: Sum, b: Sum) -> Sum:
    """The smaller of two at every point."""
    return larger(a.times(-1), b.times(-1)).times(-1)


def larger(a: Sum, b: Sum) -> Sum:
    """The larger of two at every point; parts equal up to a number stay apart."""
    common: list[Array] = []
    left, right, offset = list(a.parts), list(b.parts), b.constant
    for mine, other in itertools.product(a.parts, b.parts):
        difference = _difference(other, mine)
        if difference is not None:
            common.append(mine)
            left = [part for part in left if part is not mine]
            right = [part for part in right if part is not other]
            offset += difference
    first, second = _total(left) + a.constant, _total(right) + offset
    _check(np.broadcast_shapes(first.shape, second.shape))
    return gather(0, [*common, np.maximum(first, second)])


def smallest(value: Sum, depth: int) -> Sum:
    """The least value over the iterations of a loop."""
    return largest(value.times(-1), depth).times(-1)


def largest(value: Sum, depth: int) -> Sum:
    """The largest value over the iterations of a loop."""
    axis = -1 - depth
    parts = [p.max(axis=axis, keepdims=True) if _has(p, depth) else p for p in value.parts]
    return gather(value.constant, parts)


def largest_before(value: Sum, depth: int, count: int) -> Sum:
    """The largest value over the iterations of a loop that come before each; -FAR for none."""
    axis = -1 - depth
    along = [part for part in value.parts if _has(part, depth)]
    rest = [part for part in value.parts if not _has(part, depth)]
    part = along[0] if along else np.zeros((count, *[1] * depth), np.int64)
    running = np.maximum.accumulate(part, axis=axis)
    none = np.full_like(np.take(part, [0], axis=axis), -FAR)
    before = np.take(running, np.arange(count - 1), axis=axis)
    return gather(value.constant, [*rest, np.concatenate([none, before], axis=axis)])


def _axes(array: Array | Mask) -> int:
    """The axes longer than 1, as bits."""
    return sum(1 << k for k, extent in enumerate(reversed(array.shape)) if extent > 1)


def _has(array: Array, depth: int) -> bool:
    return array.ndim > depth and array.shape[-1 - depth] > 1


def _difference(a: Array, b: Array) -> int | None:
    """a - b where that is one number; None where it is not."""
    if a.shape != b.shape:
        return None
    first = int(a.flat[0] - b.flat[0])
    return first if bool((a - b == first).all()) else None


def _total(arrays: Iterable[Array]) -> Array:
    arrays = list(arrays)
    _check(np.broadcast_shapes(*(array.shape for array in arrays)))
    return sum(arrays, start=np.zeros((), np.int64))


def _check(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > _LARGEST:
        raise TooLargeError
