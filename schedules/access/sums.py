"""Integer functions of the event and of loop iterations, as sums of arrays.

The address of a convolution's tap is A[row, ky] + B[column, kx] + C[channel]. With three arrays
that have no axis in common, the least value over all taps, or over the whole output, takes time in
proportion to the sum of their sizes, not to the product.

Axes count from the right: the event is axis -1, the outermost loop -2, and so on. An array
broadcasts along the axes of loops that it does not depend on.
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

# Represents "never": beyond any address, and small enough that sums of several fit an int64.
FAR = 1 << 50

# The most elements of an array: 8 MB.
_LARGEST = 1 << 20


class TooLargeError(Exception):
    """An array would take too much memory; a range of fewer events may fit."""


@dataclass(frozen=True)
class Sum:
    """A constant plus the sum of parts, no two of which vary along one axis."""

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
        """The least and the largest value."""
        low = sum(int(part.min()) for part in self.parts)
        high = sum(int(part.max()) for part in self.parts)
        return self.constant + low, self.constant + high


def combined(operation: Callable[..., npt.NDArray[np.generic]], *values: Sum) -> Sum:
    """An elementwise function of several sums, computed on dense arrays."""
    arrays = [value.dense() for value in values]
    _check(np.broadcast_shapes(*(array.shape for array in arrays)))
    return gather(0, [np.asarray(operation(*arrays)).astype(np.int64)])


def iterations(count: int, depth: int) -> Sum:
    """The values 0 .. count - 1 along the axis of the loop `depth` levels below the event."""
    _check((count,))
    return gather(0, [np.arange(count, dtype=np.int64).reshape(count, *[1] * depth)])


def gather(constant: int, arrays: Iterable[Array]) -> Sum:
    """The sum of a number and arrays; those with a common axis become one part."""
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
    """`value` where the mask holds, elsewhere about `otherwise` (FAR or -FAR).

    Only the parts that share an axis with the mask are replaced, so that the others are added to
    `otherwise`.
    """
    if mask.all():
        return value
    touched = [part for part in value.parts if _axes(part) & _axes(mask)]
    rest = [part for part in value.parts if not _axes(part) & _axes(mask)]
    _check(np.broadcast_shapes(mask.shape, *(part.shape for part in touched)))
    return gather(value.constant, [*rest, np.where(mask, _total(touched), otherwise)])


def smaller(a: Sum, b: Sum) -> Sum:
    """The elementwise minimum of two sums."""
    return larger(a.times(-1), b.times(-1)).times(-1)


def larger(a: Sum, b: Sum) -> Sum:
    """The elementwise maximum of two sums.

    max(p + a, p + b + d) = p + max(a, b + d): a part p that both have, up to a number d, is not
    made dense.
    """
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
    """The least value over all iterations of a loop."""
    return largest(value.times(-1), depth).times(-1)


def largest(value: Sum, depth: int) -> Sum:
    """The largest value over all iterations of a loop."""
    axis = -1 - depth
    parts = [p.max(axis=axis, keepdims=True) if _has(p, depth) else p for p in value.parts]
    return gather(value.constant, parts)


def largest_before(value: Sum, depth: int, count: int) -> Sum:
    """The largest value over all earlier iterations of a loop; about -FAR for the first."""
    axis = -1 - depth
    along = [part for part in value.parts if _has(part, depth)]
    rest = [part for part in value.parts if not _has(part, depth)]
    part = along[0] if along else np.zeros((count, *[1] * depth), np.int64)
    running = np.maximum.accumulate(part, axis=axis)
    none = np.full_like(np.take(part, [0], axis=axis), -FAR)
    before = np.take(running, np.arange(count - 1), axis=axis)
    return gather(value.constant, [*rest, np.concatenate([none, before], axis=axis)])


def _axes(array: Array | Mask) -> int:
    """The axes along which an array varies, as bits; bit 0 is axis -1."""
    return sum(1 << k for k, extent in enumerate(reversed(array.shape)) if extent > 1)


def _has(array: Array, depth: int) -> bool:
    return array.ndim > depth and array.shape[-1 - depth] > 1


def _difference(a: Array, b: Array) -> int | None:
    """The number a - b, or None where it varies."""
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
